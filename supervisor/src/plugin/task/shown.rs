//! What is said of a declared plugin: to those who ask, to its callers, and in the log.

use std::time::Duration;

use super::super::life::Life;
use super::super::{State, Then};
use super::PluginTask;
use crate::connect::listed;
use crate::restart::{GiveUp, Left};
use crate::status::{Phase, PluginStatus};

/// How many of the lines that a crash-looping plugin printed last are told with the news.
const LINES_TOLD: usize = 5;

/// Tells that a plugin has begun to crash-loop, with how it ended and what it printed last.
pub(super) fn tell_crash_loop(name: &str, ends: u32, status: &PluginStatus) {
    let lines = &status.last_lines;
    let lines = &lines[lines.len().saturating_sub(LINES_TOLD)..];
    let printed = match lines {
        [] => "it printed nothing".to_owned(),
        lines => format!("it printed last: {}", lines.join(" | ")),
    };
    let exit = status.last_exit.as_deref().unwrap_or("could not be started");
    tracing::error!(
        plugin = name,
        "crash-looping, {ends} ends in a row; the last: {exit}; {printed}"
    );
}

impl PluginTask {
    /// Why the present start has taken too long.
    pub(super) fn late(&self) -> String {
        let limit = humantime::format_duration(self.spec.start_timeout);
        let mut reason = self.status.borrow().reason.clone();
        if let Some(awaited) = self.life.as_ref().and_then(Life::awaited)
            && reason.is_empty()
        {
            awaited.clone_into(&mut reason);
        }
        match (reason.is_empty(), self.life.as_ref().is_some_and(Life::has_sockets)) {
            (true, false) => format!("no socket has appeared within {limit}"),
            (true, true) => format!("was not ready within {limit}"),
            (false, _) => format!("was not ready within {limit}: {reason}"),
        }
    }

    /// What callers are told while they wait.
    pub(super) fn absence(&self) -> String {
        let name = &self.label;
        let status = self.status.borrow();
        let doing = match self.state() {
            State::Starting => "is starting again",
            State::Backoff { .. } => "waits for its next start",
            State::Stopping(Then::Stay) => "is being stopped",
            State::Stopping(_) => "is being restarted",
            State::Stopped if self.failed() => "has failed and is not started again",
            State::Stopped => "is stopped",
            State::Ready => "is ready",
        };
        match status.reason.as_str() {
            "" => format!("plugin {name} {doing}"),
            reason => format!("plugin {name} {doing}: {reason}"),
        }
    }

    /// Whether there is no process and will be none, because the plugin failed.
    pub(super) fn failed(&self) -> bool {
        self.state() == State::Stopped && self.backoff.left().is_some_and(Left::is_failure)
    }

    /// Shows that nothing is wrong with a plugin that is left as it is: somebody has seen to it.
    pub(super) fn show_as_stopped(&self) {
        self.status.send_modify(|status| {
            status.enter(Phase::Stopped);
            status.crash_looping = false;
            status.reason = self.because.clone().unwrap_or_default();
        });
    }

    /// Shows the state, then tells of it.
    pub(super) fn show(&self) {
        let crash_looping = self.backoff.crash_looping();
        let left = self.backoff.left().filter(|_| self.state() == State::Stopped);
        let failed = self.failed();
        let others = self.has_others();
        self.status.send_modify(|status| {
            status.enter(match self.state() {
                State::Stopped if others => Phase::Stopping,
                State::Stopped if failed => Phase::Failed,
                State::Stopped => Phase::Stopped,
                State::Starting => Phase::Starting,
                State::Ready => Phase::Ready,
                State::Stopping(_) => Phase::Stopping,
                State::Backoff { .. } => Phase::Backoff,
            });
            status.crash_looping = crash_looping;
            match left {
                Some(Left::GivenUp(GiveUp { restarts, within })) => {
                    let within = humantime::format_duration(within);
                    status.reason = format!(
                        "given up after {restarts} restarts within {within}: {}",
                        status.reason
                    );
                }
                Some(Left::Prevented) => {
                    status.reason.push_str(", after which it is not restarted");
                }
                Some(Left::Succeeded) => status.reason.clear(),
                None if self.state() == State::Stopped && self.because.is_some() => {
                    status.reason = self.because.clone().unwrap_or_default();
                }
                Some(Left::Failed) | None => {}
            }
            status.next_start = match self.state() {
                State::Backoff { .. } => self.timer,
                _ => None,
            };
        });
        self.tell();
    }

    /// Told after it is shown: whoever reads the log and then asks finds it so.
    fn tell(&self) {
        if self.state() == State::Ready {
            tracing::info!(
                plugin = self.label,
                generation = self.generation,
                "plugin ready, serves {}",
                listed(&self.status.borrow().serves)
            );
        }
        if let State::Backoff { delay } = self.state() {
            let delay = humantime::format_duration(Duration::from_millis(
                u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            ));
            let note = if self.backoff.crash_looping() { " (crash-looping)" } else { "" };
            tracing::warn!(plugin = self.label, "is started again in {delay}{note}");
        }
        if self.failed() {
            tracing::error!(plugin = self.label, "{}", self.status.borrow().reason);
        }
    }
}
