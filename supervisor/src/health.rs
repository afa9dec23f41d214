//! Whether a connected plugin is alive: asked over its link, and judged by its answers.
//!
//! A plugin that answers calls is alive and is not asked. Unless the plan wants it otherwise, one
//! that nobody calls is not asked either, so that a machine at rest stays at rest.

use std::time::Duration;

use replug_runtime::plugin::{Connection, Contracts, ping};
use tokio::time::{sleep, timeout};

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

/// Watches until the plugin counts as hung, and says why it does.
pub(crate) async fn hangs(
    connection: &Connection,
    contracts: &Contracts,
    policy: &HealthPolicy,
) -> String {
    let mut failures = 0;
    loop {
        if failures == 0 {
            if policy.watch == Watch::InUse {
                connection.in_use().await;
            }
            let answers = connection.answers();
            sleep(policy.interval).await;
            let silent = connection.answers() == answers;
            if !silent || (policy.watch == Watch::InUse && !connection.is_in_use()) {
                continue;
            }
        }
        let reason = match timeout(policy.timeout, ping(connection, contracts)).await {
            Ok(Ok(())) => {
                failures = 0;
                continue;
            }
            Ok(Err(error)) => {
                // It answered, and at once perhaps: the next question is not for now.
                sleep(policy.interval).await;
                error.to_string()
            }
            Err(_) => {
                format!("does not answer within {}", humantime::format_duration(policy.timeout))
            }
        };
        failures += 1;
        if failures >= policy.failures {
            return format!("hangs: asked {failures} times whether it is alive, it {reason}");
        }
    }
}

/// Waits until the plugin stirs again.
pub(crate) async fn stirs(connection: &Connection, contracts: &Contracts, policy: &HealthPolicy) {
    while !matches!(timeout(policy.timeout, ping(connection, contracts)).await, Ok(Ok(()))) {
        sleep(policy.interval).await;
    }
}
