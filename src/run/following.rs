//! What is followed for as long as replug runs, and ends nothing: its plan, and signals that ask for
//! something.

use std::convert::Infallible;

use replug_runtime::subscriptions::Subscriptions;
use replug_supervisor::notify::Notify;
use replug_supervisor::plan::Plan;
use replug_supervisor::reload::Reload;
use replug_supervisor::supervisor::Supervisor;
use tokio::signal::unix::Signal;
use tokio::sync::watch;

use crate::daprd::Daprd;

/// Has those subscriptions declared that are in the plan, whenever a reload has made another of it.
pub(super) async fn declare_subscriptions(
    mut plan: watch::Receiver<Plan>,
    subscriptions: Subscriptions,
) {
    while plan.changed().await.is_ok() {
        subscriptions.declare(plan.borrow_and_update().subscriptions());
    }
}

/// Has the plan read again whenever SIGHUP asks for it. Those that come meanwhile are taken as one.
/// What comes of it is in the log.
pub(super) async fn reload_on(
    hangup: &mut Signal,
    reload: &Reload,
    in_daprds_place: bool,
) -> Infallible {
    while hangup.recv().await.is_some() {
        if in_daprds_place {
            Daprd::tell_hangup();
        } else {
            tracing::info!("SIGHUP: plugins.toml is read again");
        }
        // Told by whoever does it.
        let _ = reload.ask(false).await;
    }
    // No signal comes any more.
    std::future::pending().await
}

/// Tells in the log how the plugins stand, whenever SIGUSR1 asks for it.
pub(super) async fn tell_on(asked: &mut Signal, supervisor: &Supervisor) -> Infallible {
    while asked.recv().await.is_some() {
        tracing::info!("SIGUSR1: {}", Notify::summary(supervisor));
    }
    // No signal comes any more.
    std::future::pending().await
}
