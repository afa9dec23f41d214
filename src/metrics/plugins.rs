//! How plugins and components stand, as metrics of replug's own. They are made when somebody asks:
//! nothing is counted twice, and what is gone is shown no more.

use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};
use replug_runtime::registry::{ComponentState, ComponentStatus};
use replug_supervisor::status::{Phase, PluginStatus};

/// All of it in Prometheus's text form.
pub(super) fn text(plugins: &[PluginStatus], components: &[ComponentStatus]) -> String {
    let registry = Registry::new();
    let mut text = String::new();
    // Names and labels are written here, and a text takes every write.
    let made = of_plugins(&registry, plugins).and_then(|()| of_components(&registry, components));
    if let Err(error) =
        made.and_then(|()| TextEncoder::new().encode_utf8(&registry.gather(), &mut text))
    {
        tracing::error!("metrics of plugins cannot be told: {error}");
    }
    text
}

fn of_plugins(registry: &Registry, plugins: &[PluginStatus]) -> prometheus::Result<()> {
    let state = gauge(
        registry,
        "replug_plugin_state",
        "1 for the state that a plugin is in",
        &["plugin", "state"],
    )?;
    let generation = gauge(
        registry,
        "replug_plugin_generation",
        "Lives of a plugin's process so far",
        &["plugin"],
    )?;
    let restarts = counter(
        registry,
        "replug_plugin_restarts_total",
        "Restarts of a plugin so far, asked for or not",
        &["plugin"],
    )?;
    let looping = gauge(
        registry,
        "replug_plugin_crash_looping",
        "1 while a plugin keeps failing",
        &["plugin"],
    )?;
    let last = gauge(
        registry,
        "replug_plugin_last_exit_info",
        "How a plugin's last process ended",
        &["plugin", "exit"],
    )?;
    let up = Opts::new(
        "replug_plugin_process_uptime_seconds",
        "How long a plugin's present process has run",
    );
    let up = GaugeVec::new(up, &["plugin"])?;
    registry.register(Box::new(up.clone()))?;
    // Each of a plugin's processes has a life of its own.
    for plugin in plugins.iter().flat_map(PluginStatus::processes) {
        let name = plugin.label();
        let name = name.as_str();
        for phase in PHASES {
            state.with_label_values(&[name, word(phase)]).set(i64::from(phase == plugin.phase));
        }
        generation.with_label_values(&[name]).set(plugin.generation.try_into().unwrap_or(i64::MAX));
        restarts.with_label_values(&[name]).inc_by(plugin.restarts);
        looping.with_label_values(&[name]).set(plugin.crash_looping.into());
        if let Some(exit) = &plugin.last_exit {
            last.with_label_values(&[name, exit.as_str()]).set(1);
        }
        if let Some(process) = &plugin.process {
            up.with_label_values(&[name]).set(process.since.elapsed().as_secs_f64());
        }
    }
    Ok(())
}

fn of_components(registry: &Registry, components: &[ComponentStatus]) -> prometheus::Result<()> {
    let by = ["component", "type", "plugin"];
    let ready = gauge(registry, "replug_component_ready", "1 while a component can be used", &by)?;
    let calls = counter(
        registry,
        "replug_component_calls_total",
        "Calls to a component's plugin that have ended",
        &by,
    )?;
    let under_way = gauge(
        registry,
        "replug_component_calls_in_flight",
        "Calls to a component's plugin that have not ended, those that are held included",
        &by,
    )?;
    let held =
        gauge(registry, "replug_component_calls_held", "Callers that wait for a component", &by)?;
    let again = counter(
        registry,
        "replug_component_calls_replayed_total",
        "Calls that were sent once more, since the plugin went away with them",
        &by,
    )?;
    let turned_away = counter(
        registry,
        "replug_component_calls_turned_away_total",
        "Calls that were turned away, since too many were under way or had too much in memory",
        &by,
    )?;
    let bytes = gauge(
        registry,
        "replug_component_calls_bytes",
        "Bytes that calls which have not ended have in memory",
        &by,
    )?;
    for component in components {
        let served_by = component.served_by.as_deref().unwrap_or_default();
        let labels = [component.name.as_str(), component.component_type.as_str(), served_by];
        ready.with_label_values(&labels).set((component.state == ComponentState::Ready).into());
        calls.with_label_values(&labels).inc_by(component.calls.ended);
        let number = |count: u64| count.try_into().unwrap_or(i64::MAX);
        under_way.with_label_values(&labels).set(number(component.calls.under_way));
        held.with_label_values(&labels).set(number(component.calls.held));
        again.with_label_values(&labels).inc_by(component.calls.again);
        turned_away.with_label_values(&labels).inc_by(component.calls.turned_away);
        bytes.with_label_values(&labels).set(number(component.calls.bytes));
    }
    Ok(())
}

fn gauge(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntGaugeVec> {
    let made = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(made.clone()))?;
    Ok(made)
}

fn counter(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntCounterVec> {
    let made = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(made.clone()))?;
    Ok(made)
}

const PHASES: [Phase; 7] = [
    Phase::Stopped,
    Phase::Failed,
    Phase::Starting,
    Phase::Ready,
    Phase::Backoff,
    Phase::Stopping,
    Phase::Away,
];

fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Stopped => "stopped",
        Phase::Failed => "failed",
        Phase::Starting => "starting",
        Phase::Ready => "ready",
        Phase::Backoff => "backoff",
        Phase::Stopping => "stopping",
        Phase::Away => "away",
    }
}

#[cfg(test)]
mod tests {
    use replug_supervisor::status::Kind;

    use super::*;

    #[test]
    fn a_plugin_shows_its_state_and_how_it_ended() {
        let mut plugin = PluginStatus::new("pg", Kind::Declared);
        (plugin.phase, plugin.generation, plugin.restarts) = (Phase::Ready, 3, 2);
        plugin.last_exit = Some("killed by SIGKILL".to_owned());
        let text = text(&[plugin], &[]);
        for line in [
            r#"replug_plugin_state{plugin="pg",state="ready"} 1"#,
            r#"replug_plugin_state{plugin="pg",state="away"} 0"#,
            r#"replug_plugin_generation{plugin="pg"} 3"#,
            r#"replug_plugin_restarts_total{plugin="pg"} 2"#,
            r#"replug_plugin_last_exit_info{exit="killed by SIGKILL",plugin="pg"} 1"#,
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
        }
    }
}
