//! How a declared plugin goes from one program of replug to the next: its process runs on, and the
//! next program's task goes on where this one's left off.

use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::time::Instant;

use super::super::handed::{Handed, HandedState, StartedAs};
use super::super::life::{Birth, Life};
use super::super::{Event, State};
use super::PluginTask;
use crate::restart::{Backoff, Ending, Left};
use crate::status::{Phase, Running};

/// What callers are told while one program follows another.
const ABSENCE: &str = "replug is being upgraded";

impl PluginTask {
    /// Lets go of everything. The process runs on, and its connections are closed.
    pub(super) async fn hand_over(&mut self) -> Handed<OwnedFd> {
        self.be_alone().await;
        let mut life = None;
        while let Some(present) = self.life.take() {
            match present.hand_over(StartedAs::of(&self.spec)).await {
                Ok(handed) => life = Some(handed),
                // It has ended just now, which is dealt with as at any other time.
                Err(mut ended) => {
                    let event = ended.next().await;
                    self.life = Some(ended);
                    self.lived(event).await;
                }
            }
        }
        self.surroundings.registry.suspend(&self.spec.name, self.seat(), ABSENCE);
        let status = self.status.borrow();
        let left_for = |until: Instant| until.saturating_duration_since(Instant::now());
        Handed {
            name: self.spec.name.clone(),
            instance: self.instance,
            state: match self.state() {
                State::Stopped => HandedState::Stopped,
                // Its start has come no further than to a secret store.
                State::Starting if life.is_none() => HandedState::Backoff(Duration::ZERO),
                State::Starting | State::Ready => HandedState::Running,
                State::Stopping(then) => HandedState::Stopping(then),
                State::Backoff { delay } => {
                    HandedState::Backoff(self.timer.map_or(delay, left_for))
                }
            },
            generation: self.generation,
            backoff: self.backoff.memory(),
            last_exit: status.last_exit.clone(),
            reason: status.reason.clone(),
            last_lines: status.last_lines.clone(),
            says: status.says.clone(),
            life,
        }
    }

    /// Goes on where the task of the program before left off.
    pub(super) async fn take_over(&mut self, handed: Handed<OwnedFd>) {
        let Handed {
            state, generation, backoff, last_exit, reason, last_lines, says, life, ..
        } = handed;
        if life.is_some() || matches!(state, HandedState::Backoff(_)) {
            self.family.claimants().join(self.instance);
        }
        self.generation = generation;
        self.generations = generation;
        self.backoff = Backoff::remembering(self.spec.restart, backoff);
        self.status.send_modify(|status| {
            status.generation = generation;
            status.restarts = generation.saturating_sub(1);
            status.last_exit = last_exit;
            status.reason = reason;
            status.last_lines = last_lines;
            status.says = says;
        });
        let Some(life) = life else {
            match state {
                HandedState::Backoff(delay) => {
                    self.now.state = State::Backoff { delay };
                    self.timer = Some(Instant::now() + delay);
                    self.show();
                }
                _ => self.rest(),
            }
            return;
        };
        let has_changed = life.started_as != StartedAs::of(&self.spec);
        let (uptime, ready_for) = (life.uptime, life.ready_for);
        match Life::adopt(&self.spec, self.seat(), life, &self.surroundings).await {
            Ok(Birth { life, pid, bounds }) => {
                // A clock that began later than the process did is no older than it.
                let since = Instant::now().checked_sub(uptime).unwrap_or_else(Instant::now);
                self.status.send_modify(|status| {
                    status.process = Some(Running { pid, since });
                    status.limits = bounds.limits;
                    status.missing_limits = bounds.missing;
                    status.confinement = bounds.confinement;
                });
                self.life = Some(life);
                self.now.state = match state {
                    HandedState::Stopping(then) => State::Stopping(then),
                    _ => State::Starting,
                };
                self.arm();
                self.show();
                tracing::info!(plugin = self.label, generation, pid, "runs on");
                if has_changed && self.state() == State::Starting {
                    tracing::info!(
                        plugin = self.label,
                        "is started with something else now: restarted"
                    );
                    self.happened(Event::Restart).await;
                }
            }
            Err(reason) => {
                tracing::error!(plugin = self.label, generation, "is lost: {reason}");
                self.status.send_modify(|status| status.reason = reason);
                self.now.state = State::Starting;
                let decision = self.backoff.ended(ready_for, Ending::Failure);
                self.happened(Event::Ended(decision)).await;
            }
        }
    }

    /// There is no process, and none is to come.
    fn rest(&mut self) {
        self.now.state = State::Stopped;
        let failed = self.backoff.left().is_some_and(Left::is_failure);
        self.status.send_modify(|status| {
            status.enter(if failed { Phase::Failed } else { Phase::Stopped });
        });
    }
}
