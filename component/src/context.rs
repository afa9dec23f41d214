//! What comes with a call beside its request.

use std::time::{Duration, Instant};

/// What a caller says of a call as a whole. Cancellation needs no word here: a call whose caller
/// is gone has its future dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Context {
    /// When the caller stops waiting; none: it never does.
    pub deadline: Option<Instant>,
}

impl Context {
    /// A call that has to be answered by `deadline`.
    #[must_use]
    pub fn with_deadline(deadline: Option<Instant>) -> Self {
        Self { deadline }
    }

    /// How long the caller still waits; zero once the deadline has passed.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}
