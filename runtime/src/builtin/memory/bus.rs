//! `pubsub.in-memory`: messages to whoever has subscribed when they are published.
//!
//! Every subscription gets every message of its topic, one after the other, in the order in which
//! they were published; its next one comes when this one is answered. Nothing is kept for those who
//! come later. That holds for whoever gathers several, too: each batch is of one, as in Dapr. Each subscription has a queue of its own, bounded in bytes: a publisher waits where
//! one is full. The list of subscriptions is replaced as a whole, so publishing takes no lock.
//!
//! Behaviour as in Dapr's component of this name: a topic that ends in `*` is every topic with that
//! beginning and more, and is what its messages report as their topic; a message that could not be
//! handled is told of in the log and not delivered again.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use futures_util::stream;
use replug_component::pubsub::{
    Acker, Delivery, Message, PubSub, PubSubType, PublishRequest, SubscribeRequest, Subscription,
};
use replug_component::{Context, Error, Features, Metadata};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

/// How many bytes may wait for one subscription.
const QUEUE: usize = 16 << 20;

/// What a message counts for in a queue beside its data, in bytes.
const OVERHEAD: usize = 512;

/// The type `pubsub.in-memory`. It has no settings; each component has messages of its own.
pub(in crate::builtin) struct BusType;

#[async_trait]
impl PubSubType for BusType {
    async fn open(&self, _metadata: Metadata) -> Result<Arc<dyn PubSub>, Error> {
        Ok(Arc::new_cyclic(|bus| Bus {
            this: bus.clone(),
            subscribers: ArcSwap::default(),
            paused: watch::Sender::new(false),
        }))
    }
}

struct Bus {
    /// For subscriptions to take themselves off the list.
    this: Weak<Bus>,
    /// They end with the bus: it alone holds the way to them.
    subscribers: ArcSwap<Vec<Arc<Subscriber>>>,
    paused: watch::Sender<bool>,
}

/// The publishers' side of a subscription.
struct Subscriber {
    topic: String,
    /// What is left of its queue, in bytes. Closed by the subscription's end.
    room: Arc<Semaphore>,
    queue: UnboundedSender<Queued>,
}

struct Queued {
    message: Message,
    _room: OwnedSemaphorePermit,
}

/// The reader's side of a subscription.
struct Reading {
    queue: UnboundedReceiver<Queued>,
    paused: watch::Receiver<bool>,
    /// Of the message that is handed out.
    answered: Option<oneshot::Receiver<Result<(), String>>>,
    listed: Listed,
}

/// Takes a subscription off the list when dropped.
struct Listed {
    bus: Weak<Bus>,
    subscriber: Weak<Subscriber>,
    room: Arc<Semaphore>,
    topic: String,
}

#[async_trait]
impl PubSub for Bus {
    fn features(&self) -> Features {
        Features::new([Features::SUBSCRIBE_WILDCARDS])
    }

    async fn publish(&self, _cx: &Context, request: PublishRequest) -> Result<(), Error> {
        // The list is not held across a wait: one that has unsubscribed takes nothing more.
        let subscribers = self.subscribers.load_full();
        for subscriber in subscribers.iter().filter(|it| it.takes(&request.topic)) {
            subscriber.put(&request).await;
        }
        Ok(())
    }

    async fn subscribe(
        &self,
        _cx: &Context,
        SubscribeRequest { topic, .. }: SubscribeRequest,
    ) -> Result<Subscription, Error> {
        let (sender, queue) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(QUEUE));
        let subscriber =
            Arc::new(Subscriber { topic: topic.clone(), room: room.clone(), queue: sender });
        let listed =
            Listed { bus: self.this.clone(), subscriber: Arc::downgrade(&subscriber), room, topic };
        self.subscribers.rcu(|list| {
            let mut list = Vec::clone(list);
            list.push(subscriber.clone());
            list
        });
        let reading = Reading { queue, paused: self.paused.subscribe(), answered: None, listed };
        Ok(Subscription::new(stream::unfold(reading, Reading::next)))
    }

    async fn pause(&self) -> Result<(), Error> {
        self.paused.send_replace(true);
        Ok(())
    }

    async fn resume(&self) -> Result<(), Error> {
        self.paused.send_replace(false);
        Ok(())
    }
}

// === impl Subscriber ===

impl Subscriber {
    fn takes(&self, topic: &str) -> bool {
        let beginning = self.topic.strip_suffix('*');
        self.topic == topic
            || beginning.is_some_and(|from| topic.len() > from.len() && topic.starts_with(from))
    }

    /// Queues a message, once there is room for it. One that has unsubscribed takes nothing.
    async fn put(&self, request: &PublishRequest) {
        let size = u32::try_from((request.data.len() + OVERHEAD).min(QUEUE)).unwrap_or(u32::MAX);
        let Ok(room) = self.room.clone().acquire_many_owned(size).await else { return };
        let message = Message {
            data: request.data.clone(),
            topic: self.topic.clone(),
            metadata: request.metadata.clone(),
            content_type: None,
        };
        self.queue.send(Queued { message, _room: room }).ok();
    }
}

