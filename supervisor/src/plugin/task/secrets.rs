//! What a plugin's variables refer to in secret stores: it is waited for beside everything else,
//! before there is a process. The time of the start bounds it.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use replug_runtime::registry::{Registry, SecretError};

use super::super::spec::Secrets;
use super::super::{Event, State, Then};
use super::PluginTask;
use crate::plan::PluginSpec;
use crate::restart::{Decision, Ending};

/// Secrets on their way.
pub(super) type Asked = BoxFuture<'static, Result<Secrets, SecretError>>;

impl PluginTask {
    /// Asks for what the start needs, then begins. Gives what came of it, where that is known.
    pub(super) async fn begin_with_secrets(&mut self) -> Option<Event> {
        let mut asked = ask(&self.spec, self.surroundings.registry.clone());
        if let Some(given) = (&mut asked).now_or_never() {
            return self.begin_given(given).await;
        }
        let stores = self.spec.secret_stores().join(" and ");
        let waits = format!("waits for the secret store {stores}");
        self.status.send_modify(|status| status.reason.clone_from(&waits));
        tracing::info!(plugin = self.label, generation = self.generation, "{waits}");
        self.asked = Some(asked);
        None
    }

    /// The secrets are there, or cannot be had.
    pub(super) async fn given(&mut self, given: Result<Secrets, SecretError>) {
        self.asked = None;
        if let Some(event) = self.begin_given(given).await {
            self.happened(event).await;
        } else {
            // The start's own time begins here.
            self.timer = None;
            self.arm();
        }
    }

    async fn begin_given(&mut self, given: Result<Secrets, SecretError>) -> Option<Event> {
        match given {
            Ok(secrets) => self.begin(secrets).await,
            Err(error) => Some(self.not_started(error.to_string())),
        }
    }

    /// Asks no more: the start is not wanted, or has taken too long. Gives the end of it, if one was
    /// under way.
    pub(super) fn ask_no_more(&mut self) -> Option<Event> {
        drop(self.asked.take()?);
        let wanted = matches!(self.state(), State::Stopping(Then::Stay | Then::Start));
        let decision = if wanted {
            self.backoff.forget();
            self.status.send_modify(|status| status.reason.clear());
            Decision::Stay
        } else {
            self.backoff.ended(None, Ending::Failure)
        };
        Some(Event::Ended(decision))
    }
}

/// Waits until the stores can be used, and asks them.
fn ask(spec: &Arc<PluginSpec>, registry: Arc<Registry>) -> Asked {
    let spec = spec.clone();
    Box::pin(async move {
        loop {
            registry.stores_usable(&spec.secret_stores()).await;
            match registry.reveal(spec.secrets()).await {
                // It went away in this moment.
                Err(error) if error.is_absence() => tokio::task::yield_now().await,
                given => return given,
            }
        }
    })
}

/// What comes of it; never, where nothing is asked for.
pub(super) async fn given(asked: &mut Option<Asked>) -> Result<Secrets, SecretError> {
    match asked {
        Some(asked) => asked.await,
        None => std::future::pending().await,
    }
}
