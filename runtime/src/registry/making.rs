//! What a change at the desk asks for: components are initialised over a plugin, or made from a
//! built-in, while nobody holds the desk.

use futures_util::future::join_all;
use replug_component::Error;

use super::Registry;
use super::desk::Task;
use super::place::Opened;
use crate::plugin::Learned;

/// Why a component cannot be used, for people.
#[derive(Debug, Clone)]
pub(crate) enum Unmade {
    /// A secret store that it needs is away: its callers wait.
    Waits(String),
    /// Its initialisation failed: its callers are turned away.
    Failed(String),
}

// === impl Registry ===

impl Registry {
    /// Gives the components whose initialisation failed, each with the error.
    pub(super) async fn perform_all(&self, tasks: Vec<Task>) -> Vec<(String, String)> {
        self.ring();
        let failures = join_all(tasks.into_iter().map(|task| self.perform(task))).await;
        failures.into_iter().flatten().collect()
    }

    /// Does what a change at the desk asks for, without holding the desk. Gives the component and
    /// the error of an initialisation that failed.
    async fn perform(&self, task: Task) -> Option<(String, String)> {
        let (component, result) = match task {
            Task::Init { component, wrapper, seat, connection, contracts, metadata, keys } => {
                let initialised = async {
                    let revealed = self.keys(keys.as_ref()).await?;
                    let metadata = self.resolved(&component, &metadata).await?;
                    let initialised = wrapper.init(&connection, &contracts, metadata).await;
                    let failed = |error: Error| Unmade::Failed(error.to_string());
                    Ok((initialised.map_err(failed)?, revealed))
                };
                let initialised: Result<_, Unmade> = initialised.await;
                // The plugin went away meanwhile; its next life initialises again.
                if let Err(unmade) = &initialised
                    && connection.is_closed()
                {
                    wrapper.link().lose(&connection, unmade.reason());
                    return None;
                }
                let result = initialised.as_ref().map(drop).map_err(Unmade::clone);
                let settled = initialised.map_err(|unmade| unmade.of(&component));
                // Before the link takes calls, so that none goes with other keys.
                let settled = self.desk.lock().initialised(&component, &wrapper, keys, settled);
                let adopt = |learned: &Learned| wrapper.adopt(learned);
                wrapper.link().settle(seat, &connection, settled, adopt);
                (component, result)
            }
            Task::Open { component, turn, builtin, metadata, keys } => {
                let opened = async {
                    let keys = self.keys(keys.as_ref()).await?;
                    let metadata = self.resolved(&component, &metadata).await?;
                    let opened = Opened::from(&builtin, metadata).await;
                    let opened = opened.map_err(|error| Unmade::Failed(error.to_string()))?;
                    Ok(opened.encrypted(&component, keys))
                };
                let opened: Result<_, Unmade> = opened.await;
                let result = opened.as_ref().map(drop).map_err(Unmade::clone);
                let opened = opened.map_err(|unmade| unmade.of(&component));
                self.desk.lock().opened(&component, turn, opened);
                (component, result)
            }
        };
        self.ring();
        match result {
            Ok(()) => {
                if self.view.load().secrets.contains_key(&component) {
                    self.stores.send_replace(());
                }
                None
            }
            Err(unmade) => {
                match &unmade {
                    Unmade::Waits(reason) => tracing::warn!(component, "{reason}"),
                    Unmade::Failed(reason) => {
                        tracing::error!(component, "initialisation failed: {reason}");
                    }
                }
                self.failures.send_replace(());
                Some((component, unmade.reason().to_owned()))
            }
        }
    }
}

// === impl Unmade ===

impl Unmade {
    fn reason(&self) -> &str {
        match self {
            Self::Waits(reason) | Self::Failed(reason) => reason,
        }
    }

    /// As callers of the component are told.
    fn of(self, component: &str) -> Self {
        match self {
            Self::Waits(reason) => Self::Waits(format!("component {component} {reason}")),
            Self::Failed(reason) => {
                Self::Failed(format!("initialisation of component {component} failed: {reason}"))
            }
        }
    }
}
