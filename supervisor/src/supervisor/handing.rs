//! How all plugins go from one program of replug to the next.

use std::os::fd::OwnedFd;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::{Supervisor, Tasks};
use crate::plugin::Handed;
use crate::plugin::task::{Command, Surroundings};
use crate::process::Signal;

/// How long a process that nobody declares any more may take to end when it is told to.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

impl Supervisor {
    /// Lets go of every plugin and gives what there is to go on with. Their processes run on; the
    /// connections to them, and to found plugins, are closed. From then on this supervisor does
    /// nothing any more. One that is being stopped has nothing to give.
    pub async fn hand_over(&self) -> Vec<Handed<OwnedFd>> {
        let Some(running) = self.running.lock().take() else { return Vec::new() };
        let Tasks { mut tasks, mut followers, mut aside, commanders, finding, .. } = running;
        followers.shutdown().await;
        drop(finding);
        let handed = join_all(commanders.into_values().flatten().map(async |commander| {
            let (answer, handed) = oneshot::channel();
            commander.send(Command::HandOver(answer)).await.ok()?;
            handed.await.ok()
        }));
        let handed = handed.await.into_iter().flatten().collect();
        while tasks.join_next().await.is_some() {}
        aside.shutdown().await;
        handed
    }
}

/// Stops the process of a plugin that is not declared any more.
pub(super) async fn stop_undeclared(left: Handed<OwnedFd>, surroundings: Surroundings) {
    let Some(pid) = left.process() else { return };
    tracing::info!(plugin = left.name, pid, "is not declared any more: stopped");
    match surroundings.spawner.claim(pid).await {
        Ok(mut process) => {
            process.stop(Signal::SIGTERM, STOP_TIMEOUT).await;
        }
        Err(error) => tracing::error!(plugin = left.name, pid, "cannot be stopped: {error}"),
    }
}
