//! More processes of a plugin, or fewer: the ones that stay are not touched.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::watch;

use super::handle::Instance;
use super::members::Plugins;
use super::order::{is_down, is_gone};
use super::{PluginError, Supervisor, Tasks};
use crate::plan::PluginSpec;
use crate::plugin::task::{Command, PluginTask};
use crate::plugin::{Family, Handed};
use crate::status::Phase;

impl Supervisor {
    /// Gives a plugin this many processes. New ones are started if the plugin is, and not waited
    /// for. The highest are those that go: their calls end first, and this returns when they are
    /// gone.
    pub(super) async fn scale(&self, name: &str, instances: u32) -> Result<(), PluginError> {
        let plugin = self.declared(name)?;
        let spec = Arc::new(PluginSpec { instances, ..PluginSpec::clone(&plugin.spec) });
        let wanted = usize::try_from(instances).unwrap_or(usize::MAX);
        let (staying, leaving) = plugin.instances.split_at(wanted.min(plugin.instances.len()));
        for instance in staying {
            instance.command(Command::Adjust(spec.clone())).await?;
        }
        let come = {
            let mut running = self.running.lock();
            let tasks = running.as_mut().ok_or(PluginError::Stopping)?;
            tasks.set_instances(&self.plugins, &spec)
        };
        if !is_down(plugin.status.borrow().phase) {
            for instance in &come {
                instance.command(Command::Start).await?;
            }
        }
        join_all(leaving.iter().map(async |instance| {
            instance.command(Command::Leave).await?;
            let mut status = instance.status.clone();
            // An error means that its task has ended.
            let _ = status.wait_for(|status| status.phase == Phase::Stopped).await;
            Ok(())
        }))
        .await
        .into_iter()
        .collect::<Result<(), PluginError>>()?;
        if let Some(tasks) = self.running.lock().as_mut() {
            tasks.let_go(name, wanted);
        }
        join_all(leaving.iter().map(|instance| is_gone(instance.status.clone()))).await;
        Ok(())
    }
}

impl Tasks {
    /// Adds the processes that a plugin has too few, which are given, and forgets those that are too
    /// many.
    fn set_instances(
        &mut self,
        plugins: &watch::Sender<Plugins>,
        spec: &Arc<PluginSpec>,
    ) -> Vec<Instance> {
        let mut come = Vec::new();
        plugins.send_modify(|plugins| {
            let Some(plugin) = Arc::make_mut(plugins).get_mut(spec.name.as_str()) else { return };
            plugin.spec = spec.clone();
            plugin.instances.truncate(usize::try_from(spec.instances).unwrap_or(usize::MAX));
            let Some(family) = plugin.family.upgrade() else { return };
            while let Some(number) = next(&plugin.instances).filter(|it| *it <= spec.instances) {
                come.push(self.add_instance(spec, number, &family, None));
                plugin.instances.extend(come.last().cloned());
            }
        });
        come
    }

    /// Starts the task of one process, the next of its plugin.
    pub(super) fn add_instance(
        &mut self,
        spec: &Arc<PluginSpec>,
        number: u32,
        family: &Family,
        left: Option<Handed<OwnedFd>>,
    ) -> Instance {
        let (task, commander, status) =
            PluginTask::new(spec.clone(), number, family.clone(), self.surroundings.clone(), left);
        self.tasks.spawn(task.run());
        let commands = commander.downgrade();
        self.commanders.entry(spec.name.clone()).or_default().push(commander);
        Instance { commands, status }
    }

    /// Lets the tasks end of all processes of a plugin but for the first ones.
    fn let_go(&mut self, name: &str, all_but: usize) {
        if let Some(commanders) = self.commanders.get_mut(name) {
            commanders.truncate(all_but);
        }
    }
}

/// The number of the next.
fn next(instances: &[Instance]) -> Option<u32> {
    u32::try_from(instances.len()).ok()?.checked_add(1)
}
