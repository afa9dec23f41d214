//! From a plugin's state before and after a change to what has happened.

use replug_proto::replug::control::v1 as pb;

use super::{Journal, Kind, about};
use crate::control::wire_state;
use crate::status::{Phase, PluginStatus, Running};

/// What of a plugin's state events are about, as it was.
pub(crate) struct Seen {
    phase: Phase,
    generation: u64,
    departing: u32,
    process: Option<Running>,
    crash_looping: bool,
    reason: String,
}

impl Seen {
    /// As it is at this moment.
    pub(crate) fn of(status: &PluginStatus) -> Self {
        Self {
            phase: status.phase,
            generation: status.generation,
            departing: status.departing,
            process: status.process,
            crash_looping: status.crash_looping,
            reason: status.reason.clone(),
        }
    }

    /// Writes down what has happened since.
    pub(crate) fn tell(&self, now: &PluginStatus, journal: &Journal) {
        let pid = |process: Option<Running>| process.map(|process| process.pid);
        let (before, after) = (pid(self.process), pid(now.process));
        // One whose place another has taken ends later, and by itself.
        let departs = now.departing > self.departing;
        let goes = before.is_some() && before != after && !departs;
        if goes {
            let how = now.last_exit.clone().unwrap_or_default();
            let event = about_process(now, Kind::Exited, how);
            journal.record(pb::Event { generation: self.generation, pid: before, ..event });
        }
        if after.is_some() && before != after {
            let event = about_process(now, Kind::Started, "");
            journal.record(pb::Event { generation: now.generation, pid: after, ..event });
        }
        if self.phase != now.phase || self.crash_looping != now.crash_looping {
            let looping = if now.crash_looping && now.phase == Phase::Backoff {
                "crash-looping: "
            } else {
                ""
            };
            let event = about_process(now, Kind::State, format!("{looping}{}", now.reason));
            journal.record(pb::Event {
                state: wire_state(now.phase).into(),
                previous: wire_state(self.phase).into(),
                generation: now.generation,
                pid: after,
                ..event
            });
        } else if self.reason != now.reason && now.phase == Phase::Ready {
            // In every other state the reason is told with the state that it leads to.
            let kind = if now.reason.is_empty() { Kind::Recovered } else { Kind::Trouble };
            let event = about_process(now, kind, now.reason.clone());
            journal.record(pb::Event { generation: now.generation, pid: after, ..event });
        }
    }
}

/// An event of this moment that is about one of a plugin's processes.
fn about_process(now: &PluginStatus, kind: Kind, text: impl Into<String>) -> pb::Event {
    let instance = now.instance.unwrap_or_default();
    pb::Event { instance, ..about(&now.name, kind, text) }
}
