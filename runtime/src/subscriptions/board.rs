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
    /// How often somebody has waited for everything to be subscribed to.
    settling: watch::Sender<u64>,
    /// Up to which of those it was.
    settled: watch::Sender<u64>,
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
    /// anything. Those that were declared before stay before those that are new, as in Dapr. One
    /// whose condition is wrong is told of in the log and left out.
    pub fn declare<'r>(&self, resources: impl IntoIterator<Item = &'r SubscriptionResource>) {
        let read = |resource: &SubscriptionResource| {
            let read = TopicSubscription::declared(resource);
            let read = read.inspect_err(|error| {
                let (name, place) = (&resource.name, &resource.place);
                tracing::error!(name, place, "a subscription is left out: {error}");
            });
            read.ok().map(Arc::new)
        };
        let wanted: Vec<_> = resources.into_iter().filter_map(read).collect();
        self.0.declared.send_if_modified(|declared| {
            let kept = declared.iter().filter(|one| wanted.contains(one));
            let new = wanted.iter().filter(|one| !declared.contains(one));
            let list: List = kept.chain(new).cloned().collect();
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

    /// Resolves once the application is healthy and everything that is wanted then was subscribed
    /// to, or cannot be at this moment. For as long as nobody delivers it does not.
    pub async fn settled(&self) {
        let mut number = 0;
        self.0.settling.send_modify(|settling| {
            *settling += 1;
            number = *settling;
        });
        // The other end is held by this very value.
        let _ = self.0.settled.subscribe().wait_for(|settled| *settled >= number).await;
    }

    /// How often somebody has waited for that, now and from now on.
    pub(super) fn settling(&self) -> watch::Receiver<u64> {
        self.0.settling.subscribe()
    }

    /// Tells those who have waited up to this number that it is so.
    pub(super) fn tell_settled(&self, number: u64) {
        self.0.settled.send_replace(number);
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
    use crate::resources::BulkSubscribe;

    fn to(topic: &str) -> SubscriptionResource {
        SubscriptionResource {
            name: topic.into(),
            pubsub: "bus".into(),
            topic: topic.into(),
            default_route: "/".into(),
            rules: Vec::new(),
            dead_letter_topic: String::new(),
            metadata: Vec::new(),
            bulk: BulkSubscribe::default(),
            scopes: Vec::new(),
            place: String::new(),
        }
    }

    #[test]
    fn what_is_changed_or_new_is_shown_behind_what_was_there() {
        let board = Subscriptions::default();
        let shown = || board.all().iter().map(|one| one.topic.clone()).collect::<Vec<_>>();
        board.declare(&[to("b"), to("c")]);
        board.declare(&[to("a"), to("c"), to("d")]);
        assert_eq!(shown(), ["c", "a", "d"]);
        board.declare(&[to("d"), to("a")]);
        assert_eq!(shown(), ["a", "d"]);
    }

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
