//! How an event is answered.

use std::fmt;

use bytes::Bytes;

/// Takes what the application says to one event, once: its answer, or why it has none.
///
/// Dropped without an answer, the event counts as neither handled nor failed: whoever had it was torn
/// down. The binding reads it again when it sees fit.
#[must_use = "an event that is not answered may come again"]
pub struct Answerer(Box<dyn FnOnce(Result<Bytes, String>) + Send>);

impl Answerer {
    /// One that passes the answer to `to`, which must not block. `to` is dropped uncalled where
    /// there is none.
    pub fn new(to: impl FnOnce(Result<Bytes, String>) + Send + 'static) -> Self {
        Self(Box::new(to))
    }

    /// Of a binding that does not care.
    pub fn ignoring() -> Self {
        Self::new(drop)
    }

    /// Gives the answer.
    pub fn answer(self, answer: Result<Bytes, String>) {
        (self.0)(answer);
    }
}

impl fmt::Debug for Answerer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answerer")
    }
}
