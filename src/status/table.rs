//! The status for eyes: a table of plugins, a table of components, and below them what is wrong.

use std::io;

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use prost_types::Duration;
use replug_proto::replug::control::v1 as pb;

use super::processes;

/// Writes the status as tables.
pub(super) fn write(
    status: &pb::StatusResponse,
    colour: bool,
    out: &mut impl io::Write,
) -> io::Result<()> {
    writeln!(
        out,
        "replug {}, app {}, pid {}{}",
        status.version,
        status.app_id,
        status.pid,
        if status.listeners.is_empty() {
            String::new()
        } else {
            format!(", {}", status.listeners.join(", "))
        }
    )?;
    if let Some(application) = &status.application {
        let state = match application.state() {
            pb::application::State::Unspecified => "in a state that this replug does not know",
            pb::application::State::Awaited => "not there yet: nobody listens on its port",
            pb::application::State::Unhealthy => "unhealthy: nothing is delivered to it",
            pb::application::State::Healthy => "healthy",
        };
        writeln!(out, "application {}: {state}", application.address)?;
    }
    if !status.plugins.is_empty() {
        writeln!(out, "\n{}", plugins(status, colour))?;
    }
    if !status.components.is_empty() {
        writeln!(out, "\n{}", components(&status.components, colour))?;
    }
    bounds(status, out)?;
    words(status, out)?;
    troubles(status, out)
}

/// What plugins say of themselves.
fn words(status: &pb::StatusResponse, out: &mut impl io::Write) -> io::Result<()> {
    let mut heading = Some("\nSay of themselves:");
    let processes = status.plugins.iter().flat_map(processes);
    for plugin in processes.filter(|plugin| !plugin.says.is_empty()) {
        if let Some(heading) = heading.take() {
            writeln!(out, "{heading}")?;
        }
        writeln!(out, "  plugin {}: {}", plugin.name, plugin.says)?;
    }
    Ok(())
}

/// What plugins are held to, each by what means.
fn bounds(status: &pb::StatusResponse, out: &mut impl io::Write) -> io::Result<()> {
    let mut heading = Some("\nHeld to:");
    for plugin in &status.plugins {
        let held: Vec<_> = plugin.limits.iter().chain(&plugin.confinement).cloned().collect();
        if held.is_empty() {
            continue;
        }
        if let Some(heading) = heading.take() {
            writeln!(out, "{heading}")?;
        }
        writeln!(out, "  plugin {}: {}", plugin.name, held.join(", "))?;
    }
    Ok(())
}

fn plugins(status: &pb::StatusResponse, colour: bool) -> Table {
    let mut table = empty(
        ["PLUGIN", "STATE", "FOR", "GEN", "PID", "UPTIME", "RESTARTS", "LAST EXIT", "SERVES"],
        colour,
    );
    for plugin in &status.plugins {
        let looping = if plugin.crash_looping { " (crash-looping)" } else { "" };
        let found = if plugin.kind() == pb::plugin::Kind::Found { " (found)" } else { "" };
        let state = plugin.state();
        let state_cell = painted(
            format!("{}{looping}", state_of(plugin)),
            match state {
                pb::plugin::State::Ready if all_ready(plugin) => Color::Green,
                pb::plugin::State::Backoff
                | pb::plugin::State::Away
                | pb::plugin::State::Failed => Color::Red,
                _ => Color::Yellow,
            },
            colour,
        );
        table.add_row(vec![
            Cell::new(format!("{}{found}", plugin.name)),
            state_cell,
            Cell::new(plugin.in_state.map(short).unwrap_or_default()),
            Cell::new(generations(plugin)),
            Cell::new(pids(plugin)),
            Cell::new(uptime(plugin).map_or_else(|| "-".into(), short)),
            Cell::new(plugin.restarts),
            Cell::new(or_dash(&plugin.last_exit)),
            Cell::new(or_dash(&plugin.serves.join(", "))),
        ]);
    }
    table
}

