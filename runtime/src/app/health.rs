//! The application's health: asked for again and again, and judged by what came of it.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::Channel;
use super::settings::HealthCheck;

/// The application's health as its checks have shown it. It is unhealthy until a check has passed;
/// then as many failures in a row as the threshold make it unhealthy, and one success healthy again.
///
/// Dapr says the same in its documentation, and counts failures that are not in a row too.
#[derive(Debug)]
pub(super) struct Watch<'c> {
    check: &'c HealthCheck,
    ticks: Interval,
    healthy: bool,
    failures: u32,
}

impl<'c> Watch<'c> {
    pub(super) fn new(check: &'c HealthCheck) -> Self {
        // The first check is at once.
        let mut ticks = interval(check.interval.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { check, ticks, healthy: false, failures: 0 }
    }

    /// Asks until the application's health is another, and tells which.
    pub(super) async fn next_change(&mut self, channel: &Channel) -> bool {
        loop {
            self.ticks.tick().await;
            let asked = ask(channel, &self.check.path);
            let answer = timeout(self.check.timeout, asked).await;
            let answer = answer.unwrap_or_else(|_| {
                Err(format!("no answer within {}", humantime::format_duration(self.check.timeout)))
            });
            let changed = self.judge(answer.is_ok());
            if changed {
                match answer {
                    Ok(()) => tracing::info!("the application is healthy"),
                    Err(reason) => tracing::warn!(
                        "the application is unhealthy, nothing is delivered to it: {} checks \
                         failed, the last one: {reason}",
                        self.failures
                    ),
                }
                return self.healthy;
            }
            if let Err(reason) = answer {
                tracing::debug!("a health check of the application failed: {reason}");
            }
        }
    }

    /// Whether this makes another of it.
    fn judge(&mut self, passed: bool) -> bool {
        let before = self.healthy;
        if passed {
            self.failures = 0;
            self.healthy = true;
        } else {
            self.failures = self.failures.saturating_add(1);
            self.healthy &= self.failures < self.check.threshold;
        }
        before != self.healthy
    }
}

/// One question.
async fn ask(channel: &Channel, path: &str) -> Result<(), String> {
    match channel {
        Channel::Http(channel) => {
            let request = Request::get(path).body(Bytes::new()).map_err(|e| e.to_string())?;
            let answer = channel.probe(request).await.map_err(|error| error.to_string())?;
            let status = answer.status();
            if status.is_success() { Ok(()) } else { Err(format!("answers {status}")) }
        }
        Channel::Grpc(callbacks) => callbacks
            .health_check()
            .await
            .map_err(|status| format!("answers {:?}: {}", status.code(), status.message())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn failures_in_a_row_make_it_unhealthy_and_one_success_healthy() {
        let check = HealthCheck { threshold: 2, ..HealthCheck::default() };
        let mut watch = Watch::new(&check);
        let changes = [false, true, false, true, false, false, false, true].map(|passed| {
            let changed = watch.judge(passed);
            (changed, watch.healthy)
        });
        assert_eq!(
            changes,
            [
                (false, false),
                (true, true),
                (false, true),
                (false, true),
                (false, true),
                (true, false),
                (false, false),
                (true, true)
            ]
        );
    }
}
