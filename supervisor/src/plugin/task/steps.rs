//! What the state machine asks for, done.

use std::collections::VecDeque;

use replug_runtime::plugin::Seat;
use tokio::time::Instant;

use super::super::life::{Birth, Life};
use super::super::spec::Secrets;
use super::super::{Effect, Event, Happening, State, Step};
use super::PluginTask;
use crate::restart::Ending;
use crate::status::{Phase, Running};

impl PluginTask {
    /// Lets the state machine say what follows, and does it.
    pub(super) async fn happened(&mut self, event: Event) {
        self.goes(Happening::To(event)).await;
    }

    pub(super) async fn goes(&mut self, happening: Happening) {
        let mut happenings = VecDeque::from([happening]);
        while let Some(happening) = happenings.pop_front() {
            let (next, steps) = self.now.on(happening);
            // An heir comes and goes beside the state, and beside the timer of the state.
            let beside = next.state == self.now.state && !steps.contains(&Step::Promote);
            let nothing = steps.iter().all(|step| matches!(step, Step::Raise | Step::Dismiss));
            self.now = next;
            if !(beside && nothing) {
                self.timer = None;
            }
            for step in &steps {
                if let Some(follows) = self.step(*step).await {
                    happenings.push_back(Happening::To(follows));
                }
            }
            if !(beside && nothing) {
                self.arm();
                self.show();
            }
            if steps.contains(&Step::Inherit) && self.life.is_some() {
                tracing::info!(
                    plugin = self.label,
                    generation = self.generation,
                    "takes the place of the generation that has ended"
                );
            }
        }
    }

    async fn step(&mut self, step: Step) -> Option<Event> {
        match step {
            Step::Do(effect) => self.perform(effect).await,
            // Begun where it was asked for.
            Step::Raise => None,
            Step::Promote => {
                self.promote();
                None
            }
            Step::Inherit => self.inherit().await,
            Step::Depart => {
                self.leave();
                None
            }
            Step::Dismiss => {
                self.dismiss();
                None
            }
        }
    }

    pub(super) fn state(&self) -> State {
        self.now.state
    }

    /// Sets the timer that the state calls for, where no effect has set one.
    pub(super) fn arm(&mut self) {
        let now = Instant::now();
        match self.state() {
            State::Starting => {
                self.timer.get_or_insert(now + self.spec.start_timeout);
            }
            State::Ready => {
                if let Some(life) = &mut self.life {
                    life.is_ready();
                }
                self.timer.get_or_insert(now + self.spec.restart.stable_after);
            }
            State::Stopping(_) => {
                self.timer.get_or_insert(now + self.spec.stop_timeout);
            }
            State::Backoff { .. } | State::Stopped => {}
        }
    }

    /// What is to be done. Gives what came of it, where that is another event.
    async fn perform(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Suspend => {
                if let Some(life) = &mut self.life {
                    life.is_not_ready();
                    life.disconnect().await;
                }
                let reason = self.absence();
                self.surroundings.registry.suspend(&self.spec.name, self.seat(), &reason);
            }
            Effect::Retire => {
                let registry = self.surroundings.registry.clone();
                let (name, reason) = (self.spec.name.clone(), self.absence());
                self.status.send_modify(|status| status.serves.clear());
                if self.family.claimants().leave(self.instance) {
                    registry.suspend(&name, self.seat(), &reason);
                } else {
                    self.background.spawn(async move { registry.retire(&name, &reason).await });
                }
            }
            Effect::Launch => return self.launch().await,
            // The start's own time is counted anew by `arm`.
            Effect::Await => {
                if let Some(life) = &mut self.life {
                    life.is_not_ready();
                }
            }
            Effect::Stop => {
                if let Some(life) = &self.life {
                    life.ask_to_end(self.spec.stop_signal);
                }
                return self.ask_no_more();
            }
            Effect::Kill => {
                self.kill();
                return self.ask_no_more();
            }
            Effect::Delay => {
                if let State::Backoff { delay } = self.state() {
                    self.timer = Some(Instant::now() + delay);
                }
            }
        }
        None
    }

    /// Where the present generation offers what it serves.
    pub(super) fn seat(&self) -> Seat {
        Seat { instance: self.instance, generation: self.generation }
    }

    pub(super) fn kill(&self) {
        if let Some(life) = &self.life {
            life.kill();
        }
    }

    async fn launch(&mut self) -> Option<Event> {
        self.because = None;
        self.family.claimants().join(self.instance);
        self.generations += 1;
        self.generation = self.generations;
        let generation = self.generation;
        self.status.send_modify(|status| {
            status.generation = generation;
            status.restarts = generation - 1;
            status.next_start = None;
            status.enter(Phase::Starting);
        });
        self.begin_with_secrets().await
    }

    /// Starts the process of the present generation. Gives what came of it, where it did not start.
    pub(super) async fn begin(&mut self, secrets: Secrets) -> Option<Event> {
        let generation = self.generation;
        match Life::begin(&self.spec, self.seat(), &self.surroundings, &secrets).await {
            Ok(Birth { life, pid, bounds }) => {
                let process = Running { pid, since: Instant::now() };
                self.status.send_modify(|status| {
                    status.process = Some(process);
                    status.limits.clone_from(&bounds.limits);
                    status.missing_limits.clone_from(&bounds.missing);
                    status.confinement.clone_from(&bounds.confinement);
                    status.health.clear();
                    status.says.clear();
                    // What ended the generation before stands as the last exit.
                    status.reason.clear();
                });
                tracing::info!(plugin = self.label, generation, pid, "started");
                for missing in &bounds.missing {
                    tracing::warn!(plugin = self.label, generation, "not limited: {missing}");
                }
                self.life = Some(life);
                None
            }
            Err(reason) => Some(self.not_started(reason)),
        }
    }

    /// There is no process for the present generation, for this reason.
    pub(super) fn not_started(&mut self, reason: String) -> Event {
        let generation = self.generation;
        tracing::warn!(plugin = self.label, generation, "cannot be started: {reason}");
        self.status.send_modify(|status| status.reason = reason);
        Event::Ended(self.backoff.ended(None, Ending::Failure))
    }
}
