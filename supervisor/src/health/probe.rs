//! Probes: what the plan asks about a plugin beside its link, and how that is done.
//!
//! A probe is one question with one answer; [`watch`] repeats it and judges. A plugin without one
//! costs nothing.

mod exec;
mod http;
mod tcp;

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

pub use self::http::{HttpTarget, WrongUrl};
use super::{By, HealthPolicy, News, Tally, patiently};
use crate::process::{Launch, Spawner};
use crate::restart::probe_backoff;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// A command, run as the plugin's process is: in its folder and environment. Alive: it exits
    /// with 0.
    Exec {
        /// The program: a path, relative to the plugin's folder, or a name to look up in `PATH`.
        program: String,
        /// Its arguments.
        args: Vec<String>,
    },
    /// Something that listens. Alive: it takes a connection.
    Tcp(Address),
    /// A web server. Alive: it answers GET with a status of 2xx or 3xx.
    Http(HttpTarget),
}

/// Where something listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `HOST:PORT`.
    Tcp(String),
    /// A Unix socket.
    Unix(PathBuf),
}

/// A plugin's probe, and when it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probing {
    /// What is asked.
    pub probe: Probe,
    /// How long after the plugin's start failures do not count, unless the probe has passed before;
    /// none: as long as the plugin has to become ready.
    pub start_period: Option<Duration>,
    /// Whether the plugin is not ready before the probe has passed.
    pub ready: bool,
}

/// What asks a probe.
#[derive(Debug, Clone)]
pub(crate) struct Prober {
    pub(crate) probe: Probe,
    pub(crate) spawner: Spawner,
    /// How the plugin's own process is started.
    pub(crate) launch: Launch,
    pub(crate) policy: HealthPolicy,
    pub(crate) start_period: Duration,
}

// === impl Prober ===

impl Prober {
    /// Asks again and again for as long as it is polled, and tells what changes.
    pub(crate) async fn watch(self, told: mpsc::Sender<News>) {
        let began = Instant::now();
        let mut early = probe_backoff(self.policy.interval);
        let mut tally = Tally::new(By::Probe, self.policy.failures);
        loop {
            let limit = self.policy.timeout;
            let answer = patiently(limit, self.ask()).await.unwrap_or_else(|| {
                Err(format!("no answer within {}", humantime::format_duration(limit)))
            });
            let excused = !tally.has_passed() && began.elapsed() < self.start_period;
            let news = match answer {
                Ok(()) => tally.passed(),
                Err(reason) if excused => tally.excused(reason),
                Err(reason) => tally.failed(reason),
            };
            if let Some(news) = news {
                // Without a receiver this is about to be ended.
                let _ = told.send(news).await;
            }
            // Until it passes for the first time somebody waits for it.
            sleep(if excused && !tally.has_passed() { early.next() } else { self.policy.interval })
                .await;
        }
    }

    /// Asks once. An error says what came instead of a good answer.
    async fn ask(&self) -> Result<(), String> {
        match &self.probe {
            Probe::Exec { program, args } => {
                exec::run(&self.spawner, exec::launch(&self.launch, program, args)).await
            }
            Probe::Tcp(address) => tcp::connects(address).await,
            Probe::Http(target) => target.get().await,
        }
    }
}
