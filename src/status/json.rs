//! The status as JSON: one object, every name and state spelled out, durations in milliseconds.

use std::io;

use prost_types::Duration;
use replug_proto::replug::control::v1 as pb;
use serde::Serialize;

use crate::lifecycle::Outcome;

#[derive(Serialize)]
struct Status<'a> {
    version: &'a str,
    pid: u32,
    app_id: &'a str,
    started_at: String,
    listeners: &'a [String],
    /// None where replug calls no application.
    application: Option<Application<'a>>,
    upgrades: u64,
    upgrade_failure: Option<&'a str>,
    plugins: Vec<Plugin<'a>>,
    components: Vec<Component<'a>>,
}

#[derive(Serialize)]
struct Application<'a> {
    address: &'a str,
    state: &'static str,
}

#[derive(Serialize)]
struct Plugin<'a> {
    name: &'a str,
    kind: &'static str,
    state: &'static str,
    generation: u64,
    pid: Option<u32>,
    in_state_ms: u64,
    uptime_ms: Option<u64>,
    restarts: u64,
    crash_looping: bool,
    next_start_in_ms: Option<u64>,
    last_exit: Option<&'a str>,
    reason: Option<&'a str>,
    serves: &'a [String],
    passed_over: &'a [String],
    socket: Option<&'a str>,
    command: &'a [String],
    last_lines: &'a [String],
    printed: Option<Printed<'a>>,
    limits: &'a [String],
    missing_limits: &'a [String],
    confinement: &'a [String],
    health: Vec<Health<'a>>,
    says: Option<&'a str>,
    /// What its processes use; none where it has none.
    cpu_ms: Option<u64>,
    resident_bytes: Option<u64>,
    processes: Option<u32>,
    threads: Option<u32>,
    calls: Calls,
    successor: Option<Successor>,
    departing: u32,
    /// Which one of several processes this is.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<u32>,
    /// Each process of several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    instances: Vec<Plugin<'a>>,
}

#[derive(Serialize, Default)]
struct Calls {
    ended: u64,
    under_way: u64,
    held: u64,
    again: u64,
    turned_away: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct Printed<'a> {
    lines: u64,
    kept: u64,
    not_logged: u64,
    not_filed: u64,
    file: Option<&'a str>,
    file_trouble: Option<&'a str>,
}

#[derive(Serialize)]
struct Successor {
    generation: u64,
    pid: Option<u32>,
}

#[derive(Serialize)]
struct Health<'a> {
    by: &'a str,
    state: &'static str,
    in_state_ms: u64,
    failures: u32,
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Component<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    component_type: &'a str,
    state: &'static str,
    served_by: Option<&'a str>,
    reason: Option<&'a str>,
    capabilities: &'a [String],
    calls: Calls,
}

/// Writes the status as one JSON object.
pub(super) fn write(status: &pb::StatusResponse, out: &mut impl io::Write) -> io::Result<()> {
    let shown = Status {
        version: &status.version,
        pid: status.pid,
        app_id: &status.app_id,
        started_at: status.started_at.map(|at| at.to_string()).unwrap_or_default(),
        listeners: &status.listeners,
        application: status.application.as_ref().map(application),
        upgrades: status.upgrades,
        upgrade_failure: filled(&status.upgrade_failure),
        plugins: status.plugins.iter().map(plugin).collect(),
        components: status.components.iter().map(component).collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &shown)?;
    writeln!(out)
}

/// Writes components alone, as an array.
pub(super) fn write_components(
    components: &[pb::Component],
    out: &mut impl io::Write,
) -> io::Result<()> {
    let components: Vec<_> = components.iter().map(component).collect();
    serde_json::to_writer_pretty(&mut *out, &components)?;
    writeln!(out)
}

