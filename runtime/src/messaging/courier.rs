//! Who brings an event to those that handle it.

use async_trait::async_trait;
use futures_util::future::join_all;
use replug_component::pubsub::Message;

use super::Event;

/// Brings events to an application, one way or another.
#[async_trait]
pub(crate) trait Courier: Send + Sync + 'static {
    /// Delivers one event, and tells what became of it.
    async fn deliver(&self, event: &Event, path: &str) -> Outcome;

    /// What metrics show as the application's word on an event that it had dropped; empty where they
    /// show what became of it.
    fn word_on_dropped(&self) -> &'static str {
        "success"
    }

    /// Delivers several at once, and tells of each what became of it, in their order.
    async fn deliver_all(&self, batch: &Batch<'_>) -> Vec<Outcome> {
        join_all(batch.entries.iter().map(|entry| self.deliver(&entry.event, batch.path))).await
    }
}

/// Several events of one topic for one handler.
#[derive(Debug)]
pub(crate) struct Batch<'b> {
    pub(crate) pubsub: &'b str,
    /// The topic that was subscribed to.
    pub(crate) topic: &'b str,
    pub(crate) path: &'b str,
    /// They came in no envelope, and go in none.
    pub(crate) raw: bool,
    pub(crate) entries: Vec<&'b Entry>,
}

/// One event of several.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Tells it from the others.
    pub(crate) id: String,
    /// The message that it came in.
    pub(crate) message: Message,
    pub(crate) event: Event,
}

/// How Dapr's errors begin that are of events to be delivered again.
pub(crate) const RETRIABLE: &str = "retriable error occurred";

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was handled.
    Handled,
    /// It is not wanted: it goes to the dead letter topic, where there is one, and is not delivered
    /// again.
    Dropped,
    /// There is nobody to handle it where it was to go, which is the same.
    NoHandler,
    /// It was not handled, for this reason.
    Failed(String),
    /// Whoever had it is being torn down: it counts as never delivered.
    TornDown,
}
