//! One subscription of an application: what it is to, and what happens to each of its messages.
//!
//! A message that was not handled goes to the dead letter topic where there is one, and back to the
//! component else. It is acknowledged only when one of these is done, or it was handled or dropped.
//! Whatever becomes of the component, its plugin or its declaration, the subscription is made again.

use std::sync::Arc;
use std::time::Duration;

use replug_component::pubsub::{Delivery, Message, PublishRequest, SubscribeRequest, Subscription};
use replug_component::{Context, Error, Metadata};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Courier, Event, Outcome, event};
use crate::registry::{PubSubComponent, Registry};
use crate::topics::Use;

/// How long a dead letter may take to be published.
const DEAD_LETTER: Duration = Duration::from_secs(30);

/// How long the first pause is before it is subscribed again after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// How long the pauses become.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What an application subscribes to.
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) registry: Arc<Registry>,
    /// The component.
    pub(crate) pubsub: String,
    pub(crate) topic: String,
    /// Particulars for the component.
    pub(crate) metadata: Metadata,
    /// Messages come in no envelope.
    pub(crate) raw: bool,
    /// Where messages go that are not handled.
    pub(crate) dead_letter: Option<String>,
    /// What handles every event.
    pub(crate) path: String,
}

/// A subscription that was made.
#[derive(Debug)]
pub(crate) struct Subscribed {
    subscription: Subscription,
}

// === impl Subscriber ===

impl Subscriber {
    /// Subscribes, as soon as there is a component that may be subscribed to, and however often that
    /// fails.
    pub(crate) async fn subscribe(&self) -> Subscribed {
        let mut changes = self.registry.changes();
        let mut pause = FIRST_PAUSE;
        loop {
            changes.borrow_and_update();
            let Some(component) = self.component() else {
                // The registry is held here, so an error cannot be.
                changes.changed().await.ok();
                continue;
            };
            let error = match self.subscribe_to(&component).await {
                Ok(Some(subscription)) => return Subscribed { subscription },
                Ok(None) => {
                    changes.changed().await.ok();
                    continue;
                }
                Err(error) => error,
            };
            let Self { pubsub, topic, .. } = self;
            tracing::error!(pubsub, topic, "cannot subscribe, tried again in {pause:?}: {error}");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The component, if the application may subscribe there.
    fn component(&self) -> Option<Arc<PubSubComponent>> {
        let component = self.registry.pubsub(&self.pubsub).ok()?;
        let allowed = component.topics.load().allow(Use::Subscribe, &self.topic);
        if !allowed {
            let Self { pubsub, topic, .. } = self;
            tracing::error!(pubsub, topic, "the application may not subscribe to this topic");
        }
        allowed.then_some(component)
    }

    /// None while nothing serves the component.
    async fn subscribe_to(
        &self,
        component: &PubSubComponent,
    ) -> Result<Option<Subscription>, Error> {
        let Some(present) = component.slot.present() else { return Ok(None) };
        let topic = component.topics.load().at_broker(&self.topic).into_owned();
        let request = SubscribeRequest { topic, metadata: self.metadata.clone() };
        present.subscribe(&Context::default(), request).await.map(Some)
    }

    /// Has the courier deliver what comes, until `stop` is over; then waits for what is under way.
    pub(crate) async fn run(
        self: Arc<Self>,
        subscribed: Subscribed,
        courier: Arc<impl Courier>,
        stop: impl Future<Output = ()>,
    ) {
        let mut under_way = JoinSet::new();
        let deliver = async {
            let mut subscription = subscribed.subscription;
            loop {
                tokio::select! {
                    delivery = subscription.next() => match delivery {
                        Some(delivery) => {
                            let (this, courier) = (self.clone(), courier.clone());
                            under_way.spawn(async move { this.handle(delivery, &*courier).await });
                        }
                        None => subscription = self.subscribe().await.subscription,
                    },
                    Some(_) = under_way.join_next(), if !under_way.is_empty() => {}
                }
            }
        };
        tokio::select! {
            () = stop => {}
            () = deliver => {}
        }
        while under_way.join_next().await.is_some() {}
    }

    async fn handle(&self, Delivery { message, acker }: Delivery, courier: &impl Courier) {
        let failure = match self.delivered(&message, courier).await {
            Outcome::Handled => return acker.ack(),
            Outcome::TornDown => return,
            Outcome::Dropped => match self.dead_letter(&message).await {
                Ok(_) => return acker.ack(),
                Err(error) => error.to_string(),
            },
            Outcome::Failed(error) => error,
        };
        let Self { pubsub, topic, .. } = self;
        tracing::error!(pubsub, topic, "a message was not handled: {failure}");
        match self.dead_letter(&message).await {
            Ok(true) => acker.ack(),
            Ok(false) | Err(_) => acker.nack(failure),
        }
    }

    /// What became of a message. One that is not worth delivering counts as dropped.
    async fn delivered(&self, message: &Message, courier: &impl Courier) -> Outcome {
        let topic = match self.registry.pubsub(&self.pubsub) {
            Ok(component) => component.topics.load().for_app(&message.topic).to_owned(),
            Err(_) => message.topic.clone(),
        };
        match Event::read(message, self.raw, &self.pubsub, &topic) {
            Ok(event) if event.has_expired() => {
                let (pubsub, id) = (&self.pubsub, event.text("id"));
                tracing::warn!(pubsub, topic, id, "an event has expired and is dropped");
                Outcome::Dropped
            }
            Ok(event) => courier.deliver(&event, &self.path).await,
            Err(error) => Outcome::Failed(format!("it is no CloudEvent: {error}")),
        }
    }

    /// Publishes a message to the dead letter topic, as it came. False where there is none.
    async fn dead_letter(&self, message: &Message) -> Result<bool, Error> {
        let Some(topic) = &self.dead_letter else { return Ok(false) };
        let published = async {
            let gone = |_| Error::Failed(format!("pubsub '{}' not found", self.pubsub));
            let component = self.registry.pubsub(&self.pubsub).map_err(gone)?;
            let topics = component.topics.load_full();
            if !topics.allow(Use::Publish, topic) {
                let refused = format!("the application may not publish to topic {topic}");
                return Err(Error::Failed(refused));
            }
            let request = PublishRequest {
                data: message.data.clone(),
                pubsub_name: self.pubsub.clone(),
                topic: topics.at_broker(topic).into_owned(),
                metadata: event::metadata(message, &self.pubsub),
                content_type: message.content_type.clone(),
            };
            let cx = Context::default();
            component.slot.component(&cx).await?.publish(&cx, request).await
        };
        let late = |_| Error::Failed("it took too long".into());
        let published = timeout(DEAD_LETTER, published).await.map_err(late).and_then(|done| done);
        published.map(|()| true).inspect_err(|error| {
            let pubsub = &self.pubsub;
            tracing::error!(pubsub, topic, "cannot publish to the dead letter topic: {error}");
        })
    }
}
