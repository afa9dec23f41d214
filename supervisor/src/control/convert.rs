//! States in the form of `replug.control.v1`.

use std::time::Duration;

use prost_types::Duration as WireDuration;
use replug_proto::replug::control::v1 as pb;
use replug_runtime::app::{AppState, Application};
use replug_runtime::plugin::Calls;
use replug_runtime::registry::{ComponentState, ComponentStatus};
use tokio::time::Instant;

use crate::health::Verdict;
use crate::output::{Shown, Stream, Tally};
use crate::status::{Health, Kind, Phase, PluginStatus};
use crate::usage::Usage;

/// The application on the wire.
pub(super) fn application(application: &Application) -> pb::Application {
    use pb::application::State;
    let state = match *application.state().borrow() {
        AppState::Awaited => State::Awaited,
        AppState::Unhealthy => State::Unhealthy,
        AppState::Healthy => State::Healthy,
    };
    pb::Application { address: application.to_string(), state: state.into() }
}

/// A plugin on the wire.
pub(super) fn plugin(status: &PluginStatus) -> pb::Plugin {
    use pb::plugin::Kind as WireKind;
    pb::Plugin {
        name: status.label(),
        kind: match status.kind {
            Kind::Declared => WireKind::Declared,
            Kind::Found => WireKind::Found,
        }
        .into(),
        state: state(status.phase).into(),
        generation: status.generation,
        pid: status.process.map(|process| process.pid),
        in_state: duration(status.in_phase()),
        uptime: status.process.and_then(|process| duration(process.since.elapsed())),
        restarts: status.restarts,
        crash_looping: status.crash_looping,
        next_start_in: status
            .next_start
            .and_then(|next| duration(next.saturating_duration_since(Instant::now()))),
        last_exit: status.last_exit.clone().unwrap_or_default(),
        reason: status.reason.clone(),
        serves: status.serves.iter().map(ToString::to_string).collect(),
        passed_over: status
            .passed_over
            .iter()
            .map(|(component_type, by)| format!("{component_type}: served by {by}"))
            .collect(),
        socket: status.socket.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
        command: status.command.clone(),
        last_lines: status.last_lines.clone(),
        // Those of one plugin print into one place.
        printed: match (&status.printed, status.instance) {
            (Some(printed), None) => Some(tally(printed.tally())),
            _ => None,
        },
        usage: None,
        calls: None,
        limits: status.limits.clone(),
        missing_limits: status.missing_limits.clone(),
        confinement: status.confinement.clone(),
        successor: status.successor.map(|(generation, process)| pb::Successor {
            generation,
            pid: process.map(|process| process.pid),
        }),
        departing: status.departing,
        health: status.health.iter().map(health).collect(),
        says: status.says.clone(),
        instances: status.instances.iter().map(|one| plugin(one)).collect(),
        instance: status.instance.unwrap_or_default(),
    }
}

fn health(health: &Health) -> pb::Health {
    use pb::health::State;
    let Health { news, since } = health;
    pb::Health {
        by: news.by.to_string(),
        state: match news.verdict {
            Verdict::Well => State::Well,
            Verdict::Failing => State::Failing,
            Verdict::Hung => State::Hung,
        }
        .into(),
        in_state: duration(since.elapsed()),
        failures: news.failures,
        reason: news.reason.clone(),
    }
}

fn tally(tally: Tally) -> pb::Printed {
    pb::Printed {
        lines: tally.lines,
        kept: tally.kept,
        not_logged: tally.unlogged,
        not_filed: tally.unfiled,
        file: tally.file.map(|path| path.display().to_string()).unwrap_or_default(),
        file_trouble: tally.file_trouble.unwrap_or_default(),
    }
}

/// A line that a plugin has printed, on the wire.
pub(super) fn line(shown: Shown) -> pb::LogLine {
    use pb::log_line::{Level, Stream as WireStream};
    pb::LogLine {
        plugin: shown.plugin.to_string(),
        instance: shown.instance.unwrap_or_default(),
        generation: shown.generation,
        number: shown.number,
        at: Some(shown.at.into()),
        stream: match shown.stream {
            Stream::Stdout => WireStream::Stdout,
            Stream::Stderr => WireStream::Stderr,
        }
        .into(),
        level: match shown.said.level {
            tracing::Level::TRACE => Level::Trace,
            tracing::Level::DEBUG => Level::Debug,
            tracing::Level::INFO => Level::Info,
            tracing::Level::WARN => Level::Warn,
            tracing::Level::ERROR => Level::Error,
        }
        .into(),
        fields: shown.said.json_fields(),
        message: shown.said.message,
        missed: shown.missed,
    }
}

/// A plugin's phase on the wire.
pub(crate) fn state(phase: Phase) -> pb::plugin::State {
    use pb::plugin::State;
    match phase {
        Phase::Stopped => State::Stopped,
        Phase::Failed => State::Failed,
        Phase::Starting => State::Starting,
        Phase::Ready => State::Ready,
        Phase::Backoff => State::Backoff,
        Phase::Stopping => State::Stopping,
        Phase::Away => State::Away,
    }
}

/// A component on the wire.
pub(crate) fn component(status: ComponentStatus) -> pb::Component {
    use pb::component::State;
    let calls = status.calls;
    let calls = (calls != Calls::default()).then_some(pb::Calls {
        ended: calls.ended,
        under_way: calls.under_way,
        held: calls.held,
        again: calls.again,
        turned_away: calls.turned_away,
        bytes: calls.bytes,
    });
    let (state, reason) = match status.state {
        ComponentState::Ready => (State::Ready, String::new()),
        ComponentState::Waiting(reason) => (State::Waiting, reason),
        ComponentState::Suspended(reason) => (State::Suspended, reason),
        ComponentState::Failed(reason) => (State::Failed, reason),
    };
    pb::Component {
        name: status.name,
        r#type: status.component_type.to_string(),
        state: state.into(),
        served_by: status.served_by.unwrap_or_default(),
        reason,
        capabilities: status.capabilities,
        calls,
    }
}

/// What a plugin uses on the wire.
pub(super) fn usage(usage: Usage) -> pb::Usage {
    pb::Usage {
        cpu: duration(usage.cpu),
        resident: usage.resident,
        processes: usage.processes,
        threads: usage.threads,
    }
}

/// None where it is too long for the wire, which no lifetime is.
fn duration(duration: Duration) -> Option<WireDuration> {
    WireDuration::try_from(duration).ok()
}
