//! What becomes of messages: delivered, dropped, given back, or published to the dead letter topic.
//!
//! A message that was not handled goes to the dead letter topic where there is one, and back to the
//! component else. It is acknowledged only when one of these is done, or it was handled or dropped.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use replug_component::pubsub::{Acker, Delivery, Message, PublishRequest};
use replug_component::{Context, Error};
use tokio::time::timeout;

use super::cloud_event::new_id;
use super::condition::Seen;
use super::event::{self, Form};
use super::subscriber::Subscriber;
use super::{Batch, Courier, Entry, Event, Outcome};
use crate::telemetry::{BulkIngress, Ingress, Processed};
use crate::topics::Use;

/// How long a dead letter may take to be published.
const DEAD_LETTER: Duration = Duration::from_secs(30);

impl Subscriber {
    /// Has one message delivered, and answers it.
    pub(super) async fn handle(&self, delivery: Delivery, courier: &impl Courier) {
        let Delivery { message, acker } = delivery;
        let outcome = self.delivered(&message, courier).await;
        self.settle(&message, acker, outcome).await;
    }

    /// Has several messages delivered at once, those with one handler together, and answers each.
    pub(super) async fn handle_all(&self, deliveries: Vec<Delivery>, courier: &impl Courier) {
        let mut entries = Vec::new();
        let mut settling = Vec::new();
        for Delivery { message, acker } in deliveries {
            match self.read(&message) {
                Ok((event, path)) => {
                    let path = path.to_owned();
                    entries.push((path, acker, Entry { id: new_id(), message, event }));
                }
                Err(outcome) => settling.push((message, acker, outcome)),
            }
        }
        let mut paths: Vec<String> = Vec::new();
        for (path, ..) in &entries {
            if !paths.contains(path) {
                paths.push(path.clone());
            }
        }
        let batches = paths.iter().map(|path| Batch {
            pubsub: &self.pubsub,
            topic: &self.topic,
            path,
            raw: self.raw == Ok(true),
            entries: entries.iter().filter(|(own, ..)| own == path).map(|it| &it.2).collect(),
        });
        let delivered = join_all(batches.map(|batch| async move {
            let begun = Instant::now();
            let outcomes = courier.deliver_all(&batch).await;
            self.count_batch(&outcomes, begun.elapsed());
            let ids = batch.entries.iter().map(|entry| entry.id.clone());
            ids.zip(outcomes).collect::<Vec<_>>()
        }))
        .await;
        let mut outcomes: std::collections::HashMap<String, Outcome> =
            delivered.into_iter().flatten().collect();
        for (_, acker, Entry { id, message, .. }) in entries {
            let unanswered = || Outcome::Failed("there is no answer for it".to_owned());
            let outcome = outcomes.remove(&id).unwrap_or_else(unanswered);
            settling.push((message, acker, outcome));
        }
        join_all(settling.into_iter().map(|(message, acker, outcome)| async move {
            self.settle(&message, acker, outcome).await;
        }))
        .await;
    }

    async fn settle(&self, message: &Message, acker: Acker, outcome: Outcome) {
        let failure = match outcome {
            Outcome::Handled => return acker.ack(),
            Outcome::TornDown => return,
            Outcome::Dropped | Outcome::NoHandler => match self.dead_letter(message).await {
                Ok(_) => return acker.ack(),
                Err(error) => error.to_string(),
            },
            Outcome::Failed(error) => error,
        };
        let Self { pubsub, topic, .. } = self;
        tracing::error!(pubsub, topic, "a message was not handled: {failure}");
        if let Ok(true) = self.dead_letter(message).await {
            self.count(message, Processed::Drop, "", Duration::ZERO);
            acker.ack();
        } else {
            self.count(message, Processed::Retry, "", Duration::ZERO);
            acker.nack(failure);
        }
    }

    /// What became of a message. One that is not worth delivering counts as dropped.
    async fn delivered(&self, message: &Message, courier: &impl Courier) -> Outcome {
        let (event, path) = match self.read(message) {
            Ok(read) => read,
            Err(outcome) => return outcome,
        };
        let begun = Instant::now();
        let outcome = courier.deliver(&event, path).await;
        let (processed, status) = match &outcome {
            Outcome::Handled => (Processed::Success, ""),
            Outcome::Dropped => (Processed::Drop, courier.word_on_dropped()),
            Outcome::NoHandler => (Processed::Drop, ""),
            Outcome::Failed(_) => (Processed::Retry, ""),
            Outcome::TornDown => return outcome,
        };
        self.count(message, processed, status, begun.elapsed());
        outcome
    }

    /// The event that a message is, and its handler; or what becomes of it without one.
    fn read(&self, message: &Message) -> Result<(Event, &str), Outcome> {
        let topic = self.shown(&message.topic);
        let raw = self.raw.clone().map_err(|error| {
            Outcome::Failed(format!("error deserializing pubsub metadata: {error}"))
        })?;
        let form = match self.gathering {
            None => Form::Alone { raw },
            Some(_) => Form::OneOfSeveral { raw },
        };
        let event = Event::read(message, form, &self.pubsub, &topic)
            .map_err(|error| Outcome::Failed(format!("it is no CloudEvent: {error}")))?;
        if event.has_expired() {
            let (pubsub, id) = (&self.pubsub, event.text("id"));
            tracing::warn!(pubsub, topic, id, "an event has expired and is dropped");
            self.count(message, Processed::Drop, "", Duration::ZERO);
            return Err(Outcome::Dropped);
        }
        let see = || match form {
            Form::OneOfSeveral { raw: true } => Seen::raw(&message.data),
            _ => Seen::event(&event),
        };
        match self.routes.path(see) {
            Ok(Some(path)) => Ok((event, path)),
            Ok(None) => {
                let (pubsub, id) = (&self.pubsub, event.text("id"));
                tracing::debug!(pubsub, topic, id, "no rule matches an event, which is dropped");
                self.count(message, Processed::Drop, "success", Duration::ZERO);
                Err(Outcome::Dropped)
            }
            Err(error) => Err(Outcome::Failed(format!("a routing rule fails: {error}"))),
        }
    }

    /// A topic of the component by its name for applications.
    fn shown(&self, topic: &str) -> String {
        match self.registry.pubsub(&self.pubsub) {
            Ok(component) => component.topics.load().for_app(topic).to_owned(),
            Err(_) => topic.to_owned(),
        }
    }

    fn count(&self, message: &Message, processed: Processed, status: &str, took: Duration) {
        if let Some(telemetry) = &self.telemetry {
            let topic = self.shown(&message.topic);
            let component = &*self.pubsub;
            telemetry.ingress(&Ingress { component, topic: &topic, processed, status, took });
        }
    }

    fn count_batch(&self, outcomes: &[Outcome], took: Duration) {
        let Some(telemetry) = &self.telemetry else { return };
        let processed = outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::Handled => Some(Processed::Success),
            Outcome::Dropped | Outcome::NoHandler => Some(Processed::Drop),
            Outcome::Failed(_) => Some(Processed::Retry),
            Outcome::TornDown => None,
        });
        let processed: Vec<_> = processed.collect();
        let (component, topic, processed) = (&*self.pubsub, &*self.topic, &*processed);
        telemetry.bulk_ingress(&BulkIngress { component, topic, processed, took });
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
                metadata: match self.gathering {
                    None => event::metadata(message, &self.pubsub),
                    // As they came, as in Dapr.
                    Some(_) => message.metadata.clone(),
                },
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
