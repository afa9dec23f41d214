//! Runs every declared plugin and connects to every found one: a task each. Plugins can be added and
//! removed while it runs; all that are there are stopped together.

mod handing;
mod handle;
mod lifecycle;
mod members;
mod order;
mod pulse;
mod replacing;
mod retrying;
mod scaling;

use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use self::handle::Handle;
use self::members::Plugins;
use crate::events::{Journal, tell_of_components};
use crate::found::FoundTask;
use crate::plan::Plan;
use crate::plugin::Handed;
use crate::plugin::task::{Command, Surroundings};
use crate::process::Spawner;
use crate::status::{Phase, PluginStatus};

pub use self::pulse::{Changes, Silent};
pub use self::replacing::Replacement;

/// All plugins of one plan, running.
#[derive(Debug)]
pub struct Supervisor {
    /// The declared ones, those that are being removed included.
    plugins: watch::Sender<Plugins>,
    found: Option<Finding>,
    spawner: Spawner,
    journal: Journal,
    /// Ended by [`Supervisor::stop`].
    running: Mutex<Option<Tasks>>,
}

#[derive(Debug)]
struct Finding {
    asked: mpsc::WeakSender<oneshot::Sender<()>>,
    status: watch::Receiver<Vec<PluginStatus>>,
}

#[derive(Debug)]
struct Tasks {
    surroundings: Surroundings,
    tasks: JoinSet<()>,
    /// What runs for as long as there are plugins, and is cut off after them.
    aside: JoinSet<()>,
    /// Those that give plugins their first start when it is time for it, and those that stop one
    /// with what it requires.
    followers: JoinSet<()>,
    /// The plugins that are stopped so.
    bound: HashSet<String>,
    /// Each process of a plugin runs while its own is held; by their numbers from 1 on.
    commanders: HashMap<String, Vec<mpsc::Sender<Command>>>,
    /// Found plugins are connected while this is held.
    finding: mpsc::Sender<oneshot::Sender<()>>,
}

/// Why what was asked of a plugin was not done.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// There is none of that name.
    #[error("there is no plugin `{name}`{}", nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The declared plugin whose name is most like it.
        nearest: Option<String>,
    },
    /// It has no process of that number.
    #[error("plugin `{name}` has no process {number}: {}", counted(*count))]
    NoInstance {
        /// The plugin.
        name: String,
        /// The number that was asked for.
        number: u32,
        /// How many it has.
        count: usize,
    },
    /// It is found: somebody else runs it.
    #[error("plugin `{0}` is found, not declared: replug does not run it")]
    Found(String),
    /// It has no process.
    #[error("plugin `{0}` has no process")]
    NoProcess(String),
    /// A plugin that is found has the name of one that is to be declared.
    #[error(
        "a plugin that somebody else runs is found under the name `{0}`: stop it, or give the \
         declared one another name"
    )]
    Taken(String),
    /// It was started and has not become ready.
    #[error("plugin `{name}` was started and is not ready: {reason}")]
    NotReady {
        /// The plugin.
        name: String,
        /// Why it is not.
        reason: String,
    },
    /// Its next generation did not become ready, and the present one serves on.
    #[error(
        "plugin `{name}` was not replaced, the present generation serves on: {reason}{}",
        printed(last_lines)
    )]
    NotReplaced {
        /// The plugin.
        name: String,
        /// Why the next generation did not become ready.
        reason: String,
        /// What it printed last.
        last_lines: Vec<String>,
    },
    /// It has failed, and is not started again by itself.
    #[error("plugin `{name}` has failed: {reason}")]
    Failed {
        /// The plugin.
        name: String,
        /// Why.
        reason: String,
    },
    /// replug is being stopped.
    #[error("replug is being stopped")]
    Stopping,
}

/// How many processes there are.
fn counted(count: usize) -> String {
    if count == 1 { "there is one".to_owned() } else { format!("there are {count}") }
}

/// Lines that a process printed, below an error.
fn printed(lines: &[String]) -> String {
    lines.iter().fold(String::new(), |told, line| told + "\n    | " + line)
}

// === impl Supervisor ===

