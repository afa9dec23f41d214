//! What a plugin's task does when its next generation is started beside the present one.

use std::sync::Arc;
use std::time::Duration;

use replug_proto::replug::control::v1 as pb;
use replug_runtime::plugin::Seat;
use replug_runtime::registry::Draining;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::super::departure::{Notice, depart};
use super::super::heir::{Heir, NotRaised, Order, Raised, raise};
use super::super::life::Life;
use super::super::{Event, Happening, State};
use super::files::watched;
use super::{PluginTask, Tidings};
use crate::connect::warn_of;
use crate::events::{Kind, about};
use crate::plan::{Launch, PluginSpec};
use crate::restart::Ending;

/// How long the last lines of a generation that departed are waited for: a child of it may hold the
/// pipe.
const LAST_LINES: Duration = Duration::from_secs(1);

/// What came of the wish for a plugin's next generation.
#[derive(Debug)]
pub enum Replaced {
    /// It has taken the present one's place, and nobody waited.
    Rolled,
    /// The plugin is restarted instead, for this reason. Whether that goes well, its status shows.
    Restarted(&'static str),
    /// It is stopped, and stays so: its next start follows what was asked for.
    Noted,
    /// It did not become ready. The present one serves on.
    Not {
        /// Why it did not.
        reason: String,
        /// What it printed last.
        last_lines: Vec<String>,
    },
}

/// A wish for a next generation that waits for another to be fulfilled.
pub(super) type Wish = (Option<Arc<PluginSpec>>, Told);

/// What is to tell whoever asked for a next generation.
pub type Told = oneshot::Sender<Replaced>;

/// The next generation, as the plugin's task sees it.
#[derive(Debug)]
pub(super) struct Expected {
    seat: Seat,
    /// What it is started from.
    spec: Arc<PluginSpec>,
    /// Dropped to have it go.
    orders: oneshot::Sender<Order>,
    told: Told,
}

impl PluginTask {
    /// Somebody wants the next generation, from `spec` if there is another by now. One at a time.
    pub(super) async fn replace(&mut self, spec: Option<Arc<PluginSpec>>, told: Told) {
        if self.heir.is_some() {
            self.wishes.push_back((spec, told));
            return;
        }
        // Whoever asked may have stopped waiting; so below.
        if let (State::Stopped, Some(spec)) = (self.state(), &spec) {
            self.follow(spec.clone());
            let _ = told.send(Replaced::Noted);
            return;
        }
        let fixed = |spec: &PluginSpec| spec.socket.is_some();
        let plainly = if fixed(&self.spec) || spec.as_deref().is_some_and(fixed) {
            Some("the path of its socket is fixed")
        } else if self.state() != State::Ready {
            Some("it was not ready")
        } else {
            None
        };
        if let Some(reason) = plainly {
            if let Some(spec) = spec {
                self.follow(spec);
            }
            self.backoff.forget();
            self.happened(Event::Restart).await;
            let _ = told.send(Replaced::Restarted(reason));
            return;
        }
        let (orders, orders_of_heir) = oneshot::channel();
        self.generations += 1;
        let seat = Seat { instance: self.instance, generation: self.generations };
        let spec = spec.unwrap_or_else(|| self.spec.clone());
        let status = self.status.clone();
        let show = move |process| {
            // It may have been dismissed while its process was started: then it is shown no more.
            status.send_modify(|status| {
                if let Some((generation, started)) = &mut status.successor
                    && *generation == seat.generation
                {
                    *started = Some(process);
                }
            });
        };
        self.status.send_modify(|status| status.successor = Some((seat.generation, None)));
        let raising =
            raise(spec.clone(), seat, self.seat(), self.surroundings.clone(), orders_of_heir, show);
        self.raising.spawn(raising);
        self.heir = Some(Expected { seat, spec, orders, told });
        tracing::info!(
            plugin = self.label,
            generation = seat.generation,
            "is started beside generation {}",
            self.generation
        );
        let text = format!("is started beside generation {}", self.generation);
        self.record_replacement(seat.generation, &text);
        self.goes(Happening::Replace).await;
    }

    /// Writes down how the present generation's replacement goes.
    fn record_replacement(&self, generation: u64, text: &str) {
        let event = about(&self.spec.name, Kind::Replacement, text);
        self.surroundings.journal.record(pb::Event { generation, ..event });
    }

