//! Closes connections that nothing has used for a while: `connectionMaxIdleTime`.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::database::Database;

/// How often it is looked for such connections at the least.
const LOOKS: Duration = Duration::from_secs(60);

/// The task that closes them. It ends when this is dropped.
pub(super) struct IdleCloser(JoinHandle<()>);

impl IdleCloser {
    pub(super) fn start(database: Arc<Database>, longest: Duration) -> Self {
        Self(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(LOOKS.min(longest));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                database.close_idle(longest);
            }
        }))
    }
}

impl Drop for IdleCloser {
    fn drop(&mut self) {
        self.0.abort();
    }
}
