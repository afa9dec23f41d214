//! Calls of every kind that go on without a pause, and what came of them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::Status;

use crate::application::Application;
use crate::hearer::{Hearer, message};
use crate::{Failure, PATIENCE};

/// How many of its messages a publisher lets be on their way to the application.
const AHEAD: usize = 64;

/// How large a message is, in bytes.
const SIZE: usize = 512;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Read,
    Write,
    Publish,
    Invoke,
}

/// A running load. Its tasks end with it.
#[derive(Debug)]
pub(super) struct Work {
    stop: watch::Sender<bool>,
    tasks: JoinSet<Outcome>,
}

/// What came of calls.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    good: BTreeMap<Kind, usize>,
    failed: BTreeMap<Kind, usize>,
    slowest: BTreeMap<Kind, Duration>,
    /// The first failure of each kind, as it was told.
    examples: BTreeMap<Kind, String>,
    written: Vec<u64>,
    /// Acknowledged messages that have not come yet.
    on_their_way: VecDeque<oneshot::Receiver<()>>,
    pub(super) lost_writes: usize,
    pub(super) lost_messages: usize,
}

// === impl Kind ===

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Publish, Self::Invoke];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Read => "reads",
            Self::Write => "writes",
            Self::Publish => "publishes",
            Self::Invoke => "invocations",
        }
    }
}

// === impl Work ===

impl Work {
    /// Starts so many tasks of each kind.
    pub(super) fn start(applications: &[Application], tasks: usize, hearer: &Arc<Hearer>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let numbers = Arc::new(AtomicU64::new(1));
        let mut running = JoinSet::new();
        let mut applications = applications.iter().cycle();
        for kind in Kind::ALL {
            for application in applications.by_ref().take(tasks) {
                let (application, hearer) = (application.clone(), hearer.clone());
                running.spawn(work(kind, application, hearer, numbers.clone(), stopped.clone()));
            }
        }
        Self { stop, tasks: running }
    }

    /// Lets the calls under way end, waits for the messages that are on their way, reads every
    /// acknowledged write again, and gives what came of all.
    pub(super) async fn stop(mut self, applications: &[Application]) -> Result<Outcome, Failure> {
        self.stop.send_replace(true);
        let mut all = Outcome::default();
        while let Some(outcome) = self.tasks.join_next().await {
            all.add(outcome?);
        }
        let patience = Instant::now() + PATIENCE;
        for message in std::mem::take(&mut all.on_their_way) {
            let came = timeout(patience.saturating_duration_since(Instant::now()), message).await;
            if !matches!(came, Ok(Ok(()))) {
                all.lost_messages += 1;
            }
        }
        let mut application = applications[0].clone();
        for &number in &all.written {
            if application.get(key(number)).await? != number.to_string().as_bytes() {
                all.lost_writes += 1;
            }
        }
        Ok(all)
    }
}

/// One call after the other.
async fn work(
    kind: Kind,
    mut application: Application,
    hearer: Arc<Hearer>,
    numbers: Arc<AtomicU64>,
    stopped: watch::Receiver<bool>,
) -> Outcome {
    let mut outcome = Outcome::default();
    // What reads ask for; whatever else is written gets a number of its own.
    let known = numbers.fetch_add(1, Ordering::Relaxed);
    if kind == Kind::Read {
        let written = application.save(key(known), known.to_string().into()).await;
        outcome.came(Kind::Write, Instant::now(), &written);
    }
    while !*stopped.borrow() {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let begun = Instant::now();
        match kind {
            Kind::Read => {
                let read = application.get(key(known)).await.and_then(|value| {
                    let is = value == known.to_string().as_bytes();
                    is.then_some(()).ok_or_else(|| Status::data_loss(format!("{value:?}")))
                });
                outcome.came(kind, begun, &read);
            }
            Kind::Write => {
                let written = application.save(key(number), number.to_string().into()).await;
                if outcome.came(kind, begun, &written) {
                    outcome.written.push(number);
                }
            }
            Kind::Publish => {
                let delivered = hearer.expect(number);
                let published = application.publish(message(number, SIZE)).await;
                if outcome.came(kind, begun, &published) {
                    outcome.on_their_way.push_back(delivered);
                }
                outcome.wait_for_some().await;
            }
            Kind::Invoke => {
                let invoked = application.invoke().await;
                outcome.came(kind, begun, &invoked);
            }
        }
    }
    outcome
}

fn key(number: u64) -> String {
    format!("key-{number}")
}

// === impl Outcome ===

impl Outcome {
    /// Whether the call was good.
    fn came<T>(&mut self, kind: Kind, begun: Instant, result: &Result<T, Status>) -> bool {
        let slowest = self.slowest.entry(kind).or_default();
        *slowest = begun.elapsed().max(*slowest);
        let counts = if result.is_ok() { &mut self.good } else { &mut self.failed };
        *counts.entry(kind).or_default() += 1;
        if let Err(status) = result {
            self.examples.entry(kind).or_insert_with(|| status.to_string());
        }
        result.is_ok()
    }

    /// Waits for the oldest messages while too many are on their way.
    async fn wait_for_some(&mut self) {
        while self.on_their_way.len() > AHEAD {
            let Some(oldest) = self.on_their_way.pop_front() else { return };
            if !matches!(timeout(PATIENCE, oldest).await, Ok(Ok(()))) {
                self.lost_messages += 1;
            }
        }
    }

    fn add(&mut self, other: Self) {
        for (all, more) in [(&mut self.good, other.good), (&mut self.failed, other.failed)] {
            for (kind, count) in more {
                *all.entry(kind).or_default() += count;
            }
        }
        for (kind, took) in other.slowest {
            let slowest = self.slowest.entry(kind).or_default();
            *slowest = took.max(*slowest);
        }
        for (kind, example) in other.examples {
            self.examples.entry(kind).or_insert(example);
        }
        self.written.extend(other.written);
        self.on_their_way.extend(other.on_their_way);
        self.lost_messages += other.lost_messages;
    }

    /// Good calls and failed ones.
    pub(super) fn counts(&self, kind: Kind) -> (usize, usize) {
        let of = |counts: &BTreeMap<Kind, usize>| counts.get(&kind).copied().unwrap_or_default();
        (of(&self.good), of(&self.failed))
    }

    pub(super) fn slowest(&self, kind: Kind) -> Duration {
        self.slowest.get(&kind).copied().unwrap_or_default()
    }

    /// The first failure of each kind.
    pub(super) fn failures(&self) -> impl Iterator<Item = String> {
        self.examples.iter().map(|(kind, example)| format!("{}: {example}", kind.name()))
    }
}
