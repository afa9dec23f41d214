//! What is made of what happens to the present generation: it ends, its sockets come and go, its time
//! is up.

use tokio::time::Instant;

use super::super::life::LifeEvent;
use super::super::{Event, State, Then};
use super::PluginTask;
use super::shown::tell_crash_loop;
use crate::connect::{SocketEvent, warn_of};
use crate::health::overslept;
use crate::output::Output;
use crate::restart::{Decision, Ending};

impl PluginTask {
    /// Something has happened to the present generation.
    pub(super) async fn lived(&mut self, event: LifeEvent) {
        match event {
            LifeEvent::Exited(exit) => {
                let Some(life) = self.life.take() else { return };
                let ended = life.end().await;
                let asked = matches!(self.state(), State::Stopping(Then::Stay | Then::Start));
                let looped = self.backoff.crash_looping();
                let decision = if asked {
                    self.backoff.forget();
                    Decision::Stay
                } else {
                    let killed = matches!(self.state(), State::Stopping(_));
                    let ending = if killed { Ending::Failure } else { Ending::Exited(exit) };
                    self.backoff.ended(ended.ready_for, ending)
                };
                self.status.send_modify(|status| {
                    status.process = None;
                    status.last_exit = Some(exit.to_string());
                    if asked {
                        status.reason.clear();
                    } else if self.state() != State::Stopping(Then::AsDecided) {
                        status.reason = exit.to_string();
                    }
                });
                if asked {
                    tracing::info!(
                        plugin = self.label,
                        generation = self.generation,
                        "ended: {exit}"
                    );
                } else {
                    tracing::warn!(
                        plugin = self.label,
                        generation = self.generation,
                        "ended: {exit}"
                    );
                }
                self.keep_last_lines(ended.output, self.backoff.crash_looping() && !looped);
                self.left = Some(ended.left);
                self.happened(Event::Ended(decision)).await;
                self.clear_away();
            }
            LifeEvent::Refused(reason) => {
                tracing::warn!(plugin = self.label, "{reason}");
                self.status.send_modify(|status| status.reason = reason);
            }
            LifeEvent::Socket(event) => self.socket(event).await,
            LifeEvent::Sign(sign) => self.sign(sign).await,
        }
    }

    /// Removes what the last generation left, once the next one has its own folder: making one and
    /// removing another in the same place wait for each other, as do watching one and ending the
    /// watch of another, and the start is what counts.
    pub(super) fn clear_away(&mut self) {
        if let Some(left) = self.left.take() {
            self.background.spawn_blocking(move || left.clear_away());
        }
    }

    /// What the generation printed last is read to its end, which the next one does not wait for.
    /// Where the end was one too many, it is told what led there.
    fn keep_last_lines(&mut self, output: Output, one_too_many: bool) {
        let status = self.status.clone();
        let told = one_too_many.then(|| (self.label.clone(), self.backoff.in_a_row()));
        self.background.spawn(async move {
            let lines = output.finish().await;
            status.send_modify(|status| status.last_lines = lines);
            if let Some((name, ends)) = told {
                tell_crash_loop(&name, ends, &status.borrow());
            }
        });
    }

    async fn socket(&mut self, event: SocketEvent) {
        match event {
            SocketEvent::Served { attached, .. } => {
                warn_of(&self.label, &attached);
                self.status.send_modify(|status| {
                    status.serve(&attached);
                    status.reason.clear();
                });
                self.happened(Event::Usable).await;
            }
            SocketEvent::Lost { .. } => {
                if self.life.as_ref().is_some_and(|life| life.served() == 0) {
                    self.status.send_modify(|status| {
                        "the connection to it was lost".clone_into(&mut status.reason);
                    });
                    self.happened(Event::Unusable).await;
                }
            }
            SocketEvent::Trouble { socket, reason } => {
                tracing::debug!(plugin = self.label, socket = %socket.path.display(), "{reason}");
                if self.state() == State::Starting {
                    self.status.send_modify(|status| status.reason = reason);
                }
            }
            SocketEvent::Health { news, .. } => self.health(news).await,
        }
    }

    pub(super) async fn time_is_up(&mut self) {
        let timer = self.timer.take();
        match self.state() {
            State::Starting
                if timer.is_some_and(|timer| overslept(timer, self.spec.start_timeout)) =>
            {
                // The plugin may have become ready while replug did not run, and not be heard yet.
                self.timer = Some(Instant::now() + self.spec.start_timeout);
            }
            State::Starting => {
                let reason = self.late();
                tracing::warn!(plugin = self.label, "{reason}: killed");
                self.status.send_modify(|status| status.reason = reason);
                self.happened(Event::TimedOut).await;
            }
            State::Backoff { .. } => self.happened(Event::DelayOver).await,
            State::Stopping(_) => {
                tracing::warn!(
                    plugin = self.label,
                    "has not ended {} after the stop signal: killed",
                    humantime::format_duration(self.spec.stop_timeout)
                );
                self.kill();
            }
            State::Ready => {
                self.backoff.forget();
                self.status.send_modify(|status| status.crash_looping = false);
            }
            State::Stopped => {}
        }
    }
}
