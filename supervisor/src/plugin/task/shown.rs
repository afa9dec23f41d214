//! What is said of a declared plugin: to those who ask, to its callers, and in the log.

use std::time::Duration;

use super::super::life::Life;
use super::super::{State, Then};
use super::PluginTask;
use crate::connect::listed;
use crate::restart::GiveUp;
use crate::status::Phase;

impl PluginTask {
    /// Why the present start has taken too long.
    pub(super) fn late(&self) -> String {
        let limit = humantime::format_duration(self.spec.start_timeout);
        let reason = self.status.borrow().reason.clone();
        match (reason.is_empty(), self.life.as_ref().is_some_and(Life::has_sockets)) {
            (true, false) => format!("no socket has appeared within {limit}"),
            (true, true) => format!("was not ready within {limit}"),
            (false, _) => format!("was not ready within {limit}: {reason}"),
        }
    }

    /// What callers are told while they wait.
    pub(super) fn absence(&self) -> String {
        let name = &self.spec.name;
        let status = self.status.borrow();
        let doing = match self.state {
            State::Starting => "is starting again",
            State::Backoff { .. } => "waits for its next start",
            State::Stopping(Then::Stay) => "is being stopped",
            State::Stopping(_) => "is being restarted",
            State::Stopped => "is stopped",
            State::Ready => "is ready",
        };
        match status.reason.as_str() {
            "" => format!("plugin {name} {doing}"),
            reason => format!("plugin {name} {doing}: {reason}"),
        }
    }

    /// Shows the state, then tells of it.
    pub(super) fn show(&self) {
        let crash_looping = self.backoff.crash_looping();
        let gave_up = self.backoff.gave_up().filter(|_| self.state == State::Stopped);
        self.status.send_modify(|status| {
            status.enter(match self.state {
                State::Stopped => Phase::Stopped,
                State::Starting => Phase::Starting,
                State::Ready => Phase::Ready,
                State::Stopping(_) => Phase::Stopping,
                State::Backoff { .. } => Phase::Backoff,
            });
            status.crash_looping = crash_looping;
            if let Some(GiveUp { restarts, within }) = gave_up {
                let within = humantime::format_duration(within);
                status.reason = format!(
                    "given up after {restarts} restarts within {within}: {}",
                    status.reason
                );
            }
            status.next_start = match self.state {
                State::Backoff { .. } => self.timer,
                _ => None,
            };
        });
        self.tell();
    }

    /// Told after it is shown: whoever reads the log and then asks finds it so.
    fn tell(&self) {
        if self.state == State::Ready {
            tracing::info!(
                plugin = self.spec.name,
                generation = self.generation,
                "plugin ready, serves {}",
                listed(&self.status.borrow().serves)
            );
        }
        if let State::Backoff { delay } = self.state {
            let delay = humantime::format_duration(Duration::from_millis(
                u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            ));
            let note = if self.backoff.crash_looping() { " (crash-looping)" } else { "" };
            tracing::warn!(plugin = self.spec.name, "is started again in {delay}{note}");
        }
        if self.state == State::Stopped && self.backoff.gave_up().is_some() {
            tracing::error!(plugin = self.spec.name, "{}", self.status.borrow().reason);
        }
    }
}
