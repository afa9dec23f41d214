//! Everything that is known of one plugin, a line for each thing, the most urgent first.

use std::io;

use replug_proto::replug::control::v1 as pb;

use super::table::{lost, short, state_of};

/// The width of the words before the lines.
const WORD: usize = 11;

/// Writes it with the plugin's name above it and what it printed last below.
pub(super) fn write(
    status: &pb::StatusResponse,
    plugin: &pb::Plugin,
    out: &mut impl io::Write,
) -> io::Result<()> {
    let found = if plugin.kind() == pb::plugin::Kind::Found { " (found)" } else { "" };
    writeln!(out, "{}{found}", plugin.name)?;
    for line in details(plugin) {
        writeln!(out, "  {line}")?;
    }
    for component in status.components.iter().filter(|it| it.served_by == plugin.name) {
        let because = match component.reason.as_str() {
            "" => String::new(),
            reason => format!(": {reason}"),
        };
        let state = super::component_state(component.state());
        let what = format!("{} ({}) {state}{because}", component.name, component.r#type);
        writeln!(out, "  {}", entry("component", &what))?;
    }
    for (at, line) in plugin.last_lines.iter().enumerate() {
        writeln!(out, "  {}", entry(if at == 0 { "printed" } else { "" }, &format!("| {line}")))?;
    }
    Ok(())
}

/// What is known of a plugin but for what it printed.
pub(crate) fn details(plugin: &pb::Plugin) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |word: &str, text: &str| {
        if !text.is_empty() {
            lines.push(entry(word, text));
        }
    };
    say("wrong", &plugin.reason);
    for missing in &plugin.missing_limits {
        say("not limited", missing);
    }
    for trouble in plugin.printed.iter().flat_map(lost) {
        say("output", &trouble);
    }
    for passed_over in &plugin.passed_over {
        say("passed over", passed_over);
    }
    say("state", &state(plugin));
    let restarts = match plugin.restarts {
        1 => "1 restart".to_owned(),
        restarts => format!("{restarts} restarts"),
    };
    if plugin.instances.is_empty() {
        say("generation", &format!("{}, {restarts}", plugin.generation));
    } else {
        say("restarts", &format!("{restarts} of all processes"));
    }
    if let Some(next) = plugin.successor {
        let pid = next.pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
        say("replacement", &format!("generation {}{pid} is started beside it", next.generation));
    }
    if plugin.departing > 0 {
        say("on the way out", &format!("{} that end their calls first", plugin.departing));
    }
    say("last exit", &plugin.last_exit);
    say("says", &plugin.says);
    for health in &plugin.health {
        say("health", &self::health(health));
    }
    say("serves", &plugin.serves.join(", "));
    if let Some(calls) = plugin.calls {
        let (ended, under_way) = (calls.ended, calls.under_way);
        let waiting = format!("{} held, {} sent again", calls.held, calls.again);
        let turned_away = match calls.turned_away {
            0 => String::new(),
            count => format!(", {count} turned away"),
        };
        say("calls", &format!("{ended} ended, {under_way} under way, {waiting}{turned_away}"));
    }
    if let Some(usage) = &plugin.usage {
        let cpu = usage.cpu.map(short).unwrap_or_default();
        let resident = bytes(usage.resident);
        let (processes, threads) = (usage.processes, usage.threads);
        say("uses", &format!("{cpu} cpu, {resident}, processes {processes}, threads {threads}"));
    }
    say("limits", &plugin.limits.join(", "));
    say("confinement", &plugin.confinement.join(", "));
    say("command", &plugin.command.join(" "));
    say("socket", &plugin.socket);
    say("log file", plugin.printed.as_ref().map_or("", |printed| &printed.file));
    lines
}

fn entry(word: &str, text: &str) -> String {
    format!("{word:<WORD$} {text}")
}

fn state(plugin: &pb::Plugin) -> String {
    let looping = if plugin.crash_looping { " (crash-looping)" } else { "" };
    let since = plugin.in_state.map(|since| format!(" for {}", short(since)));
    let next = plugin.next_start_in.map(|next| format!(", started again in {}", short(next)));
    let pid = plugin.pid.map(|pid| format!(", pid {pid}"));
    let up = plugin.uptime.map(|up| format!(", up {}", short(up)));
    let parts = [since, next, pid, up].into_iter().flatten();
    format!("{}{looping}{}", state_of(plugin), parts.collect::<String>())
}

fn health(health: &pb::Health) -> String {
    let state = match health.state() {
        pb::health::State::Well => "well",
        pb::health::State::Failing => "failing",
        pb::health::State::Hung => "hung",
        pb::health::State::Unspecified => "unknown",
    };
    let since = health.in_state.map(|since| format!(" for {}", short(since))).unwrap_or_default();
    let because = match (health.failures, health.reason.as_str()) {
        (0, _) | (_, "") => String::new(),
        (failures, reason) => format!(", {failures} in a row: {reason}"),
    };
    format!("{} {state}{since}{because}", health.by)
}

/// A size in three digits or so, `12.3M`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["K", "M", "G", "T"];
    #[allow(clippy::cast_precision_loss, reason = "a size for eyes")]
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1000.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    let unit = UNITS[unit];
    if size < 100.0 { format!("{size:.1}{unit}") } else { format!("{size:.0}{unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let sizes = [(0, "0.0K"), (12_900_000, "12.3M"), (1 << 30, "1.0G"), (1023 << 10, "1.0M")];
        for (size, text) in sizes {
            assert_eq!(bytes(size), text);
        }
    }
}
