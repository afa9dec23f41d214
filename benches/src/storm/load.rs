//! Tasks that write and read for as long as they are let.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::ledger::{Ledger, key, value};
use crate::Failure;
use crate::application::Application;

/// A running load. Its tasks end with it.
#[derive(Debug)]
pub(super) struct Load {
    stop: watch::Sender<bool>,
    tasks: JoinSet<Ledger>,
}

impl Load {
    /// Starts so many tasks over these applications' connections. Their keys are numbered from
    /// `first` on, and no two writes have the same.
    pub(super) fn start(applications: &[Application], tasks: usize, first: u64) -> Self {
        let (stop, stopped) = watch::channel(false);
        let numbers = Arc::new(AtomicU64::new(first));
        let mut running = JoinSet::new();
        for application in applications.iter().cycle().take(tasks) {
            running.spawn(work(application.clone(), numbers.clone(), stopped.clone()));
        }
        Self { stop, tasks: running }
    }

    /// Lets the calls under way end, and gives what came of all.
    pub(super) async fn stop(mut self) -> Result<Ledger, Failure> {
        self.stop.send_replace(true);
        let mut all = Ledger::default();
        while let Some(ledger) = self.tasks.join_next().await {
            all.add(ledger?);
        }
        Ok(all)
    }
}

/// Writes a new key, reads it or one before it, and so on.
async fn work(
    mut application: Application,
    numbers: Arc<AtomicU64>,
    stopped: watch::Receiver<bool>,
) -> Ledger {
    let mut ledger = Ledger::default();
    while !*stopped.borrow() {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let start = Instant::now();
        let written = application.save(key(number), value(number)).await;
        ledger.wrote(number, written, start.elapsed());
        let Some(known) = ledger.an_acknowledged() else { continue };
        let start = Instant::now();
        let read = application.get(key(known)).await;
        ledger.read(known, read, start.elapsed());
    }
    ledger
}
