//! Who kills the plugin, again and again, at moments that nobody can foresee.

use std::time::Duration;

use tokio::time::sleep;

use crate::Failure;
use crate::process::Process;
use crate::replug::Replug;

/// The kills so far, and what the next ones are drawn from.
#[derive(Debug)]
pub(super) struct Murder {
    random: fastrand::Rng,
    longest_life: Duration,
    /// Kills of a plugin that was ready.
    pub(super) of_ready: usize,
    /// Kills of one that was not ready yet.
    pub(super) of_starting: usize,
}

impl Murder {
    /// The same seed gives the same moments.
    pub(super) fn new(seed: u64, longest_life: Duration) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self { random, longest_life, of_ready: 0, of_starting: 0 }
    }

    /// Kills the plugin `count` times. Each of its processes gets a time to live that is drawn
    /// anew, which may end before it is ready.
    pub(super) async fn commit(
        &mut self,
        replug: &mut Replug,
        count: usize,
    ) -> Result<(), Failure> {
        let mut killed = 0;
        let mut last = 0;
        while killed < count {
            let life = replug.until(|life| life.generation > last && life.pid > 0).await?;
            last = life.generation;
            let micros = u64::try_from(self.longest_life.as_micros())?;
            // The randomness of the benchmark, no waiting for something.
            sleep(Duration::from_micros(self.random.u64(..=micros))).await;
            let ready = replug.life().ready;
            // One that ended by itself has been replaced; its successor is next.
            if Process::find(life.pid).is_ok_and(|process| process.kill().is_ok_and(|hit| hit)) {
                killed += 1;
                *(if ready { &mut self.of_ready } else { &mut self.of_starting }) += 1;
            }
        }
        // The next look is at a successor.
        replug.until(|life| life.generation > last).await?;
        Ok(())
    }
}
