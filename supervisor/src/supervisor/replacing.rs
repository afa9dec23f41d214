//! A plugin's next generation in place of the present one, without a gap where that can be.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::handle::{Aim, Instance};
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

/// A process whose present generation serves on, so that those after it were left as they are.
pub(super) struct NotReplaced {
    /// How many were replaced before.
    pub(super) replaced: usize,
    pub(super) error: PluginError,
}

impl Supervisor {
    /// Starts the next generation of a declared plugin beside the present one, has it take that
    /// one's place when it can do all that it can, and lets the old one end its calls. Returns when
    /// the next generation serves; the old one may be on its way out still. Several processes go
    /// one after the other; where one cannot be replaced, those after it are left as they are.
    ///
    /// An error leaves the present generation as it is, unless it says that the plugin was
    /// restarted: one whose socket's path is fixed is, and one that was not ready. Dropping the
    /// future lets things take their course, and leaves the processes as they are whose turn has not
    /// come.
    pub async fn replace(&self, name: &str) -> Result<Replacement, PluginError> {
        let aim = self.aim(name)?;
        let plainly = replace_each(&aim, None).await.map_err(|not| not.error)?;
        Ok(Replacement { status: aim.status(), plainly })
    }

    /// As [`Supervisor::replace`], with next generations that are started from `spec`, which is what
    /// the plan says of the plugin from then on, as far as processes are there already; `after` and
    /// `start` count from the next start of replug. A process that is stopped then stays so.
    pub(super) async fn replace_with(&self, spec: &Arc<PluginSpec>) -> Result<(), NotReplaced> {
        let first = |error| NotReplaced { replaced: 0, error };
        let aim = self.aim(&spec.name).map_err(first)?;
        let replaced = replace_each(&aim, Some(spec)).await;
        // Where some run with the one and some with the other, the next reload tries it again.
        if !matches!(&replaced, Err(NotReplaced { error: PluginError::NotReplaced { .. }, .. })) {
            self.plugins.send_modify(|plugins| {
                if let Some(plugin) = Arc::make_mut(plugins).get_mut(spec.name.as_str()) {
                    plugin.spec = spec.clone();
                }
            });
        }
        replaced.map(drop)
    }
}

/// One after the other. Gives why one was restarted instead, if any was.
async fn replace_each(
    aim: &Aim,
    spec: Option<&Arc<PluginSpec>>,
) -> Result<Option<&'static str>, NotReplaced> {
    let mut plainly = None;
    let mut unready = None;
    for (replaced, instance) in aim.instances.iter().enumerate() {
        match instance.replace(spec.cloned()).await {
            Ok(reason) => plainly = plainly.or(reason),
            // It follows the spec already, and the others are to.
            Err(error @ PluginError::NotReady { .. }) if spec.is_some() => {
                unready.get_or_insert(NotReplaced { replaced, error });
            }
            Err(error) => return Err(NotReplaced { replaced, error: after(error, replaced) }),
        }
    }
    unready.map_or(Ok(plainly), Err)
}

/// Says how many other processes were replaced before.
fn after(error: PluginError, replaced: usize) -> PluginError {
    match error {
        PluginError::NotReplaced { name, reason, last_lines } if replaced > 0 => {
            let before = if replaced == 1 {
                "1 before it was".to_owned()
            } else {
                format!("{replaced} before it were")
            };
            PluginError::NotReplaced { name, reason: format!("{reason}; {before}"), last_lines }
        }
        error => error,
    }
}

impl Instance {
    /// Gives why it was restarted instead, if it was.
    async fn replace(
        &self,
        spec: Option<Arc<PluginSpec>>,
    ) -> Result<Option<&'static str>, PluginError> {
        let mut status = self.status.clone();
        let before = status.borrow_and_update().generation;
        let (told, replaced) = oneshot::channel();
        self.command(Command::Replace(spec, told)).await?;
        let plainly = match replaced.await.map_err(|_| PluginError::Stopping)? {
            Replaced::Rolled | Replaced::Noted => return Ok(None),
            Replaced::Restarted(reason) => reason,
            Replaced::Not { reason, last_lines } => {
                return Err(PluginError::NotReplaced { name: self.label(), reason, last_lines });
            }
        };
        let settled =
            |status: &PluginStatus| status.generation > before && status.phase.is_settled();
        let status = status.wait_for(settled).await.map_err(|_| PluginError::Stopping)?.clone();
        if status.phase == Phase::Ready {
            Ok(Some(plainly))
        } else {
            Err(PluginError::NotReady { name: status.label(), reason: status.reason })
        }
    }
}
