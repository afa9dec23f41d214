//! The task of one declared plugin: it owns the plugin's state, does what the state machine asks
//! for, and tells everybody how the plugin stands.

mod files;
mod handing;
mod secrets;
mod shown;
mod signs;
mod succession;

use std::collections::VecDeque;
use std::future;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use replug_runtime::plugin::Seat;
use replug_runtime::registry::Registry;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use self::secrets::Asked;
use self::shown::tell_crash_loop;
use self::succession::{Expected, Wish};
pub use self::succession::{Replaced, Told};
use super::handed::Handed;
use super::heir::{Heir, Raised};
use super::life::{Birth, Left, Life, LifeEvent};
use super::spec::Secrets;
use super::{Effect, Event, Happening, State, Step, Succession, Then};
use crate::connect::{SocketEvent, warn_of};
use crate::events::Journal;
use crate::files::FileWatch;
use crate::health::overslept;
use crate::output::{Output, PluginLog};
use crate::plan::{PluginSpec, Start};
use crate::process::{Signal, Spawner};
use crate::restart::{Backoff, Decision, Ending};
use crate::sockets::{RunFolder, SocketWatch};
use crate::status::{Board, Kind, Phase, PluginStatus, Running};

/// What all plugin tasks share.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Where component types and components are registered.
    pub registry: Arc<Registry>,
    /// Starts processes.
    pub spawner: Spawner,
    /// Takes what plugins print.
    pub log: PluginLog,
    /// Where everything that happens is written down.
    pub journal: Journal,
    /// Watches socket folders.
    pub watch: SocketWatch,
    /// Where private socket folders are made.
    pub run: Arc<RunFolder>,
    /// replug's own executable, for built-ins in processes of their own.
    pub replug: PathBuf,
}

/// What others ask of a plugin's task.
#[derive(Debug)]
pub enum Command {
    /// Have it run.
    Start,
    /// Have it not run.
    Stop,
    /// The same, for a reason that is shown for as long as it stays so.
    StopBecause(String),
    /// Take these settings: those of the process count from its next generation on.
    Adjust(Arc<PluginSpec>),
    /// Show this of the plugin, until there is other news of it.
    Note(String),
    /// Have its next generation run.
    Restart,
    /// Send a signal to the process group, and say whether there is one.
    Signal {
        /// The signal.
        signal: Signal,
        /// Told whether it was sent.
        done: oneshot::Sender<bool>,
    },
    /// Let go of everything for the next program, and end.
    HandOver(oneshot::Sender<Handed<OwnedFd>>),
    /// Have its next generation run beside the present one, and take its place when it can do what
    /// that one can. Where there is another spec, it is what the next generation is started from.
    Replace(Option<Arc<PluginSpec>>, Told),
    /// Say that the task is there and does its work.
    Answer(oneshot::Sender<()>),
}

/// The task of one declared plugin.
pub struct PluginTask {
    spec: Arc<PluginSpec>,
    surroundings: Surroundings,
    commands: mpsc::Receiver<Command>,
    status: Arc<Board>,
    /// Which of the plugin's processes it runs.
    instance: u32,
    now: Succession,
    backoff: Backoff,
    /// Of the present life.
    generation: u64,
    /// So many were started.
    generations: u64,
    /// Why it was stopped, where that was not simply asked for.
    because: Option<String>,
    /// The present generation, from its start until it has ended.
    life: Option<Life>,
    /// What its start needs from secret stores, until that is there.
    asked: Option<Asked>,
    /// What the program before has left, until the task runs.
    handed: Option<Handed<OwnedFd>>,
    /// The next generation, while it is started beside the present one.
    heir: Option<Expected>,
    /// The same once it can do what the present one can, for the moment until it takes its place.
    ready_heir: Option<Box<Heir>>,
    /// Wishes for a next generation that came while one was on its way.
    wishes: VecDeque<Wish>,
    /// Those who are started beside the present generation, the dismissed included.
    raising: JoinSet<Raised>,
    /// Those whose place another has taken.
    departing: JoinSet<()>,
    /// Their calls have time while this is held.
    patience: watch::Sender<()>,
    /// Where the sockets of the generation before were, until there is time to clear it away.
    left: Option<Left>,
    /// What the state waits for: a start, a delay, an exit, or a stable life.
    timer: Option<Instant>,
    /// What the plugin is made of, where the plan wants that watched.
    files: Option<FileWatch>,
    /// Retiring may have to initialise components elsewhere, which nothing here waits for.
    background: JoinSet<()>,
}

