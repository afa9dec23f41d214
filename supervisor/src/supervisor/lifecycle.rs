//! What somebody wants of a plugin: that it runs, does not run, hears a signal. A name means all its
//! processes, `NAME@2` one of them.

use futures_util::future::{join_all, select_ok};
use tokio::sync::oneshot;

use super::handle::{Handle, Instance};
use super::order::{self, is_down};
use super::{PluginError, Supervisor};
use crate::plugin::task::Command;
use crate::process::Signal;
use crate::status::{Phase, PluginStatus, Seeing};

/// A start that was asked for.
struct Launched {
    status: Seeing,
    /// The generation before.
    before: u64,
}

impl Supervisor {
    /// Stops a declared plugin and starts its next generation; returns when that is ready, or has
    /// failed to become so. What the plugin requires is started before. Several processes go one
    /// after the other, so that the rest serve; where one does not become ready, those after it are
    /// left as they are.
    pub async fn restart(&self, name: &str) -> Result<PluginStatus, PluginError> {
        let aim = self.aim(name)?;
        self.start_what_it_requires(aim.plugin.name()).await?;
        for instance in &aim.instances {
            instance.launch(Command::Restart).await?.settled().await?;
        }
        Ok(aim.status())
    }

    /// Starts a declared plugin that is stopped or waits for its next try; returns when it is ready
    /// with all its processes, or has failed to become so. What the plugin requires is started
    /// before.
    pub async fn start_plugin(&self, name: &str) -> Result<PluginStatus, PluginError> {
        let aim = self.aim(name)?;
        let idle = |one: &&Instance| one.status.borrow().phase != Phase::Ready;
        let idle: Vec<_> = aim.instances.iter().filter(idle).collect();
        if idle.is_empty() {
            return Ok(aim.status());
        }
        self.start_what_it_requires(aim.plugin.name()).await?;
        let started = idle
            .into_iter()
            .map(async |instance| instance.launch(Command::Start).await?.settled().await.map(drop));
        join_all(started).await.into_iter().collect::<Result<(), _>>()?;
        Ok(aim.status())
    }

    /// Each is of use as soon as one of its processes is.
    async fn start_what_it_requires(&self, name: &str) -> Result<(), PluginError> {
        let plugins = self.plugins.borrow().clone();
        for required in order::required_by(&plugins, name) {
            if required.status.borrow().phase != Phase::Ready {
                required.start().await?;
            }
        }
        Ok(())
    }

    /// Stops a declared plugin, and returns when its processes are gone. Its components wait for
    /// somebody to serve them. Those that require it are stopped before, unless others of its
    /// processes go on.
    pub async fn stop_plugin(&self, name: &str) -> Result<PluginStatus, PluginError> {
        let aim = self.aim(name)?;
        if aim.others().all(|other| is_down(other.status.borrow().phase)) {
            self.stop_what_requires_it(aim.plugin.name()).await?;
        }
        for instance in &aim.instances {
            instance.command(Command::Stop).await?;
        }
        for instance in &aim.instances {
            let mut status = instance.status.clone();
            let stopped = status.wait_for(|status| status.phase == Phase::Stopped).await;
            stopped.map_err(|_| PluginError::Stopping)?;
        }
        Ok(aim.status())
    }

    async fn stop_what_requires_it(&self, name: &str) -> Result<(), PluginError> {
        let plugins = self.plugins.borrow().clone();
        for dependent in order::that_require(&plugins, name) {
            if is_down(dependent.status.borrow().phase) {
                continue;
            }
            let reason = format!("requires {name}, which is stopped");
            dependent.command(|| Command::StopBecause(reason.clone())).await?;
            let mut status = dependent.status.clone();
            let stopped = status.wait_for(|status| is_down(status.phase)).await;
            stopped.map_err(|_| PluginError::Stopping)?;
        }
        Ok(())
    }

    /// Sends a signal to the process group of each of a declared plugin's processes, and gives the
    /// plugin's status of before.
    pub async fn signal(&self, name: &str, signal: Signal) -> Result<PluginStatus, PluginError> {
        let aim = self.aim(name)?;
        let status = aim.status();
        let mut any = false;
        for instance in &aim.instances {
            let (done, sent) = oneshot::channel();
            instance.command(Command::Signal { signal, done }).await?;
            any |= sent.await.map_err(|_| PluginError::Stopping)?;
        }
        if any { Ok(status) } else { Err(PluginError::NoProcess(name.to_owned())) }
    }

    /// Waits until a plugin, declared or found, is in this phase with all its processes, and gives
    /// its status then. One that is to be found may not be there yet.
    ///
    /// A plugin that has failed counts as stopped, and does not become ready: whoever waits for
    /// that is told so.
    pub async fn reaches(&self, name: &str, phase: Phase) -> Result<PluginStatus, PluginError> {
        match (self.aim(name), &self.found) {
            (Ok(aim), _) => {
                let stops = phase == Phase::Stopped;
                let is_there = |one: &PluginStatus| {
                    one.phase == phase || (stops && one.phase == Phase::Failed)
                };
                let awaited = phase == Phase::Ready;
                let failed = |one: &PluginStatus| awaited && one.phase == Phase::Failed;
                let mut status = aim.seeing();
                let reached = status
                    .wait_for(|now| now.processes().all(is_there) || now.processes().any(failed))
                    .await;
                let reached = reached.map_err(|_| PluginError::Stopping)?.clone();
                if let Some(failed) = reached.processes().find(|one| failed(one)) {
                    let (name, reason) = (failed.label(), failed.reason.clone());
                    return Err(PluginError::Failed { name, reason });
                }
                Ok(reached)
            }
            (Err(PluginError::Unknown { .. } | PluginError::Found(_)), Some(found)) => {
                let is_it = |status: &PluginStatus| status.name == name && status.phase == phase;
                let mut all = found.status.clone();
                let reached = all.wait_for(|all| all.iter().any(is_it)).await;
                let all = reached.map_err(|_| PluginError::Stopping)?;
                all.iter().find(|status| is_it(status)).cloned().ok_or(PluginError::Stopping)
            }
            (Err(error), _) => Err(error),
        }
    }
}

impl Handle {
    /// Has all its processes run, and waits until one of them is ready, or none can be.
    async fn start(&self) -> Result<(), PluginError> {
        let mut launched = Vec::new();
        for instance in &self.instances {
            launched.push(Box::pin(instance.launch(Command::Start).await?.settled()));
        }
        select_ok(launched).await.map(drop)
    }
}

impl Instance {
    /// Gives a command that leads to a start.
    async fn launch(&self, command: Command) -> Result<Launched, PluginError> {
        let before = {
            let status = self.status.borrow();
            // A start that is under way is the one that was asked for.
            let under_way = matches!(command, Command::Start) && status.phase == Phase::Starting;
            status.generation - u64::from(under_way)
        };
        self.command(command).await?;
        Ok(Launched { status: self.status.clone(), before })
    }
}

impl Launched {
    /// Waits for what comes of it.
    async fn settled(mut self) -> Result<PluginStatus, PluginError> {
        let settled =
            |status: &PluginStatus| status.generation > self.before && status.phase.is_settled();
        let status = self.status.wait_for(settled).await.map_err(|_| PluginError::Stopping)?;
        if status.phase == Phase::Ready {
            return Ok(status.clone());
        }
        Err(PluginError::NotReady { name: status.label(), reason: status.reason.clone() })
    }
}
