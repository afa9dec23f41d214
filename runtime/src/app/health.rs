//! The application's health: asked for again and again, and judged by what came of it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use tonic::{Code, Status};

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
            let answer = ask(channel, self.check).await;
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

/// One question, which is measured.
async fn ask(channel: &Channel, check: &HealthCheck) -> Result<(), String> {
    let begun = Instant::now();
    match channel {
        Channel::Http(channel) => {
            let request = Request::get(&check.path).body(Bytes::new());
            let request = request.map_err(|error| error.to_string())?;
            let answer = timeout(check.timeout, channel.probe(request)).await;
            let answer = answer.map(|answer| answer.map_err(|error| error.to_string()));
            let answer = answer.unwrap_or_else(|_| Err(late(check)));
            channel.probed(answer.as_ref().ok().map(Response::status), begun.elapsed());
            let status = answer?.status();
            if status.is_success() { Ok(()) } else { Err(format!("answers {status}")) }
        }
        Channel::Grpc(callbacks) => {
            let answer = timeout(check.timeout, callbacks.health_check()).await;
            let code = match &answer {
                Ok(answer) => answer.as_ref().map_or_else(Status::code, |()| Code::Ok),
                Err(_) => Code::DeadlineExceeded,
            };
            callbacks.probed(code, begun.elapsed());
            let told =
                |status: Status| format!("answers {:?}: {}", status.code(), status.message());
            answer.map_err(|_| late(check))?.map_err(told)
        }
    }
}

fn late(check: &HealthCheck) -> String {
    format!("no answer within {}", humantime::format_duration(check.timeout))
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