// === impl PluginTask ===

impl PluginTask {
    /// The task of `spec`, and the ends by which others speak to it and see it. Nothing runs yet,
    /// unless in what the program before has left.
    #[must_use]
    pub fn new(
        spec: Arc<PluginSpec>,
        surroundings: Surroundings,
        handed: Option<Handed<OwnedFd>>,
    ) -> (Self, mpsc::Sender<Command>, watch::Receiver<PluginStatus>) {
        /// Commands that may wait while the task is at work.
        const COMMANDS: usize = 8;
        let (commander, commands) = mpsc::channel(COMMANDS);
        let mut shown = PluginStatus::new(&spec.name, Kind::Declared);
        shown.command = spec.command_line(&surroundings.replug);
        shown.socket.clone_from(&spec.socket);
        shown.reason = match spec.start {
            Start::Manual => "is started when somebody asks for it".to_owned(),
            Start::Auto if spec.after.is_empty() => String::new(),
            Start::Auto => format!("waits until {} is ready", spec.after.join(" and ")),
        };
        shown.printed = Some(surroundings.log.keep(&spec.name, &spec.log));
        let (status, seen) = Board::new(shown, surroundings.journal.clone());
        let backoff = Backoff::new(spec.restart);
        let files = files::watched(&spec, &surroundings);
        let task = Self {
            spec,
            surroundings,
            commands,
            status: Arc::new(status),
            instance: 1,
            now: Succession { state: State::Stopped, heir: false },
            backoff,
            generation: 0,
            generations: 0,
            because: None,
            life: None,
            asked: None,
            handed,
            heir: None,
            ready_heir: None,
            wishes: VecDeque::new(),
            raising: JoinSet::new(),
            departing: JoinSet::new(),
            patience: watch::Sender::new(()),
            left: None,
            timer: None,
            files,
            background: JoinSet::new(),
        };
        (task, commander, seen)
    }

    /// Runs until nobody can ask for anything any more, then stops the process and returns.
    pub async fn run(mut self) {
        if let Some(handed) = self.handed.take() {
            self.take_over(handed).await;
        }
        let mut commanded = true;
        while commanded || self.state().has_process() || self.has_others() {
            self.next_wish().await;
            tokio::select! {
                biased;
                happened = happens(&mut self.life) => self.lived(happened).await,
                command = self.commands.recv(), if commanded => match command {
                    Some(Command::Start) => {
                        self.backoff.forget();
                        self.happened(Event::Start).await;
                    }
                    Some(Command::Restart) => {
                        self.backoff.forget();
                        self.happened(Event::Restart).await;
                    }
                    Some(Command::Replace(spec, told)) => self.replace(spec, told).await,
                    Some(Command::Stop) => {
                        self.hurry();
                        // One that has failed is looked after from here on.
                        self.backoff.forget();
                        self.because = None;
                        self.happened(Event::Stop).await;
                        if self.state() == State::Stopped && !self.has_others() {
                            self.show_as_stopped();
                        }
                    }
                    Some(Command::Signal { signal, done }) => {
                        if let Some(life) = &self.life {
                            life.signal(signal);
                        }
                        // Whoever asked may have stopped waiting.
                        let _ = done.send(self.life.is_some());
                    }
                    Some(Command::HandOver(asked)) => {
                        let handed = self.hand_over().await;
                        // Whoever asked waits for it: replug has nothing else to do.
                        let _ = asked.send(handed);
                        break;
                    }
                    Some(Command::StopBecause(reason)) => {
                        self.hurry();
                        self.because = Some(reason);
                        self.happened(Event::Stop).await;
                        if self.state() == State::Stopped && !self.has_others() {
                            self.show_as_stopped();
                        }
                    }
                    Some(Command::Adjust(spec)) => self.follow(spec),
                    Some(Command::Note(reason)) => {
                        self.status.send_modify(|status| status.reason = reason);
                    }
                    Some(Command::Answer(asked)) => {
                        // Whoever asked may have stopped waiting.
                        let _ = asked.send(());
                    }
                    None => {
                        commanded = false;
                        self.hurry();
                        self.happened(Event::Stop).await;
                    }
                },
                given = secrets::given(&mut self.asked) => self.given(given).await,
                () = passes(self.timer) => self.time_is_up().await,
                tidings = Self::tidings(&mut self.raising, &mut self.departing) => match tidings {
                    Tidings::Raised(Some(raised)) => self.raised(raised).await,
                    Tidings::Raised(None) | Tidings::Departed => self.show_departures(),
                },
                event = files::happens(&mut self.files) => self.files(event).await,
                Some(_) = self.background.join_next() => {}
            }
        }
        self.background.shutdown().await;
    }

