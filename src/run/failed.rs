//! When nothing works any more, and nothing is about to.
//!
//! As the first process of a container replug ends then, so that whoever runs the container sees it
//! and does what it does about containers that fail. Anywhere else it stays, and can be told to start
//! plugins again.

use replug_runtime::registry::{ComponentState, Registry};
use replug_supervisor::status::Phase;
use replug_supervisor::supervisor::Supervisor;

/// Waits until every plugin that was to run has failed for good and no component can be used; for
/// ever, unless replug is the first process.
pub(super) async fn everything(supervisor: &Supervisor, registry: &Registry) {
    if std::process::id() != 1 {
        return std::future::pending().await;
    }
    let mut changes = supervisor.changes();
    loop {
        let phases = supervisor.phases();
        let down = phases.iter().all(|phase| matches!(phase, Phase::Failed | Phase::Stopped));
        let failed = phases.contains(&Phase::Failed);
        let unusable = || registry.components().iter().all(|it| it.state != ComponentState::Ready);
        if down && failed && unusable() {
            return;
        }
        changes.next().await;
    }
}
