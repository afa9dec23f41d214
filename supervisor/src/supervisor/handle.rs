//! How declared plugins and their processes are spoken to and seen, and which of them a name means.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{PluginError, Supervisor};
use crate::instance;
use crate::plan::PluginSpec;
use crate::plugin::WeakFamily;
use crate::plugin::task::Command;
use crate::status::{PluginStatus, Seeing};

/// How a declared plugin is spoken to and seen.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    /// What the plan says of it.
    pub(super) spec: Arc<PluginSpec>,
    /// Its processes, by their numbers from 1 on.
    pub(super) instances: Vec<Instance>,
    /// How it stands as a whole.
    pub(super) status: Seeing,
    pub(super) family: WeakFamily,
}

/// How one process of a declared plugin is spoken to and seen.
#[derive(Debug, Clone)]
pub(super) struct Instance {
    pub(super) commands: mpsc::WeakSender<Command>,
    pub(super) status: Seeing,
}

/// What somebody means by a name: all processes of a plugin, or one of them.
pub(super) struct Aim {
    pub(super) plugin: Handle,
    /// Those that are meant.
    pub(super) instances: Vec<Instance>,
    /// Whether one was named.
    one: bool,
}

// === impl Supervisor ===

impl Supervisor {
    /// What `NAME` or `NAME@2` means.
    pub(super) fn aim(&self, name: &str) -> Result<Aim, PluginError> {
        let Some((plugin_name, number)) = instance::split(name) else {
            let plugin = self.declared(name)?;
            return Ok(Aim { instances: plugin.instances.clone(), plugin, one: false });
        };
        let plugin = self.declared(plugin_name)?;
        let count = plugin.instances.len();
        let one = usize::try_from(number).ok().and_then(|number| plugin.instances.get(number - 1));
        let Some(one) = one.cloned() else {
            return Err(PluginError::NoInstance { name: plugin_name.to_owned(), number, count });
        };
        Ok(Aim { plugin, instances: vec![one], one: true })
    }
}

// === impl Handle ===

impl Handle {
    pub(super) fn name(&self) -> &str {
        &self.spec.name
    }

    /// Says the same to each of its processes.
    pub(super) async fn command(&self, command: impl Fn() -> Command) -> Result<(), PluginError> {
        for instance in &self.instances {
            instance.command(command()).await?;
        }
        Ok(())
    }
}

// === impl Instance ===

impl Instance {
    pub(super) async fn command(&self, command: Command) -> Result<(), PluginError> {
        let commands = self.commands.upgrade().ok_or(PluginError::Stopping)?;
        commands.send(command).await.map_err(|_| PluginError::Stopping)
    }

    /// How it is called.
    pub(super) fn label(&self) -> String {
        self.status.borrow().label()
    }
}

// === impl Aim ===

impl Aim {
    /// How what is meant stands.
    pub(super) fn status(&self) -> PluginStatus {
        self.seeing().borrow().clone()
    }

    /// Where that is seen.
    pub(super) fn seeing(&self) -> Seeing {
        match self.instances.first() {
            Some(one) if self.one => one.status.clone(),
            _ => self.plugin.status.clone(),
        }
    }

    /// The processes of the plugin that are not meant.
    pub(super) fn others(&self) -> impl Iterator<Item = &Instance> {
        let meant =
            |one: &&Instance| self.instances.iter().any(|it| it.status.same_channel(&one.status));
        self.plugin.instances.iter().filter(move |one| !meant(one))
    }
}
