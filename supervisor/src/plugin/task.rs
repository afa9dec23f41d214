//! The task of one process of a declared plugin, through all its lives: it owns the state, does what
//! the state machine asks for, and tells everybody how things stand. A plugin has one such task, or
//! as many as it has `instances`, none of which knows of the others.

mod commands;
mod events;
mod files;
mod handing;
mod secrets;
mod shown;
mod signs;
mod steps;
mod succession;

use std::collections::VecDeque;
use std::future;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use replug_runtime::registry::Registry;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

pub use self::commands::Command;
use self::secrets::Asked;
use self::succession::{Expected, Wish};
pub use self::succession::{Replaced, Told};
use super::family::Family;
use super::handed::Handed;
use super::heir::{Heir, Raised};
use super::life::{Left, Life, LifeEvent};
use super::{Event, State, Succession};
use crate::events::Journal;
use crate::files::FileWatch;
use crate::output::PluginLog;
use crate::plan::{PluginSpec, Start};
use crate::process::Spawner;
use crate::restart::Backoff;
use crate::sockets::{RunFolder, SocketWatch};
use crate::status::{Kind, Panel, PluginStatus};

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

/// The task of one process of a declared plugin.
pub struct PluginTask {
    spec: Arc<PluginSpec>,
    surroundings: Surroundings,
    commands: mpsc::Receiver<Command>,
    status: Arc<Panel>,
    /// Which of the plugin's processes it runs, from 1 on.
    instance: u32,
    /// How that one is called.
    label: String,
    family: Family,
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
    /// The task of one process of `spec`, and the ends by which others speak to it and see it.
    /// Nothing runs yet, unless in what the program before has left.
    #[must_use]
    pub fn new(
        spec: Arc<PluginSpec>,
        instance: u32,
        family: Family,
        surroundings: Surroundings,
        handed: Option<Handed<OwnedFd>>,
    ) -> (Self, mpsc::Sender<Command>, watch::Receiver<PluginStatus>) {
        /// Commands that may wait while the task is at work.
        const COMMANDS: usize = 8;
        let (commander, commands) = mpsc::channel(COMMANDS);
        let mut shown = PluginStatus::new(&spec.name, Kind::Declared);
        shown.instance = spec.instance(instance);
        shown.command = spec.command_line(&surroundings.replug);
        shown.socket.clone_from(&spec.socket);
        shown.reason = match spec.start {
            Start::Manual => "is started when somebody asks for it".to_owned(),
            Start::Auto if spec.after.is_empty() => String::new(),
            Start::Auto => format!("waits until {} is ready", spec.after.join(" and ")),
        };
        let printed = surroundings.log.keep(&spec.name, &spec.log);
        printed.tell_apart(spec.instances > 1);
        shown.printed = Some(printed);
        let (status, seen) = Panel::new(family.board.clone(), instance, shown);
        let backoff = Backoff::new(spec.restart);
        let files = files::watched(&spec, &surroundings);
        let mut task = Self {
            spec,
            surroundings,
            commands,
            status: Arc::new(status),
            instance,
            label: String::new(),
            family,
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
        task.label = task.spec.instance_name(instance);
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
                command = self.commands.recv(), if commanded => {
                    if let Some(command) = command {
                        if self.obey(command).await.is_break() {
                            break;
                        }
                    } else {
                        commanded = false;
                        self.hurry();
                        self.happened(Event::Stop).await;
                    }
                }
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
