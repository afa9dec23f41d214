//! In which order plugins start and stop.

use futures_util::future::join_all;
use tokio::sync::{mpsc, watch};

use crate::plugin::task::Command;
use crate::status::{Phase, PluginStatus};

/// Has a plugin started once those before it are ready. Ends without it when replug is stopped
/// meanwhile.
pub(super) async fn start_after(
    before: Vec<watch::Receiver<PluginStatus>>,
    commands: mpsc::WeakSender<Command>,
) {
    let ready = before.into_iter().map(async |mut status| {
        // An error means that its task has ended, as all do when replug is stopped.
        status.wait_for(|status| status.phase == Phase::Ready).await.is_ok()
    });
    if join_all(ready).await.into_iter().all(|ready| ready)
        && let Some(commands) = commands.upgrade()
    {
        // An error means the same.
        let _ = commands.send(Command::Start).await;
    }
}

/// Waits until a plugin's task has ended, and with it the plugin's process.
pub(super) async fn is_gone(mut status: watch::Receiver<PluginStatus>) {
    while status.changed().await.is_ok() {}
}
