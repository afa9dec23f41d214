//! Subscriptions that an application makes with a stream: `SubscribeTopicEventsAlpha1`.
//!
//! Events go out as the component delivers them, and are answered by their ids in any order. What is
//! not answered when the stream goes away was not handled.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use replug_component::Metadata;
use replug_proto::dapr::runtime::v1 as pb;
use replug_proto::dapr::runtime::v1::subscribe_topic_events_request_alpha1::SubscribeTopicEventsRequestType as Asked;
use replug_proto::dapr::runtime::v1::subscribe_topic_events_response_alpha1::SubscribeTopicEventsResponseType as Told;
use replug_proto::dapr::runtime::v1::topic_event_response::TopicEventResponseStatus;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::BoxStream;
use tonic::{Status, Streaming};

use crate::api::dapr::Dapr;
use crate::api::dapr::error::Front;
use crate::messaging::is_raw;
use crate::messaging::topic_event::topic_event;
use crate::messaging::{Courier, Event, Outcome, RETRIABLE, Routes, Subscriber};
use crate::topics::Use;

/// How many events may wait for the application to read them: none, but those that are being sent.
const QUEUE: usize = 1;

type Outgoing = mpsc::Sender<Result<pb::SubscribeTopicEventsResponseAlpha1, Status>>;

/// One application's stream.
struct Stream {
    topic: String,
    out: Outgoing,
    /// Those who wait for an answer, by the ids of their events; none once the stream has ended.
    waiting: Mutex<Option<HashMap<String, Vec<oneshot::Sender<i32>>>>>,
}

impl Dapr {
    pub(super) async fn subscribe_topic_events(
        self: &Arc<Self>,
        mut requests: Streaming<pb::SubscribeTopicEventsRequestAlpha1>,
    ) -> Result<BoxStream<pb::SubscribeTopicEventsResponseAlpha1>, Status> {
        let stopping = || Status::unavailable("replug is stopping");
        let first = tokio::select! {
            first = requests.message() => first?.ok_or_else(end_of_requests)?,
            () = self.no_more_deliveries() => return Err(stopping()),
        };
        let first = first.subscribe_topic_events_request_type;
        let Some(Asked::InitialRequest(initial)) = first else {
            return Err(Status::unknown("initial request is required"));
        };
        if initial.pubsub_name.is_empty() {
            return Err(Status::unknown("pubsubName is required"));
        }
        if initial.topic.is_empty() {
            return Err(Status::unknown("topic is required"));
        }
        let (pubsub, topic) = (&initial.pubsub_name, &initial.topic);
        // What publishing there would say of the component.
        self.topic(pubsub, topic, Metadata::new(), Front::Grpc)?;
        if self
            .registry
            .pubsub(pubsub)
            .is_ok_and(|it| !it.topics.load().allow(Use::Subscribe, topic))
        {
            return Err(Status::unknown(format!(
                "failed to create subscription for {pubsub}: subscription to topic '{topic}' on \
                 pubsub '{pubsub}' is not allowed"
            )));
        }
        let subscriber = Arc::new(Subscriber {
            registry: self.registry.clone(),
            raw: is_raw(&initial.metadata),
            pubsub: initial.pubsub_name.clone(),
            topic: initial.topic.clone(),
            metadata: initial.metadata,
            dead_letter: initial.dead_letter_topic.filter(|topic| !topic.is_empty()),
            routes: Routes::to("/"),
            gathering: None,
            telemetry: self.settings.telemetry.clone(),
        });
        let this = self.clone();
        let opened = tokio::select! {
            opened = subscriber.subscribe() => opened,
            () = this.no_more_deliveries() => return Err(stopping()),
        };
        let shown = self.settings.subscriptions.open_stream(
            &subscriber.pubsub,
            &subscriber.topic,
            &subscriber.metadata,
            subscriber.dead_letter.as_deref(),
        );
        let (out, told) = mpsc::channel(QUEUE);
        let stream = Arc::new(Stream {
            topic: initial.topic,
            out: out.clone(),
            waiting: Mutex::new(Some(HashMap::new())),
        });
        let first = pb::SubscribeTopicEventsResponseInitialAlpha1 {};
        out.send(Ok(told_of(Told::InitialResponse(first)))).await.ok();
        drop(out);
        // Ends with the stream, whoever ends it, and when everything under way is told.
        tokio::spawn(async move {
            let (ended, end) = oneshot::channel::<()>();
            let (finish, finished) = oneshot::channel::<()>();
            let reading = async {
                let status = tokio::select! {
                    status = stream.read(requests) => status,
                    () = stream.out.closed() => None,
                    // Not the application's doing: it is told so, and may open another.
                    _ = finished => Some(Status::unknown("stream closed")),
                };
                stream.waiting.lock().take();
                drop(ended);
                status
            };
            let delivering = async {
                let stop = async {
                    tokio::select! {
                        _ = end => {}
                        () = this.no_more_deliveries() => {}
                    }
                };
                subscriber.run(opened, stream.clone(), stop).await;
                drop(finish);
            };
            let ended = tokio::join!(reading, delivering);
            drop(shown);
            if let (Some(status), ()) = ended {
                stream.out.send(Err(status)).await.ok();
            }
        });
        Ok(Box::pin(ReceiverStream::new(told)))
    }
}

