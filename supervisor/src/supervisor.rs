//! Runs every declared plugin and connects to every found one: a task each, started and stopped
//! together.

mod pulse;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::found::FoundTask;
use crate::plan::{Launch, Plan};
use crate::plugin::task::{Command, PluginTask, Surroundings};
use crate::process::Spawner;
use crate::status::{Phase, PluginStatus};

pub use self::pulse::{Changes, Silent};

/// All plugins of one plan, running.
#[derive(Debug)]
pub struct Supervisor {
    /// In the order of the plan.
    plugins: Vec<Handle>,
    found: Option<Finding>,
    spawner: Spawner,
    /// Ended by [`Supervisor::stop`].
    running: Mutex<Option<Tasks>>,
}

#[derive(Debug)]
struct Handle {
    name: String,
    commands: mpsc::WeakSender<Command>,
    status: watch::Receiver<PluginStatus>,
}

#[derive(Debug)]
struct Finding {
    asked: mpsc::WeakSender<oneshot::Sender<()>>,
    status: watch::Receiver<Vec<PluginStatus>>,
}

#[derive(Debug)]
struct Tasks {
    tasks: JoinSet<()>,
    /// The plugins run while these are held.
    commanders: Vec<mpsc::Sender<Command>>,
    /// Found plugins are connected while this is held.
    finding: mpsc::Sender<oneshot::Sender<()>>,
}

/// Why a plugin was not restarted.
#[derive(Debug, thiserror::Error)]
pub enum RestartError {
    /// There is none of that name.
    #[error("there is no plugin `{name}`{}", nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The declared plugin whose name is most like it.
        nearest: Option<String>,
    },
    /// It is found: somebody else runs it.
    #[error("plugin `{0}` is found, not declared: restart it where it is run")]
    Found(String),
    /// Its next generation has not become ready.
    #[error("plugin `{name}` was restarted and is not ready: {reason}")]
    Failed {
        /// The plugin.
        name: String,
        /// Why it is not.
        reason: String,
    },
    /// replug is being stopped.
    #[error("replug is being stopped")]
    Stopping,
}

// === impl Supervisor ===

impl Supervisor {
    /// Starts every plugin of the plan.
    ///
    /// Returns before any of them is ready; the folder of found plugins is looked through by then.
    #[must_use]
    pub fn start(plan: &Plan, surroundings: &Surroundings) -> Self {
        let registry = &surroundings.registry;
        let mut tasks = JoinSet::new();
        let mut plugins = Vec::new();
        let mut commanders = Vec::new();
        for spec in &plan.plugins {
            if let Launch::Builtin { component_type, .. } = &spec.launch {
                registry.reserve(component_type.clone(), &spec.name);
            }
            let (task, commander, status) = PluginTask::new(spec.clone(), surroundings.clone());
            tasks.spawn(task.run());
            commander.try_send(Command::Start).expect("a new channel has room");
            plugins.push(Handle {
                name: spec.name.clone(),
                commands: commander.downgrade(),
                status,
            });
            commanders.push(commander);
        }
        let (finding, asked) = mpsc::channel(1);
        let found = plan.runtime.socket_dir.clone().map(|folder| {
            let names = plan.plugins.iter().map(|plugin| plugin.name.clone()).collect();
            let (task, status) = FoundTask::new(
                folder,
                plan.runtime.forget_after,
                names,
                registry.clone(),
                surroundings.watch.clone(),
            );
            tasks.spawn(task.run(asked));
            Finding { asked: finding.downgrade(), status }
        });
        let running = Mutex::new(Some(Tasks { tasks, commanders, finding }));
        Self { plugins, found, spawner: surroundings.spawner.clone(), running }
    }

    /// Every plugin as it stands, the declared ones first.
    #[must_use]
    pub fn status(&self) -> Vec<PluginStatus> {
        let mut all: Vec<_> =
            self.plugins.iter().map(|plugin| plugin.status.borrow().clone()).collect();
        if let Some(found) = &self.found {
            all.extend(found.status.borrow().iter().cloned());
        }
        all
    }

    /// Stops a declared plugin and starts its next generation; returns when that is ready, or has
    /// failed to become so.
    pub async fn restart(&self, name: &str) -> Result<PluginStatus, RestartError> {
        let Some(plugin) = self.plugins.iter().find(|plugin| plugin.name == name) else {
            if self.status().iter().any(|found| found.name == name) {
                return Err(RestartError::Found(name.to_owned()));
            }
            let names = self.plugins.iter().map(|plugin| plugin.name.as_str());
            return Err(RestartError::Unknown {
                name: name.to_owned(),
                nearest: crate::plan::nearest(name, names).map(str::to_owned),
            });
        };
        let mut status = plugin.status.clone();
        let before = status.borrow_and_update().generation;
        let commands = plugin.commands.upgrade().ok_or(RestartError::Stopping)?;
        commands.send(Command::Restart).await.map_err(|_| RestartError::Stopping)?;
        drop(commands);
        let settled = |status: &PluginStatus| {
            status.generation > before
                && matches!(status.phase, Phase::Ready | Phase::Backoff | Phase::Stopped)
        };
        let status = status.wait_for(settled).await.map_err(|_| RestartError::Stopping)?;
        match status.phase {
            Phase::Ready => Ok(status.clone()),
            _ => Err(RestartError::Failed { name: name.to_owned(), reason: status.reason.clone() }),
        }
    }

    /// Stops every plugin, and returns when their processes are gone. Asked again, it does nothing.
    pub async fn stop(&self) {
        let Some(running) = self.running.lock().take() else { return };
        let Tasks { mut tasks, commanders, finding } = running;
        drop(commanders);
        drop(finding);
        while tasks.join_next().await.is_some() {}
    }
}