    /// What is expected of a heir has come to something.
    pub(super) async fn raised(&mut self, raised: Raised) {
        let seat = match &raised {
            Raised::Here(heir) => heir.seat,
            Raised::Lost(lost) => lost.seat,
        };
        if self.heir.as_ref().is_none_or(|expected| expected.seat != seat) {
            // Dismissed meanwhile. One that was ready in the same moment has to go still.
            if let Raised::Here(heir) = raised {
                self.depart(heir.life, None, self.spec.notice());
            }
            self.show_departures();
            return;
        }
        match raised {
            Raised::Here(heir) => {
                self.ready_heir = Some(heir);
                self.goes(Happening::HeirReady).await;
            }
            Raised::Lost(lost) => {
                if let Some(expected) = self.heir.take() {
                    self.tell_lost(expected, lost);
                }
                self.goes(Happening::HeirLost).await;
            }
        }
    }

    fn tell_lost(&mut self, expected: Expected, lost: NotRaised) {
        let NotRaised { reason, last_lines, seat } = lost;
        self.status.send_modify(|status| status.successor = None);
        tracing::warn!(
            plugin = self.label,
            generation = seat.generation,
            "does not take the place of generation {}: {reason}",
            self.generation
        );
        let text = format!("does not take the place of generation {}: {reason}", self.generation);
        self.record_replacement(seat.generation, &text);
        let _ = expected.told.send(Replaced::Not { reason, last_lines });
    }

    /// The heir takes the present generation's place, which ends its calls and goes.
    pub(super) fn promote(&mut self) {
        let (Some(heir), Some(expected)) = (self.ready_heir.take(), self.heir.take()) else {
            return;
        };
        let notice = self.spec.notice();
        let before = self.seat();
        let registry = self.surroundings.registry.clone();
        let present = self.life.take();
        let name = self.spec.name.clone();
        let settled = registry.admit(&name, heir.seat);
        let reason = format!("generation {} has taken its place", heir.seat.generation);
        let (retired, draining, rest) = registry.release(&name, before, &reason);
        self.background.spawn(async move {
            settled.await;
            rest.await;
        });
        if let Some(life) = present {
            self.depart(life, Some(draining), notice);
        }
        self.backoff.forget();
        self.is_now(*heir, expected.spec);
        self.status.send_modify(|status| {
            status.serves.retain(|known| !retired.contains(known));
        });
        let text = format!("has taken the place of generation {}", before.generation);
        self.record_replacement(self.generation, &text);
        let _ = expected.told.send(Replaced::Rolled);
    }

    /// The present generation ends its calls and goes, and nobody takes its place.
    pub(super) fn leave(&mut self) {
        let Some(life) = self.life.take() else { return };
        let reason = format!("{} is not wanted any more", self.label);
        let registry = &self.surroundings.registry;
        let draining = registry.leave(&self.spec.name, self.seat(), &reason);
        self.status.send_modify(|status| status.process = None);
        self.depart(life, Some(draining), self.spec.notice());
    }

    /// The present generation has ended: the heir is the plugin from now on, ready or not.
    pub(super) async fn inherit(&mut self) -> Option<Event> {
        let Expected { seat, spec, orders, told } = self.heir.take()?;
        // An error means that it has come to something by itself.
        let _ = orders.send(Order::Inherit);
        let raised = loop {
            match self.raising.join_next().await {
                Some(Ok(Raised::Here(heir))) if heir.seat == seat => break Raised::Here(heir),
                Some(Ok(Raised::Lost(lost))) if lost.seat == seat => break Raised::Lost(lost),
                Some(_) => {}
                None => return Some(Event::Ended(self.backoff.ended(None, Ending::Failure))),
            }
        };
        self.record_replacement(seat.generation, "takes the place of one that has ended");
        let _ = told.send(Replaced::Restarted("the present generation ended meanwhile"));
        match raised {
            Raised::Here(heir) => {
                let registry = &self.surroundings.registry;
                let settled = registry.admit(&self.spec.name, seat);
                self.background.spawn(async move {
                    settled.await;
                });
                let usable = !heir.attached.is_empty() && heir.life.served() > 0;
                self.is_now(*heir, spec);
                usable.then_some(Event::Usable)
            }
            Raised::Lost(lost) => {
                self.status.send_modify(|status| {
                    status.successor = None;
                    status.reason = lost.reason;
                    status.last_lines = lost.last_lines;
                });
                Some(Event::Ended(self.backoff.ended(None, Ending::Failure)))
            }
        }
    }

    /// The next wish, where nobody is in the way of it.
    pub(super) async fn next_wish(&mut self) {
        if self.heir.is_none()
            && let Some((spec, told)) = self.wishes.pop_front()
        {
            self.replace(spec, told).await;
        }
    }

    /// The heir is not wanted any more, and nobody after it. It goes by itself, once nobody gives it orders.
    pub(super) fn dismiss(&mut self) {
        let Some(Expected { told, seat, .. }) = self.heir.take() else { return };
        self.status.send_modify(|status| status.successor = None);
        self.record_replacement(seat.generation, "is not wanted any more");
        for told in std::iter::once(told).chain(self.wishes.drain(..).map(|(_, told)| told)) {
            let reason = "somebody wants the plugin stopped or restarted".to_owned();
            let _ = told.send(Replaced::Not { reason, last_lines: Vec::new() });
        }
    }

