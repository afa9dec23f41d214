//! A plugin's next generation in place of the present one, without a gap where that can be.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{PluginError, Supervisor};
use crate::plan::PluginSpec;
use crate::plugin::task::{Command, Replaced};
use crate::status::{Phase, PluginStatus};

/// What came of a plugin's replacement.
#[derive(Debug)]
pub struct Replacement {
    /// The plugin as it is now.
    pub status: PluginStatus,
    /// Why it was restarted instead, its callers waiting meanwhile; none where nobody waited.
    pub plainly: Option<&'static str>,
}

impl Supervisor {
    /// Starts the next generation of a declared plugin beside the present one, has it take that
    /// one's place when it can do all that it can, and lets the old one end its calls. Returns when
    /// the next generation serves; the old one may be on its way out still.
    ///
    /// With `spec` the next generation is started from that, which is what the plan says of the
    /// plugin from then on; `after` and `start` count from the next start of replug. A plugin that
    /// is stopped then stays so.
    ///
    /// An error leaves the present generation, and its spec, as they are, unless it says that the
    /// plugin was restarted: one whose socket's path is fixed is, and one that was not ready. Dropping
    /// the future lets things take their course.
    pub async fn replace(
        &self,
        name: &str,
        spec: Option<PluginSpec>,
    ) -> Result<Replacement, PluginError> {
        let plugin = self.declared(name)?;
        let spec = spec.map(Arc::new);
        let mut status = plugin.status.clone();
        let before = status.borrow_and_update().generation;
        let (told, replaced) = oneshot::channel();
        plugin.command(Command::Replace(spec.clone(), told)).await?;
        let replaced = replaced.await.map_err(|_| PluginError::Stopping)?;
        if let Replaced::Not { reason, last_lines } = replaced {
            return Err(PluginError::NotReplaced { name: name.to_owned(), reason, last_lines });
        }
        if let Some(spec) = spec {
            self.plugins.send_modify(|plugins| {
                if let Some(plugin) = Arc::make_mut(plugins).get_mut(name) {
                    plugin.spec = spec;
                }
            });
        }
        let plainly = match replaced {
            Replaced::Restarted(reason) => Some(reason),
            Replaced::Rolled | Replaced::Noted | Replaced::Not { .. } => None,
        };
        let status = if plainly.is_none() {
            status.borrow().clone()
        } else {
            let settled =
                |status: &PluginStatus| status.generation > before && status.phase.is_settled();
            status.wait_for(settled).await.map_err(|_| PluginError::Stopping)?.clone()
        };
        if plainly.is_some() && status.phase != Phase::Ready {
            return Err(PluginError::NotReady { name: status.name, reason: status.reason });
        }
        Ok(Replacement { status, plainly })
    }
}
