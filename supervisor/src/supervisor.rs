//! Runs every declared plugin and connects to every found one: a task each, started and stopped
//! together.

mod order;
mod pulse;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::found::FoundTask;
use crate::plan::{Launch, Plan, Start};
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
    /// Those that have to be ready before it is started.
    after: Vec<String>,
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
    /// It is found: somebody else runs it.
    #[error("plugin `{0}` is found, not declared: replug does not run it")]
    Found(String),
    /// It was started and has not become ready.
    #[error("plugin `{name}` was started and is not ready: {reason}")]
    NotReady {
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
            plugins.push(Handle {
                name: spec.name.clone(),
                after: spec.after.clone(),
                commands: commander.downgrade(),
                status,
            });
            commanders.push(commander);
        }
        for (spec, plugin) in plan.plugins.iter().zip(&plugins) {
            if spec.start == Start::Auto {
                let before = plugins.iter().filter(|before| spec.after.contains(&before.name));
                let before = before.map(|before| before.status.clone()).collect();
                tasks.spawn(order::start_after(before, plugin.commands.clone()));
            }
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
    pub async fn restart(&self, name: &str) -> Result<PluginStatus, PluginError> {
        self.launch(name, Command::Restart).await
    }

    /// Starts a declared plugin that is stopped or waits for its next try; returns when it is ready,
    /// or has failed to become so.
    pub async fn start_plugin(&self, name: &str) -> Result<PluginStatus, PluginError> {
        let plugin = self.declared(name)?;
        if plugin.status.borrow().phase == Phase::Ready {
            return Ok(plugin.status.borrow().clone());
        }
        self.launch(name, Command::Start).await
    }

    /// Stops a declared plugin, and returns when its process is gone. Its components wait for
    /// somebody to serve them.
    pub async fn stop_plugin(&self, name: &str) -> Result<PluginStatus, PluginError> {
        let plugin = self.declared(name)?;
        plugin.command(Command::Stop).await?;
        let mut status = plugin.status.clone();
        let stopped = status.wait_for(|status| status.phase == Phase::Stopped).await;
        Ok(stopped.map_err(|_| PluginError::Stopping)?.clone())
    }

    /// Waits until a plugin, declared or found, is in this phase, and gives its status then. One
    /// that is to be found may not be there yet.
    pub async fn reaches(&self, name: &str, phase: Phase) -> Result<PluginStatus, PluginError> {
        let is_it = |status: &PluginStatus| status.name == name && status.phase == phase;
        match (self.declared(name), &self.found) {
            (Ok(plugin), _) => {
                let mut status = plugin.status.clone();
                let reached = status.wait_for(is_it).await;
                Ok(reached.map_err(|_| PluginError::Stopping)?.clone())
            }
            (Err(_), Some(found)) => {
                let mut all = found.status.clone();
                let reached = all.wait_for(|all| all.iter().any(is_it)).await;
                let all = reached.map_err(|_| PluginError::Stopping)?;
                all.iter().find(|status| is_it(status)).cloned().ok_or(PluginError::Stopping)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Gives a command that leads to a start, and waits for what comes of that.
    async fn launch(&self, name: &str, command: Command) -> Result<PluginStatus, PluginError> {
        let plugin = self.declared(name)?;
        let mut status = plugin.status.clone();
        let before = {
            let status = status.borrow_and_update();
            // A start that is under way is the one that was asked for.
            let under_way = matches!(command, Command::Start) && status.phase == Phase::Starting;
            status.generation - u64::from(under_way)
        };
        plugin.command(command).await?;
        let settled = |status: &PluginStatus| {
            status.generation > before
                && matches!(status.phase, Phase::Ready | Phase::Backoff | Phase::Stopped)
        };
        let status = status.wait_for(settled).await.map_err(|_| PluginError::Stopping)?;
        if status.phase == Phase::Ready {
            return Ok(status.clone());
        }
        Err(PluginError::NotReady { name: name.to_owned(), reason: status.reason.clone() })
    }

    fn declared(&self, name: &str) -> Result<&Handle, PluginError> {
        if let Some(plugin) = self.plugins.iter().find(|plugin| plugin.name == name) {
            return Ok(plugin);
        }
        if self.status().iter().any(|found| found.name == name) {
            return Err(PluginError::Found(name.to_owned()));
        }
        let names = self.plugins.iter().map(|plugin| plugin.name.as_str());
        Err(PluginError::Unknown {
            name: name.to_owned(),
            nearest: crate::plan::nearest(name, names).map(str::to_owned),
        })
    }

    /// Stops every plugin, and returns when their processes are gone. Asked again, it does nothing.
    pub async fn stop(&self) {
        let Some(running) = self.running.lock().take() else { return };
        let Tasks { mut tasks, commanders, finding } = running;
        drop(finding);
        // Each goes when those that were started after it are gone.
        let leaving =
            join_all(self.plugins.iter().zip(commanders).map(async |(plugin, commander)| {
                let later = self.plugins.iter().filter(|later| later.after.contains(&plugin.name));
                join_all(later.map(|later| order::is_gone(later.status.clone()))).await;
                drop(commander);
            }));
        leaving.await;
        while tasks.join_next().await.is_some() {}
    }
}

// === impl Handle ===

impl Handle {
    async fn command(&self, command: Command) -> Result<(), PluginError> {
        let commands = self.commands.upgrade().ok_or(PluginError::Stopping)?;
        commands.send(command).await.map_err(|_| PluginError::Stopping)
    }
}
