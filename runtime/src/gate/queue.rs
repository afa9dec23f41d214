//! The queue before a gate: who waits, and who goes next.
//!
//! When a gate opens, those who wait are not let through all at once: a plugin that has just
//! started would meet in one moment what came in over seconds. They go in the order in which they
//! came, a few at a time, and each that has finished makes room for two more, so that a plugin which
//! keeps up is soon at its full load. Entering and leaving take a lock, which no caller of an open
//! gate without a queue meets.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How many go first, all at once.
pub(super) const FIRST: usize = 64;

/// How long a caller that was let through counts as busy. Calls that take longer, such as one that
/// waits at the plugin for something to happen, do not keep the others waiting.
const TURN: Duration = Duration::from_millis(100);

/// Those who wait before one gate.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// As many as wait in the line; read without its lock.
    waiting: AtomicUsize,
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    passage: Passage,
    /// By number, so the oldest first.
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
    next: u64,
    /// How many of those let through are still busy.
    busy: usize,
    /// How many may be.
    room: usize,
}

/// Who is let go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Passage {
    /// Nobody.
    #[default]
    None,
    /// As many as there is room for.
    Room,
    /// Everybody at once.
    All,
}

/// A number in the queue, which a caller keeps that has to wait again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number(u64);

/// A caller's place in the queue, given back when dropped.
struct Place<'a> {
    queue: &'a Queue,
    number: u64,
    called: oneshot::Receiver<()>,
    /// It has become a turn.
    taken: bool,
}

/// A caller that was let through counts as busy until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a>(&'a Queue);

// === impl Queue ===

impl Queue {
    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Waits to be let go; none where `limit` callers wait already. `number` is the one that the
    /// caller has, if it has waited before, and is set otherwise. Dropping the future leaves the
    /// queue.
    pub(super) async fn turn(&self, number: &mut Option<Number>, limit: usize) -> Option<Turn<'_>> {
        let mut place = self.enter(number, limit)?;
        // The sender goes only with the line, which this borrows, or with the call itself.
        let _ = (&mut place.called).await;
        place.taken = true;
        Some(Turn(self))
    }

    fn enter(&self, number: &mut Option<Number>, limit: usize) -> Option<Place<'_>> {
        let mut line = self.line.lock();
        // Who has waited before has had its place already.
        if number.is_none() && line.passage != Passage::All && line.waiting.len() >= limit {
            return None;
        }
        let Number(number) = *number.get_or_insert_with(|| {
            line.next += 1;
            Number(line.next)
        });
        let (call, called) = oneshot::channel();
        line.waiting.insert(number, call);
        self.advance(&mut line);
        Some(Place { queue: self, number, called, taken: false })
    }

    /// Says who is let go from now on; `change` is made at the same moment.
    pub(super) fn set(&self, passage: Passage, change: impl FnOnce()) {
        let mut line = self.line.lock();
        change();
        if passage == Passage::Room && line.passage != Passage::Room {
            line.room = FIRST;
        }
        line.passage = passage;
        self.advance(&mut line);
    }

    /// Lets go whom there is room for.
    fn advance(&self, line: &mut Line) {
        while match line.passage {
            Passage::None => false,
            Passage::Room => line.busy < line.room,
            Passage::All => true,
        } {
            let Some((_, call)) = line.waiting.pop_first() else { break };
            line.busy += 1;
            // One that is leaving at this moment gives its turn back by itself.
            let _ = call.send(());
        }
        self.waiting.store(line.waiting.len(), Ordering::Relaxed);
    }

    /// One that was let go is done.
    fn done(&self, line: &mut Line) {
        line.busy -= 1;
        line.room = line.room.saturating_add(1);
        self.advance(line);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        let mut line = self.queue.line.lock();
        if line.waiting.remove(&self.number).is_some() {
            self.queue.waiting.store(line.waiting.len(), Ordering::Relaxed);
        } else {
            self.queue.done(&mut line);
        }
    }
}

// === impl Turn ===

impl Turn<'_> {
    /// Does the work for which the caller has waited. It counts as busy meanwhile, but not for
    /// longer than a while.
    pub(crate) async fn spend_on<F: Future>(self, work: F) -> F::Output {
        let mut work = pin!(work);
        if let Ok(done) = timeout(TURN, &mut work).await {
            return done;
        }
        drop(self);
        work.await
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.done(&mut self.0.line.lock());
    }
}