/// The present generation, with the one that is started beside it and how many are on their way out.
fn generations(plugin: &pb::Plugin) -> String {
    let next = plugin.successor.map(|next| format!(" (+{})", next.generation));
    let departing = match plugin.departing {
        0 => String::new(),
        departing => format!(" (-{departing})"),
    };
    format!("{}{}{departing}", plugin.generation, next.unwrap_or_default())
}

fn all_ready(plugin: &pb::Plugin) -> bool {
    processes(plugin).iter().all(|one| one.state() == pb::plugin::State::Ready)
}

/// The process's id; of several, the first one's and how many there are besides.
fn pids(plugin: &pb::Plugin) -> String {
    let mut pids = processes(plugin).iter().filter_map(|it| it.pid);
    let Some(first) = pids.next() else { return "-".to_owned() };
    match pids.count() {
        0 => first.to_string(),
        more => format!("{first} +{more}"),
    }
}

/// For how long the process runs; of several, the youngest.
fn uptime(plugin: &pb::Plugin) -> Option<Duration> {
    let all = processes(plugin).iter().filter_map(|it| it.uptime);
    all.min_by_key(|up| (up.seconds, up.nanos))
}

/// Writes components alone, and below them what is wrong.
pub(super) fn write_components(
    shown: &[pb::Component],
    colour: bool,
    out: &mut impl io::Write,
) -> io::Result<()> {
    writeln!(out, "{}", components(shown, colour))?;
    let alone = pb::StatusResponse { components: shown.to_vec(), ..Default::default() };
    troubles(&alone, out)
}

fn components(shown: &[pb::Component], colour: bool) -> Table {
    let mut table = empty(["COMPONENT", "TYPE", "STATE", "SERVED BY", "CAPABILITIES"], colour);
    for component in shown {
        let state = component.state();
        table.add_row(vec![
            Cell::new(&component.name),
            Cell::new(&component.r#type),
            painted(
                component_state(state).to_owned(),
                match state {
                    pb::component::State::Ready => Color::Green,
                    pb::component::State::Failed => Color::Red,
                    _ => Color::Yellow,
                },
                colour,
            ),
            Cell::new(or_dash(&component.served_by)),
            Cell::new(or_dash(&component.capabilities.join(" "))),
        ]);
    }
    table
}

/// How many lines of what is wrong are shown. With a thousand plugins that cannot reach one
/// database, the first of them say it.
const TROUBLES: usize = 40;

/// What is not as it should be, each with its cause.
fn troubles(status: &pb::StatusResponse, out: &mut impl io::Write) -> io::Result<()> {
    let mut heading = Some("\nWhat is wrong:");
    let mut lines = 0;
    let mut say = |line: String| {
        lines += 1;
        if lines > TROUBLES {
            return Ok(());
        }
        if let Some(heading) = heading.take() {
            writeln!(out, "{heading}")?;
        }
        writeln!(out, "  {line}")
    };
    if !status.upgrade_failure.is_empty() {
        say(format!("no upgrade: {}", status.upgrade_failure))?;
    }
    for plugin in status.plugins.iter().flat_map(processes) {
        if !plugin.reason.is_empty() {
            let next = plugin
                .next_start_in
                .map(|next| format!(" (started again in {})", short(next)))
                .unwrap_or_default();
            say(format!("plugin {}: {}{next}", plugin.name, plugin.reason))?;
            if plugin.state() != pb::plugin::State::Ready {
                for line in &plugin.last_lines {
                    say(format!("    | {line}"))?;
                }
            }
        }
        for missing in &plugin.missing_limits {
            say(format!("plugin {}: not limited: {missing}", plugin.name))?;
        }
        if let Some(printed) = &plugin.printed {
            for trouble in lost(printed) {
                say(format!("plugin {}: {trouble}", plugin.name))?;
            }
        }
        for passed_over in &plugin.passed_over {
            say(format!("plugin {}: {passed_over}", plugin.name))?;
        }
    }
    for component in &status.components {
        if !component.reason.is_empty() {
            say(format!("component {}: {}", component.name, component.reason))?;
        }
    }
    match lines.saturating_sub(TROUBLES) {
        0 => Ok(()),
        more => {
            writeln!(out, "  … {more} lines more: `replug status NAME`, or --json, tells all")
        }
    }
}

/// What of a plugin's output does not come where it is to go.
pub(super) fn lost(printed: &pb::Printed) -> Vec<String> {
    let mut lost = Vec::new();
    if !printed.file_trouble.is_empty() {
        let trouble = &printed.file_trouble;
        lost.push(format!("what it prints cannot be written to its file: {trouble}"));
    }
    if printed.not_filed > 0 {
        lost.push(format!("{} of its lines are missing in its file", printed.not_filed));
    }
    if printed.not_logged > 0 {
        lost.push(format!("{} of its lines are missing in replug's log", printed.not_logged));
    }
    lost
}

fn empty<const N: usize>(heads: [&str; N], colour: bool) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(heads.map(|head| {
        let cell = Cell::new(head);
        if colour { cell.add_attribute(Attribute::Bold) } else { cell }
    }));
    table
}

