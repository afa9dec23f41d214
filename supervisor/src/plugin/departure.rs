//! How a generation goes whose place another has taken: its calls end, then it does.

use std::time::Duration;

use replug_runtime::registry::Draining;
use tokio::sync::watch;
use tokio::time::timeout;

use super::life::{Ended, Life};
use crate::process::{Exit, Signal};

/// How long a generation has for its way out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Notice {
    /// Until its calls have ended.
    pub(super) drain_timeout: Duration,
    /// From the stop signal until it is killed.
    pub(super) stop_timeout: Duration,
    /// What asks it to stop.
    pub(super) stop_signal: Signal,
}

/// Lets the calls end that are under way, then the process. Nothing reaches the registry from this
/// life any more. The calls' time is over, too, when the sender of `patience` is dropped.
pub(super) async fn depart(
    mut life: Life,
    draining: Option<Draining>,
    notice: Notice,
    mut patience: watch::Receiver<()>,
) -> (Exit, Ended) {
    life.disconnect().await;
    if let Some(draining) = draining {
        tokio::select! {
            _ = timeout(notice.drain_timeout, draining.done()) => {}
            _ = patience.changed() => {}
            _ = life.exited() => {}
        }
        match draining.calls() {
            0 => {}
            calls => tracing::warn!(
                plugin = life.label(),
                generation = life.generation(),
                "is stopped with {calls} calls under way"
            ),
        }
    }
    life.ask_to_end(notice.stop_signal);
    let in_time = timeout(notice.stop_timeout, life.exited()).await.ok();
    let exit = if let Some(exit) = in_time {
        exit
    } else {
        tracing::warn!(
            plugin = life.label(),
            generation = life.generation(),
            "has not ended {} after the stop signal: killed",
            humantime::format_duration(notice.stop_timeout)
        );
        life.kill();
        life.exited().await
    };
    (exit, life.end().await)
}
