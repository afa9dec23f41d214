//! What is known of an application's subscriptions: what declares them, and who shows them.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use replug_component::Metadata;
use tokio::sync::watch;

use super::topic::{Origin, TopicSubscription, merged};
use crate::messaging::Routes;
use crate::resources::SubscriptionResource;

pub(super) type List = Arc<[Arc<TopicSubscription>]>;

/// An application's subscriptions. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Subscriptions(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    declared: watch::Sender<List>,
    /// What the application named when it was asked.
    named: Mutex<List>,
    streams: Mutex<Streams>,
}

#[derive(Debug, Default)]
struct Streams {
    next: u64,
    open: BTreeMap<u64, Arc<TopicSubscription>>,
}

/// A stream that is open as long as this is held.
#[derive(Debug)]
pub(crate) struct OpenStream {
    board: Subscriptions,
    number: u64,
}

// === impl Subscriptions ===

impl Subscriptions {
    /// From now on these are declared, and no others. Who follows them is told where that changes
    /// anything. One whose condition is wrong is told of in the log and left out.
    pub fn declare<'r>(&self, resources: impl IntoIterator<Item = &'r SubscriptionResource>) {
        let read = |resource: &SubscriptionResource| {
            let read = TopicSubscription::declared(resource);
            let read = read.inspect_err(|error| {
                let (name, place) = (&resource.name, &resource.place);
                tracing::error!(name, place, "a subscription is left out: {error}");
            });
            read.ok().map(Arc::new)
        };
        let list: List = resources.into_iter().filter_map(read).collect();
        self.0.declared.send_if_modified(|declared| {
            let differs = **declared != *list;
            if differs {
                *declared = list;
            }
            differs
        });
    }

    /// What is declared, now and from now on.
    pub(super) fn declared(&self) -> watch::Receiver<List> {
        self.0.declared.subscribe()
    }

    /// The application was asked, and has named these.
    pub(super) fn name(&self, named: List) {
        *self.0.named.lock() = named;
    }

    /// What is to be delivered: what is declared and what is named, of each topic one.
    pub(super) fn wanted(&self) -> Vec<Arc<TopicSubscription>> {
        let declared = self.0.declared.borrow().clone();
        let named = self.0.named.lock().clone();
        merged(&declared, &named)
    }

    /// Shows a stream until the value is dropped.
    pub(crate) fn open_stream(
        &self,
        pubsub: &str,
        topic: &str,
        metadata: &Metadata,
        dead_letter_topic: Option<&str>,
    ) -> OpenStream {
        let stream = Arc::new(TopicSubscription {
            pubsub: pubsub.to_owned(),
            topic: topic.to_owned(),
            metadata: metadata.clone(),
            routes: Routes::to("/"),
            dead_letter_topic: dead_letter_topic.unwrap_or_default().to_owned(),
            gathering: None,
            origin: Origin::Streaming,
        });
        let mut streams = self.0.streams.lock();
        let number = streams.next;
        streams.next += 1;
        streams.open.insert(number, stream);
        OpenStream { board: self.clone(), number }
    }

    /// Everything that there is: what is declared or named, then streams, the oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<TopicSubscription>> {
        let mut all = self.wanted();
        all.extend(self.0.streams.lock().open.values().cloned());
        all
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.board.0.streams.lock().open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_shown_while_it_is_open() {
        let board = Subscriptions::default();
        let stream = board.open_stream("bus", "orders", &Metadata::new(), Some("dead"));
        let all = board.all();
        assert_eq!((all.len(), all[0].origin), (1, Origin::Streaming));
        assert_eq!(all[0].dead_letter_topic, "dead");
        drop(stream);
        assert!(board.all().is_empty());
    }
}
