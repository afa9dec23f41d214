//! Whoever listens to a topic, by a stream of Dapr's API.

use std::collections::BTreeSet;

use replug_proto::dapr::runtime::v1 as pb;
use replug_proto::dapr::runtime::v1::dapr_client::DaprClient;
use replug_proto::dapr::runtime::v1::subscribe_topic_events_request_alpha1::SubscribeTopicEventsRequestType as Asked;
use replug_proto::dapr::runtime::v1::subscribe_topic_events_response_alpha1::SubscribeTopicEventsResponseType as Told;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Streaming;
use tonic::transport::Endpoint;

use super::{PATIENCE, Status};

/// An open subscription.
pub(crate) struct Hearer {
    asked: mpsc::UnboundedSender<pb::SubscribeTopicEventsRequestAlpha1>,
    told: Streaming<pb::SubscribeTopicEventsResponseAlpha1>,
}

impl Hearer {
    /// Subscribes at the replug of that status.
    pub(crate) async fn open(status: &Status, pubsub: &str, topic: &str) -> Self {
        let endpoint = format!("http://{}", status.address("grpc"));
        let channel = Endpoint::from_shared(endpoint).unwrap().connect_lazy();
        let (asked, requests) = mpsc::unbounded_channel();
        let initial = pb::SubscribeTopicEventsRequestInitialAlpha1 {
            pubsub_name: pubsub.into(),
            topic: topic.into(),
            ..Default::default()
        };
        asked.send(request(Asked::InitialRequest(initial))).unwrap();
        let requests = UnboundedReceiverStream::new(requests);
        let told = DaprClient::new(channel).subscribe_topic_events_alpha1(requests).await;
        Self { asked, told: told.unwrap().into_inner() }
    }

    /// The data of the next message, which is acknowledged.
    pub(crate) async fn next(&mut self) -> String {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.told.message()).await;
            let next = next.expect("a message comes").unwrap().expect("the stream goes on");
            if let Some(Told::EventMessage(event)) = next.subscribe_topic_events_response_type {
                let handled = pb::SubscribeTopicEventsRequestProcessedAlpha1 {
                    id: event.id,
                    status: Some(pb::TopicEventResponse { status: 0 }),
                };
                self.asked.send(request(Asked::EventProcessed(handled))).unwrap();
                return String::from_utf8(event.data.to_vec()).unwrap();
            }
        }
    }

    /// Waits until replug has ended the stream, without another message.
    pub(crate) async fn ended(mut self) {
        let end = tokio::time::timeout(PATIENCE, self.told.message()).await;
        let status = end.expect("the stream ends").unwrap_err();
        assert_eq!((status.code(), status.message()), (tonic::Code::Unknown, "stream closed"));
    }

    /// Listens until all of these have come, once or more.
    pub(crate) async fn all(&mut self, wanted: &BTreeSet<String>) {
        let mut seen = BTreeSet::new();
        while !seen.is_superset(wanted) {
            seen.insert(self.next().await);
        }
        assert_eq!(seen, *wanted, "and nothing else has come");
    }
}

fn request(kind: Asked) -> pb::SubscribeTopicEventsRequestAlpha1 {
    pb::SubscribeTopicEventsRequestAlpha1 { subscribe_topic_events_request_type: Some(kind) }
}
