//! Components whose initialisation failed are tried again and again, each with its own delays: what
//! they need may have come meanwhile. One that a secret store is needed for is tried as soon as a
//! store has come.

use std::collections::HashSet;
use std::sync::Arc;

use replug_runtime::registry::Registry;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::restart::init_backoff;

/// Does so for as long as it is polled.
pub(super) async fn init_failed_again(registry: Arc<Registry>) {
    let mut failures = registry.failures();
    let mut stores = registry.stores();
    let mut trying: JoinSet<String> = JoinSet::new();
    let mut tried: HashSet<String> = HashSet::new();
    loop {
        for component in registry.failed() {
            if tried.insert(component.clone()) {
                trying.spawn(try_again(component, registry.clone(), stores.clone()));
            }
        }
        // One that has come since a component failed has been missed by none of them.
        stores.mark_unchanged();
        tokio::select! {
            // The registry holds the sender.
            _ = failures.changed() => {}
            // One that panicked is never tried again, and has been told of.
            Some(Ok(component)) = trying.join_next() => {
                tried.remove(&component);
            }
        }
    }
}

async fn try_again(
    component: String,
    registry: Arc<Registry>,
    mut stores: watch::Receiver<()>,
) -> String {
    let mut backoff = init_backoff();
    loop {
        tokio::select! {
            () = tokio::time::sleep(backoff.next()) => {}
            _ = stores.changed() => {}
        }
        if registry.init_again(&component).await {
            tracing::info!(component, "is initialised after all, or is no more");
            return component;
        }
    }
}
