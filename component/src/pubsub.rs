//! The building block pubsub: messages to whoever subscribes to their topic.

mod ack;
pub mod each;
mod wire;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt as _};

pub use ack::Acker;

use crate::{Context, Error, Features, Metadata};

/// A component that passes messages on, from those that publish them to those that subscribe.
///
/// Every method may be called at once from many tasks. Delivery is *at least once*: a message whose
/// publishing was acknowledged reaches each subscription of its topic that the broker knew at that
/// time, and may reach it more than once. Which of a component's subscriptions share a topic's
/// messages and which get all of them is the broker's matter (as a rule `consumerID` in the
/// component's metadata says it). How long it keeps messages is its matter as well.
///
/// Dropping the future of a publish gives it up; whether the message is published is not known.
#[async_trait]
pub trait PubSub: Send + Sync + 'static {
    /// What the component can do, such as [`Features::BULK_PUBSUB`].
    fn features(&self) -> Features;

    /// Publishes one message. It is as safe as the broker keeps messages once this has answered.
    async fn publish(&self, cx: &Context, request: PublishRequest) -> Result<(), Error>;

    /// Publishes several messages to one topic, and gives those that could not be; the others are
    /// published. An error says that it is not known of any whether it is. Called where the
    /// component has [`Features::BULK_PUBSUB`]; for others [`each::publish`] makes single calls.
    async fn bulk_publish(
        &self,
        _cx: &Context,
        _request: BulkPublishRequest,
    ) -> Result<Vec<FailedEntry>, Error> {
        Err(Error::Unsupported("this pubsub component has no bulk publish".into()))
    }

    /// Subscribes to a topic: from now on its messages come by the [`Subscription`]. Subscribing
    /// twice gives two subscriptions.
    async fn subscribe(
        &self,
        cx: &Context,
        request: SubscribeRequest,
    ) -> Result<Subscription, Error>;

    /// Delivers nothing more, over any subscription, until [`resume`](Self::resume). What is handed
    /// out already can still be answered. Called before replug stops, so that messages go to others.
    async fn pause(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Delivers again after a [`pause`](Self::pause).
    async fn resume(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Whether the component can be used at this moment.
    async fn ping(&self, _cx: &Context) -> Result<(), Error> {
        Ok(())
    }
}

/// A component type of the block pubsub: makes components.
#[async_trait]
pub trait PubSubType: Send + Sync + 'static {
    /// A component with this metadata, ready for calls. `consumerID` is among it: the
    /// application's id unless the component is declared with another. Called again for the same
    /// component when its plugin is restarted or its declaration changes.
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn PubSub>, Error>;
}

#[async_trait]
impl<T: PubSubType + ?Sized> PubSubType for Arc<T> {
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn PubSub>, Error> {
        T::open(self, metadata).await
    }
}

/// The messages of one subscription, as they come. Each is to be answered by its [`Acker`].
///
/// It ends, with `None`, only when the component does: it was opened anew, or something else serves
/// it; whoever wants more subscribes again. How many messages are handed out before the first of
/// them is answered is up to the component, which keeps back the next one as long as it thinks
/// right; so whoever reads should handle all it gets at once. Until then nothing is read ahead.
///
/// **Dropping it** unsubscribes. Messages that were handed out can still be answered afterwards.
pub struct Subscription(BoxStream<'static, Delivery>);

/// A message of a subscription, to be answered.
#[derive(Debug)]
pub struct Delivery {
    /// What was published.
    pub message: Message,
    /// Takes what became of it.
    pub acker: Acker,
}

/// A message as it is delivered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// The bytes that were published.
    pub data: Bytes,
    /// The topic, as the component tells it: for a wildcard subscription perhaps the pattern.
    pub topic: String,
    /// What came with it: as a rule the metadata that it was published with.
    pub metadata: Metadata,
    /// Its content type, where the component tells one, be it empty.
    pub content_type: Option<String>,
}

/// Subscribes to a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubscribeRequest {
    /// The topic, or a pattern where the component has [`Features::SUBSCRIBE_WILDCARDS`].
    pub topic: String,
    /// Particulars for the component.
    pub metadata: Metadata,
    /// How many messages the subscriber gathers before it answers the first of them; zero is one. A
    /// component that keeps the next message back for an answer hands out this many.
    pub at_once: usize,
}

/// Publishes one message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublishRequest {
    /// The message, as subscribers get it.
    pub data: Bytes,
    /// The component, by the name that the application calls it.
    pub pubsub_name: String,
    /// Where to.
    pub topic: String,
    /// Particulars for the component.
    pub metadata: Metadata,
    /// The message's content type, where that is told to the component.
    pub content_type: Option<String>,
}

/// Publishes several messages to one topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BulkPublishRequest {
    /// The messages.
    pub entries: Vec<BulkEntry>,
    /// The component, by the name that the application calls it.
    pub pubsub_name: String,
    /// Where to.
    pub topic: String,
    /// Particulars for the component.
    pub metadata: Metadata,
}

/// One message of several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BulkEntry {
    /// Tells it from the others of its request.
    pub entry_id: String,
    /// The message, as subscribers get it.
    pub event: Bytes,
    /// The message's content type.
    pub content_type: String,
    /// Particulars for the component.
    pub metadata: Metadata,
}

/// A message of several that was not published.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailedEntry {
    /// Which one.
    pub entry_id: String,
    /// Why not; may be empty.
    pub error: String,
}

// === impl Subscription ===

impl Subscription {
    /// A subscription whose messages come by `deliveries`. Dropped with it, they unsubscribe.
    #[must_use]
    pub fn new(deliveries: impl Stream<Item = Delivery> + Send + 'static) -> Self {
        Self(deliveries.boxed())
    }

    /// The next message; none when the component has ended the subscription. Dropping the future
    /// loses no message.
    pub async fn next(&mut self) -> Option<Delivery> {
        self.0.next().await
    }
}

impl Stream for Subscription {
    type Item = Delivery;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Delivery>> {
        self.0.poll_next_unpin(cx)
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Subscription")
    }
}
