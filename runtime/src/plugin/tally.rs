//! How many calls go over a link, for people and programs that ask.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counted by every call: two additions that order nothing, and no lock.
#[derive(Debug, Default)]
pub(super) struct Tally {
    begun: AtomicU64,
    ended: AtomicU64,
    again: AtomicU64,
}

/// A call that has not ended, until this is dropped.
pub(super) struct Counted<'a>(&'a Tally);

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
}

// === impl Tally ===

impl Tally {
    /// Another call, and how many others are under way.
    pub(super) fn begin(&self) -> (Counted<'_>, u64) {
        // In this order: see `calls`.
        let ended = self.ended.load(Ordering::Relaxed);
        let begun = self.begun.fetch_add(1, Ordering::Relaxed);
        (Counted(self), begun.saturating_sub(ended))
    }

    /// A call is sent once more.
    pub(super) fn again(&self) {
        self.again.fetch_add(1, Ordering::Relaxed);
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
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

// === impl Calls ===

impl AddAssign for Calls {
    fn add_assign(&mut self, other: Self) {
        self.ended += other.ended;
        self.under_way += other.under_way;
        self.held += other.held;
        self.again += other.again;
    }
}