impl Stream {
    /// Takes answers in, until the application gives no more: with an error, where that is one.
    async fn read(
        &self,
        mut requests: Streaming<pb::SubscribeTopicEventsRequestAlpha1>,
    ) -> Option<Status> {
        loop {
            let answer = match requests.message().await {
                Ok(Some(request)) => request.subscribe_topic_events_request_type,
                Ok(None) => return Some(end_of_requests()),
                // The transport's end of the stream: nobody is there to be told.
                Err(_) => return None,
            };
            let Some(Asked::EventProcessed(answer)) = answer else {
                return Some(Status::unknown("duplicate initial request received"));
            };
            let status = answer.status.map_or(0, |status| status.status);
            let mut waiting = self.waiting.lock();
            let of_id = waiting.as_mut().and_then(|waiting| waiting.get_mut(&answer.id));
            if let Some(waits) = of_id.and_then(Vec::pop) {
                // Nobody waits any more where the stream has ended.
                let _ = waits.send(status);
            } else {
                tracing::warn!(
                    topic = self.topic,
                    id = answer.id,
                    "the application has answered an event that it was not asked about"
                );
            }
        }
    }

    /// The way an answer to this event comes; none once the stream has ended.
    fn expect(&self, id: &str) -> Option<oneshot::Receiver<i32>> {
        let (answer, answered) = oneshot::channel();
        self.waiting.lock().as_mut()?.entry(id.to_owned()).or_default().push(answer);
        Some(answered)
    }

    /// Nobody waits for this event any more.
    fn forget(&self, id: &str) {
        if let Some(waiting) = self.waiting.lock().as_mut()
            && waiting.get(id).is_some_and(Vec::is_empty)
        {
            waiting.remove(id);
        }
    }
}

#[async_trait]
impl Courier for Stream {
    fn word_on_dropped(&self) -> &'static str {
        ""
    }

    async fn deliver(&self, event: &Event, path: &str) -> Outcome {
        if event.topic != self.topic {
            let (pubsub, topic) = (&event.pubsub, &event.topic);
            let error = format!("no streamer subscribed to pubsub \"{pubsub}\" topic \"{topic}\"");
            return Outcome::Failed(error);
        }
        let message = match topic_event(event, path) {
            Ok(message) => message,
            Err(error) => return Outcome::Failed(error),
        };
        let closed = || Outcome::Failed("stream closed".to_owned());
        let id = message.id.clone();
        let Some(answered) = self.expect(&id) else { return closed() };
        if self.out.send(Ok(told_of(Told::EventMessage(message)))).await.is_err() {
            return closed();
        }
        let answered = answered.await;
        self.forget(&id);
        match answered.map(TopicEventResponseStatus::try_from) {
            Ok(Ok(TopicEventResponseStatus::Success)) => Outcome::Handled,
            Ok(Ok(TopicEventResponseStatus::Drop)) => Outcome::Dropped,
            Ok(Ok(TopicEventResponseStatus::Retry)) => Outcome::Failed(format!(
                "RETRY status returned from app while processing pub/sub event {id}: {RETRIABLE}"
            )),
            Ok(Err(unknown)) => Outcome::Failed(format!(
                "unknown status returned from app while processing pub/sub event {id}, status: {}, \
                 err: {RETRIABLE}",
                unknown.0
            )),
            Err(_) => closed(),
        }
    }
}

/// What Dapr says to an application that has closed its own side.
fn end_of_requests() -> Status {
    Status::unknown("EOF")
}

fn told_of(what: Told) -> pb::SubscribeTopicEventsResponseAlpha1 {
    pb::SubscribeTopicEventsResponseAlpha1 { subscribe_topic_events_response_type: Some(what) }
}