    /// The heir is the present generation.
    fn is_now(&mut self, heir: Heir, spec: Arc<PluginSpec>) {
        let Heir { life, seat, process, bounds, attached, trouble, says } = heir;
        let departing = self.departing();
        for attached in &attached {
            warn_of(&self.label, attached);
        }
        self.life = Some(life);
        self.generation = seat.generation;
        self.follow(spec);
        self.status.send_modify(|status| {
            status.generation = seat.generation;
            status.restarts = seat.generation - 1;
            status.process = Some(process);
            status.next_start = None;
            status.limits = bounds.limits;
            status.missing_limits = bounds.missing;
            status.confinement = bounds.confinement;
            status.successor = None;
            status.departing = departing;
            status.health.clear();
            status.says = says;
            status.reason = if attached.is_empty() { trouble } else { String::new() };
            for attached in &attached {
                status.serve(attached);
            }
        });
    }

    /// The plan says something else of the plugin now.
    pub(super) fn follow(&mut self, spec: Arc<PluginSpec>) {
        self.backoff.follow(spec.restart);
        let printed = self.surroundings.log.keep(&spec.name, &spec.log);
        printed.tell_apart(spec.instances > 1);
        if let Launch::Builtin { component_type, .. } = &spec.launch {
            self.surroundings.registry.reserve(component_type.clone(), &spec.name);
        }
        if spec.watch != self.spec.watch {
            self.files = watched(&spec, &self.surroundings);
        }
        let command = spec.command_line(&self.surroundings.replug);
        self.label = spec.instance_name(self.instance);
        self.status.send_modify(|status| {
            status.instance = spec.instance(self.instance);
            status.command = command;
            status.socket.clone_from(&spec.socket);
            status.printed = Some(printed);
        });
        self.spec = spec;
    }

    /// Has a generation go that is the plugin no more.
    fn depart(&mut self, life: Life, draining: Option<Draining>, notice: Notice) {
        let patience = self.patience.subscribe();
        let (label, generation) = (self.label.clone(), life.generation());
        let (name, instance) = (self.spec.name.clone(), self.spec.instance(self.instance));
        let (status, journal) = (self.status.clone(), self.surroundings.journal.clone());
        let pid = life.pid();
        self.departing.spawn(async move {
            let (exit, ended) = depart(life, draining, notice, patience).await;
            let lines = tokio::time::timeout(LAST_LINES, ended.output.finish()).await;
            status.send_modify(|status| {
                status.last_exit = Some(exit.to_string());
                status.last_lines = lines.unwrap_or_default();
            });
            let event = about(&name, Kind::Exited, exit.to_string());
            let instance = instance.unwrap_or_default();
            journal.record(pb::Event { instance, generation, pid: Some(pid), ..event });
            // Where its sockets were is removed here, and a task may not block.
            let _ = tokio::task::spawn_blocking(move || ended.left.clear_away()).await;
            tracing::info!(plugin = label, generation, "ended: {exit}");
        });
    }

    /// The calls of those who depart have had their time: the plugin is to stop.
    pub(super) fn hurry(&mut self) {
        self.patience = watch::Sender::new(());
    }

    /// Has everybody go besides the present generation, and waits until they are gone.
    pub(super) async fn be_alone(&mut self) {
        self.dismiss();
        self.now.heir = false;
        self.hurry();
        while let Some(raised) = self.raising.join_next().await {
            if let Ok(raised) = raised {
                self.raised(raised).await;
            }
        }
        while self.departing.join_next().await.is_some() {}
        self.show_departures();
    }

    fn departing(&self) -> u32 {
        u32::try_from(self.departing.len()).unwrap_or(u32::MAX)
    }

    /// Whether there is any process of the plugin besides the present generation's.
    pub(super) fn has_others(&self) -> bool {
        !self.departing.is_empty() || !self.raising.is_empty()
    }

    /// Shows how many are on their way out, or that the last of them is gone.
    pub(super) fn show_departures(&self) {
        let departing = self.departing();
        if self.status.borrow().departing != departing {
            self.status.send_modify(|status| status.departing = departing);
        }
        if self.state() == State::Stopped {
            self.show();
        }
    }

    /// What comes next of those who are raised and those who depart; never, where there is nobody.
    pub(super) async fn tidings(
        raising: &mut JoinSet<Raised>,
        departing: &mut JoinSet<()>,
    ) -> Tidings {
        tokio::select! {
            Some(raised) = raising.join_next() => Tidings::Raised(raised.ok()),
            Some(_) = departing.join_next() => Tidings::Departed,
            else => std::future::pending().await,
        }
    }
}
