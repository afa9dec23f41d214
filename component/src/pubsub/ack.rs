//! How a delivered message is answered.

use std::fmt;

/// Takes what became of one message, once.
///
/// Dropped without an answer, the message counts as neither handled nor failed: whoever had it was
/// torn down. The component delivers it again when it sees fit, at the latest to the next
/// subscription.
#[must_use = "a message that is not answered is delivered again"]
pub struct Acker(Box<dyn FnOnce(Result<(), String>) + Send>);

impl Acker {
    /// An acker that passes the answer to `to`, which must not block. `to` is dropped uncalled where
    /// there is none.
    pub fn new(to: impl FnOnce(Result<(), String>) + Send + 'static) -> Self {
        Self(Box::new(to))
    }

    /// The message was handled, and is not to be delivered again.
    pub fn ack(self) {
        self.answer(Ok(()));
    }

    /// It was not, for this reason: it is to be delivered again, as the component has it.
    pub fn nack(self, error: impl Into<String>) {
        self.answer(Err(error.into()));
    }

    /// Either of them.
    pub fn answer(self, answer: Result<(), String>) {
        (self.0)(answer);
    }
}

impl fmt::Debug for Acker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acker")
    }
}
