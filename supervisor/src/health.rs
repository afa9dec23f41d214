//! Whether a plugin is alive: asked over its link and by probes beside it, and judged by the answers.
//!
//! A plugin that answers calls is alive and is not asked over its link. Unless the plan wants it
//! otherwise, one that nobody calls is not asked either, so that a machine at rest stays at rest.

mod news;
mod patience;
pub mod probe;

use std::time::Duration;

use replug_runtime::plugin::{Connection, Contracts, ping};
use tokio::time::sleep;

pub(crate) use self::news::Tally;
pub use self::news::{By, News, Verdict};
pub(crate) use self::patience::{overslept, patiently};

/// How a plugin's health is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthPolicy {
    /// How long a plugin may be silent before it is asked.
    pub interval: Duration,
    /// How long it has for the answer.
    pub timeout: Duration,
    /// So many questions in a row have to fail for it to count as hung.
    pub failures: u32,
    /// When it is asked.
    pub watch: Watch,
    /// What follows when it hangs.
    pub on_unhealthy: OnUnhealthy,
}

/// When a plugin is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// In every interval.
    Always,
    /// While calls wait for it.
    InUse,
}

/// What follows when a plugin hangs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnUnhealthy {
    /// It is killed, and its next generation started.
    #[default]
    Restart,
    /// It is shown.
    Report,
}

impl HealthPolicy {
    /// What `health = { … }` means where it leaves something out.
    pub const DECLARED: Self = Self {
        interval: Duration::from_secs(5),
        timeout: Duration::from_secs(2),
        failures: 3,
        watch: Watch::Always,
        on_unhealthy: OnUnhealthy::Restart,
    };
}

impl Default for HealthPolicy {
    /// Where the plan says nothing: a plugin that is asked for something and does not stir is
    /// shown. It is not killed, since it may be one that does a single long thing at a time.
    fn default() -> Self {
        Self { watch: Watch::InUse, on_unhealthy: OnUnhealthy::Report, ..Self::DECLARED }
    }
}

/// Watches a plugin over one connection of its link.
pub(crate) struct LinkWatch<'c> {
    connection: &'c Connection,
    contracts: &'c Contracts,
    policy: HealthPolicy,
    tally: Tally,
    /// The last answer was no, and at once perhaps: the next question is not for now.
    pause: bool,
}

// === impl LinkWatch ===

impl<'c> LinkWatch<'c> {
    pub(crate) fn new(
        connection: &'c Connection,
        contracts: &'c Contracts,
        policy: HealthPolicy,
    ) -> Self {
        let tally = Tally::new(By::Link, policy.failures);
        Self { connection, contracts, policy, tally, pause: false }
    }

    /// Asks as often as the policy says, and returns when there is news.
    pub(crate) async fn next(&mut self) -> News {
        loop {
            if self.tally.is_well() {
                self.silence().await;
            } else if self.pause {
                sleep(self.policy.interval).await;
            }
            if let Some(news) = self.ask().await {
                return news;
            }
        }
    }

    async fn ask(&mut self) -> Option<News> {
        let limit = self.policy.timeout;
        let answer = patiently(limit, ping(self.connection, self.contracts)).await;
        let at_once = answer.is_some();
        let news = match answer {
            Some(Ok(())) => self.tally.passed(),
            Some(Err(error)) => self.tally.failed(error.to_string()),
            None => {
                let limit = humantime::format_duration(limit);
                self.tally.failed(format!("does not answer within {limit}"))
            }
        };
        self.pause = at_once || self.tally.has_hung();
        news
    }

    /// Waits until the plugin has been silent for an interval, at a time when that counts.
    async fn silence(&self) {
        loop {
            let in_use = self.policy.watch == Watch::InUse;
            if in_use {
                self.connection.in_use().await;
            }
            let answers = self.connection.answers();
            sleep(self.policy.interval).await;
            let silent = self.connection.answers() == answers;
            if silent && (!in_use || self.connection.is_in_use()) {
                return;
            }
        }
    }
}
