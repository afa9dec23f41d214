//! How many calls go over a link, and how much they have in memory: for people and programs that ask,
//! and for the bounds of a component.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};

use super::connection::{ConnectionError, Room};
use super::link::MAX_ANSWER;

/// Counted by every call: a few additions that order nothing, and no lock.
#[derive(Debug, Default)]
pub(super) struct Tally {
    begun: AtomicU64,
    ended: AtomicU64,
    again: AtomicU64,
    turned_away: AtomicU64,
    /// Of requests, and of answers that are coming in.
    bytes: AtomicU64,
}

/// A call that has not ended, until this is dropped.
pub(super) struct Counted<'a> {
    tally: &'a Tally,
    request: u64,
}

/// What is under way beside a call.
pub(super) struct Others {
    pub(super) calls: u64,
    pub(super) bytes: u64,
}

/// An answer that comes in: counted, and bounded by what a component may have in memory.
pub(super) struct Intake<'a> {
    tally: &'a Tally,
    request: u64,
    most: u64,
    taken: u64,
}

/// The calls of a component, since it was made over its plugin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    /// Calls that have ended, answered or not.
    pub ended: u64,
    /// Calls that have not, those that wait included.
    pub under_way: u64,
    /// Callers that wait while the plugin is away.
    pub held: u64,
    /// Calls that were sent once more, since the plugin went away with them or did not take them.
    pub again: u64,
    /// Calls that were turned away, since too many were under way or had too much in memory.
    pub turned_away: u64,
    /// Bytes that the calls under way have in memory.
    pub bytes: u64,
}

// === impl Tally ===

impl Tally {
    /// Another call, whose request has so many bytes, and what else is under way.
    pub(super) fn begin(&self, request: usize) -> (Counted<'_>, Others) {
        let request = request as u64;
        // In this order: see `calls`.
        let ended = self.ended.load(Ordering::Relaxed);
        let begun = self.begun.fetch_add(1, Ordering::Relaxed);
        let bytes = self.bytes.fetch_add(request, Ordering::Relaxed);
        (Counted { tally: self, request }, Others { calls: begun.saturating_sub(ended), bytes })
    }

    /// The answer to a request of so many bytes, as far as all together have no more than `most`.
    pub(super) fn intake(&self, request: usize, most: u64) -> Intake<'_> {
        Intake { tally: self, request: request as u64, most, taken: 0 }
    }

    /// A call is sent once more.
    pub(super) fn again(&self) {
        self.again.fetch_add(1, Ordering::Relaxed);
    }

    /// A call is turned away.
    pub(super) fn turned_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    /// The calls so far, of which so many are held.
    pub(super) fn calls(&self, held: usize) -> Calls {
        // In this order: a call that ends in between is not under way less than no time.
        let ended = self.ended.load(Ordering::Relaxed);
        let begun = self.begun.load(Ordering::Relaxed);
        Calls {
            ended,
            under_way: begun.saturating_sub(ended),
            held: held as u64,
            again: self.again.load(Ordering::Relaxed),
            turned_away: self.turned_away.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.tally.bytes.fetch_sub(self.request, Ordering::Relaxed);
        self.tally.ended.fetch_add(1, Ordering::Relaxed);
    }
}

// === impl Intake ===

impl Room for Intake<'_> {
    fn take(&mut self, bytes: usize) -> Result<(), ConnectionError> {
        let bytes = bytes as u64;
        self.taken += bytes;
        let all = self.tally.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if self.taken > MAX_ANSWER as u64 {
            return Err(ConnectionError::TooLarge { limit: MAX_ANSWER });
        }
        if all > self.most && all > self.request + self.taken {
            self.tally.turned_away();
            return Err(ConnectionError::Crowded { most: self.most });
        }
        Ok(())
    }
}

impl Drop for Intake<'_> {
    fn drop(&mut self) {
        self.tally.bytes.fetch_sub(self.taken, Ordering::Relaxed);
    }
}

// === impl Calls ===

impl AddAssign for Calls {
    fn add_assign(&mut self, other: Self) {
        self.ended += other.ended;
        self.under_way += other.under_way;
        self.held += other.held;
        self.again += other.again;
        self.turned_away += other.turned_away;
        self.bytes += other.bytes;
    }
}
