//! One subscription of an application: what it is to, and how it is kept.
//!
//! Whatever becomes of the component, its plugin or its declaration, the subscription is made again.
//! What happens to each of its messages is in `settling`.

use std::sync::Arc;
use std::time::Duration;

use replug_component::pubsub::{Delivery, SubscribeRequest, Subscription};
use replug_component::{Context, Error, Features, Metadata};
use tokio::task::JoinSet;

use super::gathering::Gathered;
use super::{Courier, Gathering, Routes};
use crate::registry::{PubSubComponent, Registry};
use crate::telemetry::Telemetry;
use crate::topics::Use;

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
    /// Whether messages come in no envelope. Where that cannot be told, for this reason, none is
    /// delivered.
    pub(crate) raw: Result<bool, String>,
    /// Where messages go that are not handled.
    pub(crate) dead_letter: Option<String>,
    /// What handles which event.
    pub(crate) routes: Routes,
    /// Messages are delivered several at a time.
    pub(crate) gathering: Option<Gathering>,
    /// Where deliveries are counted, if they are.
    pub(crate) telemetry: Option<Arc<Telemetry>>,
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
        self.subscribe_at_last(|| ()).await
    }

    /// The same; calls `tried` when it has succeeded, or cannot be done or has failed for the first
    /// time.
    pub(crate) async fn subscribe_at_last(&self, tried: impl FnOnce()) -> Subscribed {
        let mut tried = Some(tried);
        let mut tried = || tried.take().map_or((), |tried| tried());
        let mut changes = self.registry.changes();
        let mut pause = FIRST_PAUSE;
        loop {
            changes.borrow_and_update();
            let Some(component) = self.component() else {
                tried();
                // The registry is held here, so an error cannot be.
                changes.changed().await.ok();
                continue;
            };
            let subscribed = self.subscribe_to(&component).await;
            tried();
            let error = match subscribed {
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
        let at_once = self.gathering.map_or(1, |gathering| gathering.most);
        let request = SubscribeRequest { topic, metadata: self.metadata.clone(), at_once };
        present.subscribe(&Context::default(), request).await.map(Some)
    }

    /// Has the courier deliver what comes, until `stop` is over; then waits for what is under way.
    /// What is gathered by then was never delivered.
    pub(crate) async fn run(
        self: Arc<Self>,
        subscribed: Subscribed,
        courier: Arc<impl Courier>,
        stop: impl Future<Output = ()>,
    ) {
        let mut under_way = JoinSet::new();
        let deliver = async {
            let mut subscription = subscribed.subscription;
            let mut gathered = self.gathering.map(Gathered::new);
            loop {
                let due = async {
                    match &mut gathered {
                        Some(gathered) => gathered.due().await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    delivery = subscription.next() => match (delivery, &mut gathered) {
                        (Some(delivery), None) => {
                            let (this, courier) = (self.clone(), courier.clone());
                            under_way.spawn(async move { this.handle(delivery, &*courier).await });
                        }
                        (Some(delivery), Some(gathered)) => {
                            let enough = gathered.add(delivery);
                            let batch = enough.or_else(|| self.is_hasty().then(|| gathered.take()));
                            if let Some(batch) = batch {
                                self.clone().send(batch, &courier, &mut under_way);
                            }
                        }
                        (None, gathered) => {
                            if let Some(gathered) = gathered {
                                self.clone().send(gathered.take(), &courier, &mut under_way);
                            }
                            subscription = self.subscribe().await.subscription;
                        }
                    },
                    batch = due => self.clone().send(batch, &courier, &mut under_way),
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

    /// Whether the component wants none of its messages to wait for others.
    fn is_hasty(&self) -> bool {
        let component = self.registry.pubsub(&self.pubsub).ok();
        let present = component.and_then(|component| component.slot.present());
        present.is_some_and(|it| it.features().has(Features::BULK_SUBSCRIBE_IMMEDIATE))
    }

    fn send(
        self: Arc<Self>,
        batch: Vec<Delivery>,
        courier: &Arc<impl Courier>,
        under_way: &mut JoinSet<()>,
    ) {
        if !batch.is_empty() {
            let courier = courier.clone();
            under_way.spawn(async move { self.handle_all(batch, &*courier).await });
        }
    }
}
