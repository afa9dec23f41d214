//! The declared plugins that are there at this moment: how one comes, and how one goes.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use futures_util::future::join_all;
use indexmap::IndexMap;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::handing::stop_undeclared;
use super::{PluginError, Supervisor, Tasks, order};
use crate::plan::{Launch, PluginSpec, Start};
use crate::plugin::Handed;
use crate::plugin::task::{Command, PluginTask, Surroundings};
use crate::status::{Phase, PluginStatus};

/// The declared plugins by name, in the order of the plan. Clones are snapshots.
pub(super) type Plugins = Arc<IndexMap<Arc<str>, Handle>>;

/// How a declared plugin is spoken to and seen.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    /// What the plan says of it.
    pub(super) spec: Arc<PluginSpec>,
    pub(super) commands: mpsc::WeakSender<Command>,
    pub(super) status: watch::Receiver<PluginStatus>,
}

// === impl Supervisor ===

impl Supervisor {
    /// Adds plugins to those that are there, and has them started as their settings say. An error
    /// says that none was added.
    pub fn add(&self, specs: Vec<PluginSpec>) -> Result<(), PluginError> {
        for spec in &specs {
            if self.is_found(&spec.name) {
                return Err(PluginError::Found(spec.name.clone()));
            }
        }
        let mut running = self.running.lock();
        let tasks = running.as_mut().ok_or(PluginError::Stopping)?;
        tasks.add(&self.plugins, specs.into_iter());
        Ok(())
    }

    /// Stops plugins, each when those among them that were started after it are gone, and forgets
    /// them. Returns when their processes are gone and nothing of them is registered any more. What
    /// is no plugin is passed over.
    pub async fn remove(&self, names: &[String]) -> Result<(), PluginError> {
        let plugins = self.plugins.borrow().clone();
        let leaving: Vec<&Handle> =
            names.iter().filter_map(|name| plugins.get(name.as_str())).collect();
        // They are there, stopping, until they are gone: whoever looks sees them go.
        let stopped = leaving.iter().map(|plugin| async {
            let name = plugin.name();
            let later = leaving.iter().filter(|later| later.spec.after.iter().any(|it| it == name));
            let gone = later.map(|later| is_stopped(later.status.clone()));
            join_all(gone).await;
            plugin.command(Command::Stop).await?;
            is_stopped(plugin.status.clone()).await;
            Ok(())
        });
        join_all(stopped).await.into_iter().collect::<Result<(), PluginError>>()?;
        let registry = {
            let mut running = self.running.lock();
            let tasks = running.as_mut().ok_or(PluginError::Stopping)?;
            tasks.forget(&self.plugins, &leaving);
            tasks.surroundings.registry.clone()
        };
        // Somebody may have had one started in the meantime: then it stops now.
        join_all(leaving.iter().map(|plugin| async {
            order::is_gone(plugin.status.clone()).await;
            let name = plugin.name();
            registry.retire(name, &format!("plugin {name} was removed")).await;
        }))
        .await;
        Ok(())
    }
}

/// Waits until a plugin has no process and none is to come, or its task has ended.
async fn is_stopped(mut status: watch::Receiver<PluginStatus>) {
    // An error means that its task has ended.
    let _ = status.wait_for(|status| status.phase == Phase::Stopped).await;
}

// === impl Tasks ===

impl Tasks {
    pub(super) fn new(
        surroundings: Surroundings,
        finding: mpsc::Sender<oneshot::Sender<()>>,
    ) -> Self {
        Self {
            surroundings,
            tasks: JoinSet::new(),
            starters: JoinSet::new(),
            aside: JoinSet::new(),
            commanders: HashMap::new(),
            finding,
        }
    }

    pub(super) fn add(
        &mut self,
        plugins: &watch::Sender<Plugins>,
        specs: impl Iterator<Item = PluginSpec>,
    ) {
        self.add_handed(plugins, specs, Vec::new());
    }

    /// As [`Tasks::add`], with what the program before has left of plugins.
    pub(super) fn add_handed(
        &mut self,
        plugins: &watch::Sender<Plugins>,
        specs: impl Iterator<Item = PluginSpec>,
        mut handed: Vec<Handed<OwnedFd>>,
    ) {
        self.reap();
        let mut started = Vec::new();
        plugins.send_modify(|plugins| {
            let plugins = Arc::make_mut(plugins);
            for spec in specs.map(Arc::new) {
                if let Launch::Builtin { component_type, .. } = &spec.launch {
                    self.surroundings.registry.reserve(component_type.clone(), &spec.name);
                }
                let left = handed.iter().position(|handed| handed.name == spec.name);
                let left = left.map(|place| handed.swap_remove(place));
                // One that has been started before is as it is: running, stopped, or waiting.
                let first = left.as_ref().is_none_or(|left| !left.has_been_started());
                let (task, commander, status) =
                    PluginTask::new(spec.clone(), self.surroundings.clone(), left);
                self.tasks.spawn(task.run());
                if first && spec.start == Start::Auto {
                    started.push(spec.name.clone());
                }
                let name: Arc<str> = spec.name.as_str().into();
                let commands = commander.downgrade();
                self.commanders.insert(spec.name.clone(), commander);
                plugins.insert(name, Handle { spec, commands, status });
            }
        });
        // Only now: one may be started after another that stands below it.
        for left in handed {
            self.tasks.spawn(stop_undeclared(left, self.surroundings.clone()));
        }
        for name in started {
            self.starters.spawn(order::start_in_turn(name, plugins.subscribe()));
        }
    }

    fn forget(&mut self, plugins: &watch::Sender<Plugins>, leaving: &[&Handle]) {
        self.reap();
        plugins.send_modify(|plugins| {
            Arc::make_mut(plugins).retain(|name, _| !leaving.iter().any(|it| it.name() == &**name));
        });
        for plugin in leaving {
            self.commanders.remove(plugin.name());
        }
    }

    /// Frees what has ended.
    fn reap(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        while self.starters.try_join_next().is_some() {}
    }
}

// === impl Handle ===

impl Handle {
    pub(super) fn name(&self) -> &str {
        &self.spec.name
    }

    pub(super) async fn command(&self, command: Command) -> Result<(), PluginError> {
        let commands = self.commands.upgrade().ok_or(PluginError::Stopping)?;
        commands.send(command).await.map_err(|_| PluginError::Stopping)
    }
}