// === impl Reading ===

impl Reading {
    async fn next(mut self) -> Option<(Delivery, Self)> {
        if let Some(answered) = self.answered.take()
            && let Ok(Err(error)) = answered.await
        {
            tracing::error!(topic = self.listed.topic, "a message was not handled: {error}");
        }
        let Queued { message, _room } = self.queue.recv().await?;
        // A bus that is gone pauses nothing any more.
        self.paused.wait_for(|paused| !paused).await.ok();
        let (answer, answered) = oneshot::channel();
        let acker = Acker::new(|handled| drop(answer.send(handled)));
        self.answered = Some(answered);
        Some((Delivery { message, acker }, self))
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.room.close();
        let (Some(bus), Some(this)) = (self.bus.upgrade(), self.subscriber.upgrade()) else {
            return;
        };
        bus.subscribers.rcu(|list| {
            list.iter().filter(|other| !Arc::ptr_eq(other, &this)).cloned().collect::<Vec<_>>()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CX: Context = Context { deadline: None };

    fn message(topic: &str, data: &'static str) -> PublishRequest {
        let metadata = [("colour".to_owned(), "red".to_owned())].into();
        let (data, topic) = (data.into(), topic.to_owned());
        PublishRequest { data, topic, metadata, ..PublishRequest::default() }
    }

    async fn bus() -> Arc<dyn PubSub> {
        BusType.open(Metadata::default()).await.unwrap()
    }

    async fn subscribed(bus: &Arc<dyn PubSub>, topic: &str) -> Subscription {
        let request = SubscribeRequest { topic: topic.into(), ..SubscribeRequest::default() };
        bus.subscribe(&CX, request).await.unwrap()
    }

    #[tokio::test]
    async fn every_subscription_gets_every_message_of_its_topic_in_order() {
        let bus = bus().await;
        let mut subscriptions =
            [subscribed(&bus, "a").await, subscribed(&bus, "a").await, subscribed(&bus, "b").await];
        for (topic, data) in [("a", "1"), ("b", "2"), ("a", "3")] {
            bus.publish(&CX, message(topic, data)).await.unwrap();
        }
        drop(bus);
        let mut got = Vec::new();
        for subscription in &mut subscriptions {
            while let Some(Delivery { message, acker }) = subscription.next().await {
                assert_eq!(message.metadata["colour"], "red");
                got.push((message.topic, message.data));
                acker.ack();
            }
        }
        let expected = [("a", "1"), ("a", "3"), ("a", "1"), ("a", "3"), ("b", "2")];
        assert_eq!(got, expected.map(|(topic, data)| (topic.to_owned(), data.into())));
    }

    #[tokio::test]
    async fn a_pattern_is_every_longer_topic_and_is_what_its_messages_report() {
        let bus = bus().await;
        let mut all = subscribed(&bus, "orders.*").await;
        for topic in ["orders.", "orders.eu", "stock.eu"] {
            bus.publish(&CX, message(topic, "1")).await.unwrap();
        }
        drop(bus);
        let only = all.next().await.unwrap();
        assert_eq!(only.message.topic, "orders.*");
        drop(only);
        assert!(all.next().await.is_none());
    }

    #[tokio::test]
    async fn the_next_message_comes_when_the_last_is_answered_and_a_failed_one_comes_no_more() {
        let bus = bus().await;
        let mut subscription = subscribed(&bus, "a").await;
        bus.publish(&CX, message("a", "1")).await.unwrap();
        bus.publish(&CX, message("a", "2")).await.unwrap();
        let first = subscription.next().await.unwrap();
        let early = tokio::time::timeout(std::time::Duration::ZERO, subscription.next()).await;
        assert!(early.is_err(), "{early:?}");
        first.acker.nack("no room");
        assert_eq!(subscription.next().await.unwrap().message.data, "2");
    }

    #[tokio::test]
    async fn a_full_queue_has_publishers_wait_until_it_is_read_or_given_up() {
        let bus = bus().await;
        let mut subscription = subscribed(&bus, "a").await;
        let large = PublishRequest { data: vec![0; QUEUE].into(), ..message("a", "") };
        bus.publish(&CX, large.clone()).await.unwrap();
        let second = tokio::spawn({
            let (bus, large) = (bus.clone(), large.clone());
            async move { bus.publish(&CX, large).await }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        subscription.next().await.unwrap().acker.ack();
        second.await.unwrap().unwrap();
        let third = tokio::spawn({
            let bus = bus.clone();
            async move { bus.publish(&CX, large).await }
        });
        tokio::task::yield_now().await;
        drop(subscription);
        third.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_paused_component_delivers_again_when_it_is_resumed() {
        let bus = bus().await;
        let mut subscription = subscribed(&bus, "a").await;
        bus.pause().await.unwrap();
        bus.publish(&CX, message("a", "1")).await.unwrap();
        let early = tokio::time::timeout(std::time::Duration::ZERO, subscription.next()).await;
        assert!(early.is_err(), "{early:?}");
        bus.resume().await.unwrap();
        assert_eq!(subscription.next().await.unwrap().message.data, "1");
    }
}
