//! What is done to plugins, one after the other.

use std::time::Duration;

use tokio::time::sleep;

use crate::Failure;
use crate::plugin::{BUS, ECHO, PLUGIN};
use crate::process::Process;
use crate::replug::Replug;

/// Whom it is done to, in turns.
pub(super) const PLUGINS: [&str; 3] = [PLUGIN, BUS, ECHO];

/// After so many the progress is told.
const STEP: usize = 50;

/// What is done to plugins.
#[derive(Debug)]
pub(super) enum Harm {
    /// Killed with SIGKILL, each within so many milliseconds of its being ready.
    Kills { count: usize, seed: u64, longest_life: u64 },
    /// Replaced, with the next generation ready before the present one goes.
    Replacements { count: usize },
}

// === impl Harm ===

impl Harm {
    /// Does it, and waits until every plugin is ready again.
    pub(super) async fn be_done(&self, replug: &mut Replug) -> Result<(), Failure> {
        let count = match self {
            Self::Kills { count, .. } | Self::Replacements { count } => *count,
        };
        let mut random = fastrand::Rng::new();
        if let Self::Kills { seed, .. } = self {
            random.seed(*seed);
        }
        for (number, plugin) in (1..=count).zip(PLUGINS.iter().cycle()) {
            let life = replug.until_of(plugin, |life| life.ready).await?;
            match self {
                Self::Kills { longest_life, .. } => {
                    // The randomness of the benchmark, no waiting for something.
                    sleep(Duration::from_millis(random.u64(..=*longest_life))).await;
                    if !Process::find(life.pid)?.kill()? {
                        return Err(format!("{plugin} has ended by itself").into());
                    }
                }
                Self::Replacements { .. } => replug.replace(plugin).await?,
            }
            let last = life.generation;
            replug.until_of(plugin, |life| life.generation > last).await?;
            if number % STEP == 0 {
                eprintln!("{number} of {count}");
            }
        }
        replug.until_all(|lives| PLUGINS.iter().all(|plugin| lives.of(plugin).ready)).await
    }
}