impl Supervisor {
    /// Starts every plugin of the plan.
    ///
    /// Returns before any of them is ready; the folder of found plugins is looked through by then.
    #[must_use]
    pub fn start(plan: &Plan, surroundings: &Surroundings) -> Self {
        Self::go_on(plan, surroundings, Vec::new())
    }

    /// As [`Supervisor::start`], but goes on with the plugins that the program before has left: what
    /// runs, runs on, and what was stopped stays so. Those that the plan does not have are stopped.
    #[must_use]
    pub fn go_on(plan: &Plan, surroundings: &Surroundings, handed: Vec<Handed<OwnedFd>>) -> Self {
        let plugins = watch::Sender::new(Plugins::default());
        let (finding, asked) = mpsc::channel(1);
        let mut tasks = Tasks::new(surroundings.clone(), finding.clone());
        tasks.add_handed(&plugins, plan.plugins.iter().cloned(), handed);
        let found = plan.runtime.socket_dir.clone().map(|folder| {
            let known = plugins.subscribe();
            let (task, status) = FoundTask::new(
                folder,
                plan.runtime.forget_after,
                Box::new(move |name| known.borrow().contains_key(name)),
                surroundings.registry.clone(),
                surroundings.watch.clone(),
                surroundings.journal.clone(),
            );
            tasks.tasks.spawn(task.run(asked));
            Finding { asked: finding.downgrade(), status }
        });
        let journal = surroundings.journal.clone();
        tasks.aside.spawn(retrying::init_failed_again(surroundings.registry.clone()));
        tasks.aside.spawn(tell_of_components(surroundings.registry.clone(), journal.clone()));
        let spawner = surroundings.spawner.clone();
        Self { plugins, found, spawner, journal, running: Mutex::new(Some(tasks)) }
    }

    /// Every plugin as it stands, the declared ones first.
    #[must_use]
    pub fn status(&self) -> Vec<PluginStatus> {
        let mut all: Vec<_> =
            self.plugins.borrow().values().map(|plugin| plugin.status.borrow().clone()).collect();
        if let Some(found) = &self.found {
            all.extend(found.status.borrow().iter().cloned());
        }
        all
    }

    /// In which phase each plugin is, the declared ones first.
    #[must_use]
    pub fn phases(&self) -> Vec<Phase> {
        let declared = self.plugins.borrow();
        let mut all: Vec<_> = declared.values().map(|it| it.status.borrow().phase).collect();
        if let Some(found) = &self.found {
            all.extend(found.status.borrow().iter().map(|status| status.phase));
        }
        all
    }

    /// Whether there is a plugin of that name, declared or found, or may come to be one: an error
    /// says that there is none and that none is looked for.
    pub fn knows(&self, name: &str) -> Result<(), PluginError> {
        match self.aim(name) {
            Err(error @ PluginError::Unknown { .. }) if self.found.is_none() => Err(error),
            _ => Ok(()),
        }
    }

    /// What has happened to plugins and components, and what happens.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    fn declared(&self, name: &str) -> Result<Handle, PluginError> {
        let plugins = self.plugins.borrow();
        if let Some(plugin) = plugins.get(name) {
            return Ok(plugin.clone());
        }
        if self.is_found(name) {
            return Err(PluginError::Found(name.to_owned()));
        }
        let names = plugins.keys().map(|name| &**name);
        Err(PluginError::Unknown {
            name: name.to_owned(),
            nearest: crate::plan::nearest(name, names).map(str::to_owned),
        })
    }

    fn is_found(&self, name: &str) -> bool {
        let is_it = |found: &Finding| found.status.borrow().iter().any(|it| it.name == name);
        self.found.as_ref().is_some_and(is_it)
    }

    /// Stops every plugin, and returns when their processes are gone. Asked again, it does nothing.
    pub async fn stop(&self) {
        let Some(running) = self.running.lock().take() else { return };
        let Tasks { mut tasks, mut followers, mut commanders, finding, mut aside, .. } = running;
        followers.shutdown().await;
        drop(finding);
        // From here on none is added and none removed.
        let plugins = self.plugins.borrow().clone();
        let leaving = plugins.values().map(|plugin| {
            let commander = commanders.remove(plugin.name());
            order::last_of_those_after(plugin, plugins.values(), commander)
        });
        join_all(leaving).await;
        while tasks.join_next().await.is_some() {}
        aside.shutdown().await;
    }
}
