//! Waiting for somebody else, who is not to blame for the time in which replug itself did not run.
//!
//! A process that is stopped (SIGSTOP, a debugger, a machine that was paused) finds all its timers
//! passed when it goes on, and the answers of the meantime still unread. All time here is the
//! monotonic clock's, which nobody sets.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// A timer that is later than this was not late by chance.
const LATE: Duration = Duration::from_millis(50);

/// Waits for `work`, at most for `limit`; anew whenever replug itself did not run meanwhile. None: it
/// was not done in time, and is dropped.
pub(crate) async fn patiently<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    loop {
        let deadline = Instant::now() + limit;
        if let Ok(done) = timeout(limit, &mut work).await {
            return Some(done);
        }
        if !overslept(deadline, limit) {
            return None;
        }
    }
}

/// Whether a timer of the length `limit` that ended at `deadline` is noticed so late that replug
/// cannot have run all the time. A quarter of the time may be lost to a busy machine.
pub(crate) fn overslept(deadline: Instant, limit: Duration) -> bool {
    deadline.elapsed() >= LATE.max(limit / 4)
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn what_is_not_done_in_time_is_not_waited_for() {
        assert_eq!(patiently(LIMIT, std::future::pending::<()>()).await, None);
        assert_eq!(patiently(LIMIT, async { 7 }).await, Some(7));
    }

    #[tokio::test]
    async fn time_in_which_replug_did_not_run_does_not_count() {
        // The whole thread stands still here, as a stopped process does; what is waited for comes
        // well after the limit on the clock, and well within it otherwise.
        let standing_still = async {
            std::thread::sleep(LIMIT * 3);
            sleep(LIMIT / 2).await;
        };
        let waiting = patiently(LIMIT, sleep(LIMIT * 3 + LIMIT / 2));
        let (answer, ()) = tokio::join!(biased; waiting, standing_still);
        assert_eq!(answer, Some(()));
    }
}