fn painted(text: String, paint: Color, colour: bool) -> Cell {
    let cell = Cell::new(text);
    if colour { cell.fg(paint) } else { cell }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

/// A duration in at most two units, `3m 20s`; below a second in milliseconds.
pub(super) fn short(duration: Duration) -> String {
    let duration = std::time::Duration::try_from(duration).unwrap_or_default();
    let (seconds, millis) = (duration.as_secs(), duration.subsec_millis());
    match seconds {
        0 => format!("{millis}ms"),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86400, seconds / 3600 % 24),
    }
}

/// A plugin's kind as status names it.
pub(super) fn kind(kind: pb::plugin::Kind) -> &'static str {
    match kind {
        pb::plugin::Kind::Declared => "declared",
        pb::plugin::Kind::Found => "found",
        pb::plugin::Kind::Unspecified => "unknown",
    }
}

/// A plugin's state as status shows it: of several processes, how many are ready.
pub(crate) fn state_of(plugin: &pb::Plugin) -> String {
    use pb::plugin::State;
    let all = plugin.instances.len();
    let ready = plugin.instances.iter().filter(|one| one.state() == State::Ready).count();
    match ready {
        0 => plugin_state(plugin.state()).to_owned(),
        ready => format!("{ready}/{all} ready"),
    }
}

/// A plugin's state as status names it.
pub(crate) fn plugin_state(state: pb::plugin::State) -> &'static str {
    use pb::plugin::State;
    match state {
        State::Unspecified => "unknown",
        State::Stopped => "stopped",
        State::Starting => "starting",
        State::Ready => "ready",
        State::Backoff => "backoff",
        State::Stopping => "stopping",
        State::Away => "away",
        State::Failed => "failed",
    }
}

/// A component's state as status names it.
pub(crate) fn component_state(state: pb::component::State) -> &'static str {
    use pb::component::State;
    match state {
        State::Unspecified => "unknown",
        State::Ready => "ready",
        State::Waiting => "waiting",
        State::Suspended => "suspended",
        State::Failed => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_troubles_are_shown_by_the_first_of_them() {
        let plugin = |number| pb::Plugin {
            name: format!("p{number}"),
            reason: "no socket has appeared within 30s".to_owned(),
            ..pb::Plugin::default()
        };
        let plugins: Vec<_> = (0..1000).map(plugin).collect();
        let status = pb::StatusResponse { plugins, ..pb::StatusResponse::default() };
        let mut shown = Vec::new();
        troubles(&status, &mut shown).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert_eq!(shown.lines().count(), 1 + 1 + TROUBLES + 1, "{shown}");
        assert!(shown.contains("plugin p39: no socket") && !shown.contains("p40"), "{shown}");
        assert!(shown.ends_with("… 960 lines more: `replug status NAME`, or --json, tells all\n"));
    }
}