    async fn time_is_up(&mut self) {
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
                tracing::warn!(plugin = self.spec.name, "{reason}: killed");
                self.status.send_modify(|status| status.reason = reason);
                self.happened(Event::TimedOut).await;
            }
            State::Backoff { .. } => self.happened(Event::DelayOver).await,
            State::Stopping(_) => {
                tracing::warn!(
                    plugin = self.spec.name,
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

    /// Something has happened to the present generation.
    async fn lived(&mut self, event: LifeEvent) {
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
                        plugin = self.spec.name,
                        generation = self.generation,
                        "ended: {exit}"
                    );
                } else {
                    tracing::warn!(
                        plugin = self.spec.name,
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
                tracing::warn!(plugin = self.spec.name, "{reason}");
                self.status.send_modify(|status| status.reason = reason);
            }
            LifeEvent::Socket(event) => self.socket(event).await,
            LifeEvent::Sign(sign) => self.sign(sign).await,
        }
    }

    /// Removes what the last generation left, once the next one has its own folder: making one and
    /// removing another in the same place wait for each other, as do watching one and ending the
    /// watch of another, and the start is what counts.
    fn clear_away(&mut self) {
        if let Some(left) = self.left.take() {
            self.background.spawn_blocking(move || drop(left));
        }
    }

    /// What the generation printed last is read to its end, which the next one does not wait for.
    /// Where the end was one too many, it is told what led there.
    fn keep_last_lines(&mut self, output: Output, one_too_many: bool) {
        let status = self.status.clone();
        let told = one_too_many.then(|| (self.spec.name.clone(), self.backoff.in_a_row()));
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
                warn_of(&self.spec.name, &attached);
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
                tracing::debug!(plugin = self.spec.name, socket = %socket.path.display(), "{reason}");
                if self.state() == State::Starting {
                    self.status.send_modify(|status| status.reason = reason);
                }
            }
            SocketEvent::Health { news, .. } => self.health(news).await,
        }
    }

    /// Lets the state machine say what follows, and does it.
    async fn happened(&mut self, event: Event) {
        self.goes(Happening::To(event)).await;
    }

    async fn goes(&mut self, happening: Happening) {
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
                    plugin = self.spec.name,
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
            Step::Dismiss => {
                self.dismiss();
                None
            }
        }
    }

    fn state(&self) -> State {
        self.now.state
    }

    /// Sets the timer that the state calls for, where no effect has set one.
    fn arm(&mut self) {
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
                self.background.spawn(async move { registry.retire(&name, &reason).await });
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
    fn seat(&self) -> Seat {
        Seat { instance: self.instance, generation: self.generation }
    }

    fn kill(&self) {
        if let Some(life) = &self.life {
            life.kill();
        }
    }

    async fn launch(&mut self) -> Option<Event> {
        self.because = None;
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
    async fn begin(&mut self, secrets: Secrets) -> Option<Event> {
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
                tracing::info!(plugin = self.spec.name, generation, pid, "started");
                for missing in &bounds.missing {
                    tracing::warn!(plugin = self.spec.name, generation, "not limited: {missing}");
                }
                self.life = Some(life);
                None
            }
            Err(reason) => Some(self.not_started(reason)),
        }
    }

    /// There is no process for the present generation, for this reason.
    fn not_started(&mut self, reason: String) -> Event {
        let generation = self.generation;
        tracing::warn!(plugin = self.spec.name, generation, "cannot be started: {reason}");
        self.status.send_modify(|status| status.reason = reason);
        Event::Ended(self.backoff.ended(None, Ending::Failure))
    }
}

/// What comes of those of the plugin that are not the present generation.
enum Tidings {
    /// None where its task was ended by a fault of its own.
    Raised(Option<Raised>),
    Departed,
}

/// The next event of a life that is there; never, where there is none.
async fn happens(life: &mut Option<Life>) -> LifeEvent {
    match life {
        Some(life) => life.next().await,
        None => future::pending().await,
    }
}

async fn passes(timer: Option<Instant>) {
    match timer {
        Some(at) => sleep_until(at).await,
        None => future::pending().await,
    }
}