/// Writes what came of plugins as an array: each as status shows it, or with its error.
pub(crate) fn write_outcomes(outcomes: &[Outcome], out: &mut impl io::Write) -> io::Result<()> {
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Shown<'a> {
        Plugin(Box<Plugin<'a>>),
        Failed { name: &'a str, error: &'a str },
    }
    let shown = outcomes.iter().map(|(name, outcome)| match outcome {
        Ok(it) => Shown::Plugin(Box::new(plugin(it))),
        Err(failure) => Shown::Failed { name, error: failure.message().unwrap_or_default() },
    });
    serde_json::to_writer_pretty(&mut *out, &shown.collect::<Vec<_>>())?;
    writeln!(out)
}

fn application(application: &pb::Application) -> Application<'_> {
    use pb::application::State;
    let state = match application.state() {
        State::Unspecified => "unknown",
        State::Awaited => "awaited",
        State::Unhealthy => "unhealthy",
        State::Healthy => "healthy",
    };
    Application { address: &application.address, state }
}

fn plugin(plugin: &pb::Plugin) -> Plugin<'_> {
    Plugin {
        name: &plugin.name,
        kind: super::table::kind(plugin.kind()),
        state: super::table::plugin_state(plugin.state()),
        generation: plugin.generation,
        pid: plugin.pid,
        in_state_ms: plugin.in_state.map_or(0, millis),
        uptime_ms: plugin.uptime.map(millis),
        restarts: plugin.restarts,
        crash_looping: plugin.crash_looping,
        next_start_in_ms: plugin.next_start_in.map(millis),
        last_exit: filled(&plugin.last_exit),
        reason: filled(&plugin.reason),
        serves: &plugin.serves,
        passed_over: &plugin.passed_over,
        socket: filled(&plugin.socket),
        command: &plugin.command,
        last_lines: &plugin.last_lines,
        printed: plugin.printed.as_ref().map(printed),
        cpu_ms: plugin.usage.and_then(|usage| usage.cpu).map(millis),
        resident_bytes: plugin.usage.map(|usage| usage.resident),
        processes: plugin.usage.map(|usage| usage.processes),
        threads: plugin.usage.map(|usage| usage.threads),
        calls: calls(plugin.calls),
        limits: &plugin.limits,
        missing_limits: &plugin.missing_limits,
        confinement: &plugin.confinement,
        successor: plugin
            .successor
            .map(|next| Successor { generation: next.generation, pid: next.pid }),
        departing: plugin.departing,
        health: plugin.health.iter().map(health).collect(),
        says: filled(&plugin.says),
        instance: Some(plugin.instance).filter(|instance| *instance > 0),
        instances: plugin.instances.iter().map(self::plugin).collect(),
    }
}

fn health(health: &pb::Health) -> Health<'_> {
    use pb::health::State;
    Health {
        by: &health.by,
        state: match health.state() {
            State::Unspecified => "unknown",
            State::Well => "well",
            State::Failing => "failing",
            State::Hung => "hung",
        },
        in_state_ms: health.in_state.map_or(0, millis),
        failures: health.failures,
        reason: filled(&health.reason),
    }
}

fn printed(printed: &pb::Printed) -> Printed<'_> {
    Printed {
        lines: printed.lines,
        kept: printed.kept,
        not_logged: printed.not_logged,
        not_filed: printed.not_filed,
        file: filled(&printed.file),
        file_trouble: filled(&printed.file_trouble),
    }
}

fn component(component: &pb::Component) -> Component<'_> {
    Component {
        name: &component.name,
        component_type: &component.r#type,
        state: super::table::component_state(component.state()),
        served_by: filled(&component.served_by),
        reason: filled(&component.reason),
        capabilities: &component.capabilities,
        calls: calls(component.calls),
    }
}

fn calls(calls: Option<pb::Calls>) -> Calls {
    calls.map_or_else(Calls::default, |calls| Calls {
        ended: calls.ended,
        under_way: calls.under_way,
        held: calls.held,
        again: calls.again,
        turned_away: calls.turned_away,
        bytes: calls.bytes,
    })
}

fn filled(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn millis(duration: Duration) -> u64 {
    let duration = std::time::Duration::try_from(duration).unwrap_or_default();
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
