//! Who brings an event to those that handle it.

use async_trait::async_trait;

use super::Event;

/// Brings events to an application, one way or another.
#[async_trait]
pub(crate) trait Courier: Send + Sync + 'static {
    /// Delivers one event, and tells what became of it.
    async fn deliver(&self, event: &Event, path: &str) -> Outcome;
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was handled.
    Handled,
    /// It is not wanted: it goes to the dead letter topic, where there is one, and is not delivered
    /// again.
    Dropped,
    /// It was not handled, for this reason.
    Failed(String),
    /// Whoever had it is being torn down: it counts as never delivered.
    #[allow(dead_code)] // For deliveries that a stop cuts off.
    TornDown,
}
