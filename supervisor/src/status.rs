//! How a plugin stands, for everybody who asks: written by the plugin's task alone, read by all.

mod board;
mod whole;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use replug_component::ComponentType;
use replug_runtime::registry::Attached;
use tokio::time::Instant;

use crate::health::{News, Verdict};
use crate::instance;
use crate::output::Printout;
pub(crate) use board::{Board, Panel, Seeing};

/// Whether replug runs a plugin, or somebody else does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Declared in plugins.toml: replug runs the process.
    Declared,
    /// Found as a socket in the socket folder.
    Found,
}

/// Where a plugin is in its life, as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No process, and none is to come: it was not started, was stopped, or has done its work.
    Stopped,
    /// No process, and none is to come until somebody asks for it: it failed.
    Failed,
    /// A process or socket that cannot be used yet.
    Starting,
    /// Usable.
    Ready,
    /// No process; the next comes after a delay.
    Backoff,
    /// A process that was told to end.
    Stopping,
    /// A found plugin whose socket or connection is gone.
    Away,
}

impl Phase {
    /// Whether a start that was asked for has come to something, good or bad.
    pub(crate) fn is_settled(self) -> bool {
        matches!(self, Self::Ready | Self::Backoff | Self::Stopped | Self::Failed)
    }
}

/// One plugin as it stands.
#[derive(Debug, Clone)]
pub struct PluginStatus {
    /// Its name.
    pub name: String,
    /// Which of the plugin's processes this is about; none where it is about all of them, or about
    /// the only one.
    pub instance: Option<u32>,
    /// Each of its processes, where this is about several.
    pub instances: Vec<Arc<PluginStatus>>,
    /// Who runs it.
    pub kind: Kind,
    /// Where it is in its life.
    pub phase: Phase,
    /// Since when.
    pub since: Instant,
    /// Lives of the process so far; for a found plugin, connections.
    pub generation: u64,
    /// The process, while there is one.
    pub process: Option<Running>,
    /// The next generation, while it is started beside the present one, with its process once it has
    /// one.
    pub successor: Option<(u64, Option<Running>)>,
    /// How many generations are on their way out whose place another has taken.
    pub departing: u32,
    /// Restarts so far, asked for or not.
    pub restarts: u64,
    /// It keeps failing and is tried again at the longest delay.
    pub crash_looping: bool,
    /// When the next start comes, in [`Phase::Backoff`].
    pub next_start: Option<Instant>,
    /// How the last generation ended.
    pub last_exit: Option<String>,
    /// Why it is not ready, or was not the last time; empty while all is well.
    pub reason: String,
    /// What it serves.
    pub serves: Vec<ComponentType>,
    /// What it offers and another plugin serves, each with that plugin's name.
    pub passed_over: Vec<(ComponentType, String)>,
    /// Where it was found, or where its socket is when that is fixed.
    pub socket: Option<PathBuf>,
    /// What is run; empty for a found plugin.
    pub command: Vec<String>,
    /// What the present process may use and by what means it is held to it, such as `memory 256M
    /// (cgroup)`.
    pub limits: Vec<String>,
    /// Limits that the plan asks for and that cannot be had here, each with the cause.
    pub missing_limits: Vec<String>,
    /// What the present process runs as, and what is closed to it.
    pub confinement: Vec<String>,
    /// What it has printed in all its lives; none for a found plugin.
    pub printed: Option<Arc<Printout>>,
    /// What the process printed last, the newest at the end.
    pub last_lines: Vec<String>,
    /// How those who asked found it, each at most once.
    pub health: Vec<Health>,
    /// What it says of itself, in its own words, by `sd_notify`.
    pub says: String,
}

/// How a plugin was found by one of those who ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The last news.
    pub news: News,
    /// Since when the verdict has been this.
    pub since: Instant,
}

/// A process that runs.
#[derive(Debug, Clone, Copy)]
pub struct Running {
    /// Its id.
    pub pid: u32,
    /// When it was started.
    pub since: Instant,
}

impl PluginStatus {
    /// A plugin that nothing is known of yet.
    #[must_use]
    pub fn new(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            instance: None,
            instances: Vec::new(),
            kind,
            phase: match kind {
                Kind::Declared => Phase::Stopped,
                Kind::Found => Phase::Away,
            },
            since: Instant::now(),
            generation: 0,
            process: None,
            successor: None,
            departing: 0,
            restarts: 0,
            crash_looping: false,
            next_start: None,
            last_exit: None,
            reason: String::new(),
            serves: Vec::new(),
            passed_over: Vec::new(),
            socket: None,
            command: Vec::new(),
            limits: Vec::new(),
            missing_limits: Vec::new(),
            confinement: Vec::new(),
            printed: None,
            last_lines: Vec::new(),
            health: Vec::new(),
            says: String::new(),
        }
    }

    /// How it is named: `NAME`, or `NAME@2` for one process of several.
    #[must_use]
    pub fn label(&self) -> String {
        instance::name(&self.name, self.instance)
    }

    /// Each of its processes: itself, where there are not several.
    pub fn processes(&self) -> impl Iterator<Item = &PluginStatus> {
        let alone = self.instances.is_empty().then_some(self);
        alone.into_iter().chain(self.instances.iter().map(|one| &**one))
    }

    /// How many of its processes are ready, and how many there are to be.
    #[must_use]
    pub fn ready_instances(&self) -> (usize, usize) {
        let ready = self.processes().filter(|one| one.phase == Phase::Ready).count();
        (ready, self.instances.len().max(1))
    }

    /// Enters a phase, if it is another than the present one.
    pub(crate) fn enter(&mut self, phase: Phase) {
        if self.phase != phase {
            self.phase = phase;
            self.since = Instant::now();
        }
    }

    /// Takes in how the plugin was found, and tells of it where that is worth it.
    pub(crate) fn take_health(&mut self, news: &News) {
        let before = self.health.iter().position(|health| health.news.by == news.by);
        let before = before.map(|at| self.health.remove(at));
        let was = before.as_ref().map(|before| before.news.verdict);
        let since = before.as_ref().filter(|_| was == Some(news.verdict));
        let since = since.map_or_else(Instant::now, |before| before.since);
        self.health.push(Health { news: news.clone(), since });
        match (before, news.verdict) {
            (_, Verdict::Hung) => {
                self.reason = news.to_string();
                tracing::warn!(plugin = self.label(), "{news}");
            }
            (Some(before), _) if before.news.verdict != news.verdict => {
                if self.reason == before.news.to_string() {
                    self.reason.clear();
                }
                if was == Some(Verdict::Hung) {
                    tracing::info!(plugin = self.label(), "answers again");
                }
            }
            _ => {}
        }
    }

    /// Takes in what one of the plugin's sockets serves now.
    pub(crate) fn serve(&mut self, attached: &Attached) {
        let gone = |known: &ComponentType| attached.retired.contains(known);
        self.serves.retain(|known| !gone(known));
        self.passed_over.retain(|(known, _)| !gone(known) && !attached.serves.contains(known));
        for component_type in &attached.serves {
            if !self.serves.contains(component_type) {
                self.serves.push(component_type.clone());
            }
        }
        for (component_type, by) in &attached.passed_over {
            let passed_over = (component_type.clone(), by.to_string());
            if !self.passed_over.contains(&passed_over) {
                self.passed_over.push(passed_over);
            }
        }
    }

    /// How long the plugin has been in its phase.
    #[must_use]
    pub fn in_phase(&self) -> Duration {
        self.since.elapsed()
    }
}
