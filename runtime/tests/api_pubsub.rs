//! Publishing and subscribing over Dapr's API, statuses, bodies and details to the letter.

mod support;

use std::sync::Arc;

use replug_component::Context;
use replug_component::pubsub::{Delivery, SubscribeRequest, Subscription};
use replug_proto::dapr::runtime::v1 as pb;
use replug_proto::dapr::runtime::v1::dapr_client::DaprClient;
use replug_proto::dapr::runtime::v1::subscribe_topic_events_request_alpha1::SubscribeTopicEventsRequestType as Asked;
use replug_proto::dapr::runtime::v1::subscribe_topic_events_response_alpha1::SubscribeTopicEventsResponseType as Told;
use replug_runtime::registry::Registry;
use serde_json::{Value, json};
use support::broker::{Broker, BrokerLife};
use support::{APP_ID, Api, settings, spec};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};
use tonic_types::StatusExt as _;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

async fn api() -> Api {
    let registry = Arc::new(Registry::new(APP_ID, ""));
    let scopes = [("publishingScopes", "shop=a,b"), ("subscriptionScopes", "shop=a,b,dead")];
    registry.declare(spec("bus", "pubsub.in-memory", &[])).await.unwrap();
    registry.declare(spec("bounded", "pubsub.in-memory", &scopes)).await.unwrap();
    Api::serve(registry, settings()).await
}

async fn subscribed(api: &Api, topic: &str) -> Subscription {
    let cx = Context::default();
    let bus = api.registry.pubsub("bus").unwrap().slot.component(&cx).await.unwrap();
    let request = SubscribeRequest { topic: topic.into(), ..SubscribeRequest::default() };
    bus.subscribe(&cx, request).await.unwrap()
}

/// The next message's data and metadata.
async fn next(subscription: &mut Subscription) -> (Value, Value) {
    let Delivery { message, acker } = subscription.next().await.unwrap();
    acker.ack();
    let data = serde_json::from_slice(&message.data)
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&message.data)));
    (data, json!(message.metadata))
}

#[tokio::test]
async fn what_is_published_over_http_reaches_subscribers_in_an_envelope() {
    let api = api().await;
    let mut subscription = subscribed(&api, "orders/eu").await;
    let headers = ["Content-Type: application/json", &format!("traceparent: {PARENT}")];
    let path = "/v1.0/publish/bus/orders/eu?metadata.cloudevent.id=7&metadata.x=y";
    let answer = api.http_with("POST", path, &headers, r#"{"n": 1}"#).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    let (event, metadata) = next(&mut subscription).await;
    assert_eq!(metadata, json!({"cloudevent.id": "7", "x": "y"}));
    for (field, value) in [
        ("id", "7"),
        ("source", APP_ID),
        ("topic", "orders/eu"),
        ("pubsubname", "bus"),
        ("datacontenttype", "application/json"),
        ("traceid", PARENT),
        ("traceparent", PARENT),
        ("tracestate", ""),
    ] {
        assert_eq!(event[field], value, "{field}");
    }
    assert_eq!(event["data"], json!({"n": 1}));

    let path = "/v1.0/publish/bus/orders/eu?metadata.rawPayload=true";
    assert_eq!(api.http("PUT", path, "raw").await.status, 204);
    let (raw, metadata) = next(&mut subscription).await;
    assert_eq!((raw, metadata), (json!("raw"), json!({"rawPayload": "true"})));
}

#[tokio::test]
async fn failures_of_a_publish_are_told_over_http_in_daprs_words() {
    let api = api().await;
    let cases = [
        (
            "/v1.0/publish/none/t",
            404,
            json!({
                "errorCode": "ERR_PUBSUB_NOT_FOUND",
                "message": "pubsub none is not found",
                "details": [{
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "domain": "dapr.io",
                    "metadata": {},
                    "reason": "DAPR_PUBSUB_NOT_FOUND"
                }]
            }),
        ),
        (
            "/v1.0/publish/bounded/c",
            403,
            json!({
                "errorCode": "ERR_PUBSUB_FORBIDDEN",
                "message": "topic c is not allowed for app id shop",
                "details": [
                    {
                        "@type": "type.googleapis.com/google.rpc.ResourceInfo",
                        "resource_type": "pubsub",
                        "resource_name": "bounded",
                        "owner": "",
                        "description": "topic c is not allowed for app id shop"
                    },
                    {
                        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                        "domain": "dapr.io",
                        "metadata": {
                            "topic": "c",
                            "error": "topic c is not allowed for app id shop"
                        },
                        "reason": "DAPR_PUBSUB_FORBIDDEN"
                    }
                ]
            }),
        ),
    ];
    for (path, status, body) in cases {
        let answer = api.http("POST", path, "x").await;
        assert_eq!((answer.status, answer.json()), (status, body), "{path}");
    }
    let answer = api.http("POST", "/v1.0/publish/bus/t?metadata.rawPayload=perhaps", "x").await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["errorCode"], "ERR_PUBSUB_REQUEST_METADATA");
    assert_eq!(
        answer.json()["message"],
        "failed deserializing metadata. Error: rawPayload value must be a valid boolean: actual is \
         'perhaps'"
    );
    let event = ["Content-Type: application/cloudevents+json"];
    let answer = api.http_with("POST", "/v1.0/publish/bus/t", &event, "[]").await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.json()["errorCode"], "ERR_PUBSUB_CLOUD_EVENTS_SER");
    let large = "x".repeat((4 << 20) + 1);
    let answer = api.http("POST", "/v1.0/publish/bus/t", &large).await;
    assert_eq!(answer.status, 500);
    assert_eq!(
        answer.json()["message"],
        "error when publishing to topic t in pubsub bus: stream too large"
    );
}

#[tokio::test]
async fn a_bulk_publish_over_http_takes_events_by_their_content_types() {
    let api = api().await;
    let mut subscription = subscribed(&api, "t").await;
    let body = json!([
        {"entryId": "1", "event": {"n": 1}, "contentType": "application/json"},
        {"entryId": "2", "event": "hi", "contentType": "text/plain", "metadata": {"own": "1"}},
        {"entryId": "3", "event": "aGk=", "contentType": "application/octet-stream"},
    ]);
    let path = "/v1.0/publish/bulk/bus/t?metadata.all=2";
    let answer = api.http("POST", path, &body.to_string()).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    let mut got = Vec::new();
    for _ in 0..3 {
        let (event, metadata) = next(&mut subscription).await;
        let data = event.get("data").or(event.get("data_base64")).unwrap().clone();
        got.push((data.to_string(), metadata));
    }
    got.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [
        ("\"aGk=\"", json!({})),
        ("\"hi\"", json!({"own": "1", "all": "2"})),
        ("{\"n\":1}", json!({})),
    ];
    assert_eq!(got, expected.map(|(data, metadata)| (data.to_owned(), metadata)));
    assert_eq!(api.http("POST", "/v1.0-alpha1/publish/bulk/bus/t", "[]").await.status, 204);

    for (body, reason) in [
        ("{", "DAPR_PUBSUB_UNMARSHAL_EVENTS"),
        (r#"[{"event":"x","contentType":"text/plain"}]"#, "DAPR_PUBSUB_MARSHAL_EVENTS"),
        (r#"[{"entryId":"1","event":"x"}]"#, "DAPR_PUBSUB_MARSHAL_ENVELOPE"),
        // The first entry that is wrong is told of.
        (
            r#"[{"event":"x","contentType":"text/plain"},{"entryId":"1","event":"x"}]"#,
            "DAPR_PUBSUB_MARSHAL_EVENTS",
        ),
        (
            r#"[{"entryId":"1","event":"x"},{"event":"x","contentType":"text/plain"}]"#,
            "DAPR_PUBSUB_MARSHAL_ENVELOPE",
        ),
    ] {
        let answer = api.http("POST", "/v1.0/publish/bulk/bus/t", body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.json()["errorCode"], "ERR_PUBSUB_EVENTS_SER");
        assert_eq!(answer.json()["details"][1]["reason"], reason, "{body}");
    }
}

#[tokio::test]
async fn what_a_plugin_did_not_publish_of_several_is_told_over_grpc_and_not_over_http() {
    let registry = Arc::new(Registry::new(APP_ID, ""));
    registry.declare(spec("bus", "pubsub.broker", &[])).await.unwrap();
    let broker = Broker::new();
    let life = BrokerLife::begin(&broker).await;
    life.attach(&registry).await;
    let api = Api::serve(registry, settings()).await;
    let entry = |id: &str, content_type: &str| pb::BulkPublishRequestEntry {
        entry_id: id.into(),
        event: "x".into(),
        content_type: content_type.into(),
        ..Default::default()
    };
    let request = pb::BulkPublishRequest {
        pubsub_name: "bus".into(),
        topic: "t".into(),
        entries: vec![entry("1", "bad"), entry("2", "text/plain")],
        ..Default::default()
    };
    let mut client = DaprClient::new(api.channel());
    let answer = client.bulk_publish_event(request).await.unwrap().into_inner();
    let failed: Vec<_> =
        answer.failed_entries.into_iter().map(|failed| (failed.entry_id, failed.error)).collect();
    assert_eq!(failed, [("1".to_owned(), "it is bad".to_owned())]);
}

#[tokio::test]
async fn failures_of_a_publish_are_told_over_grpc_with_their_details() {
    let api = api().await;
    let mut client = DaprClient::new(api.channel());
    let mut publish = async |pubsub: &str, topic: &str| {
        let request = pb::PublishEventRequest {
            pubsub_name: pubsub.into(),
            topic: topic.into(),
            ..Default::default()
        };
        client.publish_event(request).await.map(drop)
    };
    let told = |status: Result<(), Status>| {
        let status = status.unwrap_err();
        let reason = status.get_details_error_info().unwrap().reason;
        let resource = status.get_details_resource_info().map(|resource| resource.resource_name);
        (status.code(), status.message().to_owned(), reason, resource)
    };
    let of = |code, message: &str, reason: &str, resource: Option<&str>| {
        (code, message.to_owned(), reason.to_owned(), resource.map(str::to_owned))
    };
    publish("bus", "t").await.unwrap();
    assert_eq!(
        told(publish("", "t").await),
        of(Code::InvalidArgument, "pubsub name is empty", "DAPR_PUBSUB_NAME_EMPTY", Some(""))
    );
    assert_eq!(
        told(publish("none", "t").await),
        of(Code::InvalidArgument, "pubsub none is not found", "DAPR_PUBSUB_NOT_FOUND", None)
    );
    let empty = "topic is empty in pubsub bus";
    assert_eq!(
        told(publish("bus", "").await),
        of(Code::InvalidArgument, empty, "DAPR_PUBSUB_TOPIC_NAME_EMPTY", Some("bus"))
    );
    let forbidden = "topic c is not allowed for app id shop";
    assert_eq!(
        told(publish("bounded", "c").await),
        of(Code::PermissionDenied, forbidden, "DAPR_PUBSUB_FORBIDDEN", Some("bounded"))
    );
}

#[tokio::test]
async fn of_several_the_first_that_is_wrong_is_told_of_over_grpc() {
    let api = api().await;
    let mut client = DaprClient::new(api.channel());
    let entry = |id: &str, content_type: &str| pb::BulkPublishRequestEntry {
        entry_id: id.into(),
        event: "x".into(),
        content_type: content_type.into(),
        ..Default::default()
    };
    let no_event = entry("1", "application/cloudevents+json");
    for (entries, reason) in [
        ([no_event.clone(), entry("", "")], "DAPR_PUBSUB_CLOUD_EVENT_CREATION"),
        ([entry("", ""), no_event], "DAPR_PUBSUB_MARSHAL_EVENTS"),
    ] {
        let request = pb::BulkPublishRequest {
            pubsub_name: "bus".into(),
            topic: "t".into(),
            entries: entries.into(),
            ..Default::default()
        };
        let status = client.bulk_publish_event(request).await.unwrap_err();
        assert_eq!(status.get_details_error_info().unwrap().reason, reason);
    }
}

#[tokio::test]
async fn a_raw_publish_over_grpc_has_its_trace_beside_it() {
    let api = api().await;
    let mut subscription = subscribed(&api, "t").await;
    let mut request = Request::new(pb::PublishEventRequest {
        pubsub_name: "bus".into(),
        topic: "t".into(),
        data: "raw".into(),
        metadata: [("rawPayload".to_owned(), "1".to_owned())].into(),
        ..Default::default()
    });
    request.metadata_mut().insert("traceparent", PARENT.parse().unwrap());
    DaprClient::new(api.channel()).publish_event(request).await.unwrap();
    let (raw, metadata) = next(&mut subscription).await;
    assert_eq!(raw, "raw");
    assert_eq!(metadata, json!({"rawPayload": "1", "traceid": PARENT, "tracestate": ""}));
}

/// A streaming subscription, as an application holds it.
struct Stream {
    asked: mpsc::UnboundedSender<pb::SubscribeTopicEventsRequestAlpha1>,
    told: Streaming<pb::SubscribeTopicEventsResponseAlpha1>,
}

fn asked(what: Asked) -> pb::SubscribeTopicEventsRequestAlpha1 {
    pb::SubscribeTopicEventsRequestAlpha1 { subscribe_topic_events_request_type: Some(what) }
}

fn initial(pubsub: &str, topic: &str, dead_letter: Option<&str>) -> Asked {
    Asked::InitialRequest(pb::SubscribeTopicEventsRequestInitialAlpha1 {
        pubsub_name: pubsub.into(),
        topic: topic.into(),
        dead_letter_topic: dead_letter.map(str::to_owned),
        ..Default::default()
    })
}

impl Stream {
    async fn open(channel: Channel, first: Asked) -> Result<Self, Status> {
        let (sender, requests) = mpsc::unbounded_channel();
        sender.send(asked(first)).unwrap();
        let requests = UnboundedReceiverStream::new(requests);
        let mut client = DaprClient::new(channel);
        let told = client.subscribe_topic_events_alpha1(requests).await?.into_inner();
        Ok(Self { asked: sender, told })
    }

    async fn next(&mut self) -> Result<Option<Told>, Status> {
        let told = self.told.message().await?;
        Ok(told.and_then(|told| told.subscribe_topic_events_response_type))
    }

    async fn event(&mut self) -> pb::TopicEventRequest {
        match self.next().await.unwrap() {
            Some(Told::EventMessage(event)) => event,
            other => panic!("{other:?}"),
        }
    }

    fn answer(&self, event: &pb::TopicEventRequest, status: i32) {
        let answer = pb::SubscribeTopicEventsRequestProcessedAlpha1 {
            id: event.id.clone(),
            status: Some(pb::TopicEventResponse { status }),
        };
        self.asked.send(asked(Asked::EventProcessed(answer))).unwrap();
    }
}

const RETRY: i32 = 1;
const DROP: i32 = 2;

#[tokio::test]
async fn a_stream_gets_events_and_what_it_does_not_handle_goes_to_the_dead_letter_topic() {
    let api = api().await;
    let mut stream = Stream::open(api.channel(), initial("bus", "t", Some("dead"))).await.unwrap();
    assert!(matches!(stream.next().await, Ok(Some(Told::InitialResponse(_)))));
    let mut dead = subscribed(&api, "dead").await;
    for data in ["fine", "again", "away"] {
        assert_eq!(api.http("POST", "/v1.0/publish/bus/t", data).await.status, 204);
    }
    let fine = stream.event().await;
    assert_eq!((fine.topic.as_str(), fine.path.as_str(), &fine.data[..]), ("t", "/", &b"fine"[..]));
    stream.answer(&fine, 0);
    let again = stream.event().await;
    stream.answer(&again, RETRY);
    assert_eq!(next(&mut dead).await.0["data"], "again");
    let away = stream.event().await;
    stream.answer(&away, DROP);
    let (event, metadata) = next(&mut dead).await;
    assert_eq!((&event["data"], &metadata["pubsubName"]), (&json!("away"), &json!("bus")));
}

#[tokio::test]
async fn what_a_stream_has_not_answered_when_it_goes_away_is_delivered_again() {
    let registry = Arc::new(Registry::new(APP_ID, ""));
    registry.declare(spec("bus", "pubsub.broker", &[])).await.unwrap();
    let broker = Broker::new();
    let life = BrokerLife::begin(&broker).await;
    life.attach(&registry).await;
    let api = Api::serve(registry, settings()).await;
    broker.put(r#"{"id":"7","topic":"orders"}"#);
    let mut first = Stream::open(api.channel(), initial("bus", "orders", None)).await.unwrap();
    first.next().await.unwrap();
    assert_eq!(first.event().await.id, "7");
    drop(first);
    let (_, error) = broker.until_answered(1).await.remove(0);
    assert_eq!(error.as_deref(), Some("stream closed"));
    broker.until_streams(0).await;
    let mut second = Stream::open(api.channel(), initial("bus", "orders", None)).await.unwrap();
    second.next().await.unwrap();
    let event = second.event().await;
    assert_eq!(event.id, "7");
    second.answer(&event, 0);
    assert_eq!(broker.until_answered(2).await[1].1, None);
}

#[tokio::test]
async fn a_stream_that_begins_wrong_is_refused_and_a_second_beginning_ends_it() {
    let api = api().await;
    let refused = async |first| match Stream::open(api.channel(), first).await {
        Ok(_) => panic!("it is open"),
        Err(status) => (status.code(), status.message().to_owned()),
    };
    let processed =
        Asked::EventProcessed(pb::SubscribeTopicEventsRequestProcessedAlpha1::default());
    let unknown = |message: &str| (Code::Unknown, message.to_owned());
    assert_eq!(refused(processed).await, unknown("initial request is required"));
    assert_eq!(refused(initial("", "t", None)).await, unknown("pubsubName is required"));
    assert_eq!(refused(initial("bus", "", None)).await, unknown("topic is required"));
    let none = (Code::InvalidArgument, "pubsub none is not found".to_owned());
    assert_eq!(refused(initial("none", "t", None)).await, none);
    let closed = unknown(
        "failed to create subscription for bounded: subscription to topic 'c' on pubsub 'bounded' is \
         not allowed",
    );
    assert_eq!(refused(initial("bounded", "c", None)).await, closed);

    let mut stream = Stream::open(api.channel(), initial("bus", "t", None)).await.unwrap();
    stream.next().await.unwrap();
    stream.asked.send(asked(initial("bus", "t", None))).unwrap();
    let ended = stream.next().await.unwrap_err();
    assert_eq!(
        (ended.code(), ended.message()),
        (Code::Unknown, "duplicate initial request received")
    );
}

#[tokio::test]
async fn an_application_that_closes_its_side_is_told_that_nothing_more_came() {
    let api = api().await;
    let eof = (Code::Unknown, "EOF".to_owned());
    let none = tokio_stream::empty::<pb::SubscribeTopicEventsRequestAlpha1>();
    let mut client = DaprClient::new(api.channel());
    let status = client.subscribe_topic_events_alpha1(none).await.unwrap_err();
    assert_eq!((status.code(), status.message().to_owned()), eof);

    let mut stream = Stream::open(api.channel(), initial("bus", "t", None)).await.unwrap();
    stream.next().await.unwrap();
    let (instead, _) = mpsc::unbounded_channel();
    drop(std::mem::replace(&mut stream.asked, instead));
    let status = stream.next().await.unwrap_err();
    assert_eq!((status.code(), status.message().to_owned()), eof);
}

#[tokio::test]
async fn a_stream_whose_raw_payload_is_neither_yes_nor_no_has_dead_letters() {
    let api = api().await;
    let metadata = [("rawPayload".to_owned(), "nonsense".to_owned())].into();
    let first = pb::SubscribeTopicEventsRequestInitialAlpha1 {
        pubsub_name: "bus".into(),
        topic: "t".into(),
        metadata,
        dead_letter_topic: Some("dead".into()),
    };
    let mut dead = subscribed(&api, "dead").await;
    let mut stream = Stream::open(api.channel(), Asked::InitialRequest(first)).await.unwrap();
    stream.next().await.unwrap();
    let answer = api.http("POST", "/v1.0/publish/bus/t?metadata.cloudevent.id=9", "1").await;
    assert_eq!(answer.status, 204);
    let (event, _) = next(&mut dead).await;
    assert_eq!(event["id"], "9");
}

#[tokio::test]
async fn a_runtime_that_stops_waits_for_the_answer_and_ends_the_stream() {
    let mut api = api().await;
    let mut stream = Stream::open(api.channel(), initial("bus", "t", None)).await.unwrap();
    stream.next().await.unwrap();
    assert_eq!(api.http("POST", "/v1.0/publish/bus/t", "x").await.status, 204);
    let event = stream.event().await;
    api.stop();
    stream.answer(&event, 0);
    let status = stream.next().await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unknown, "stream closed"));
    (&mut api.served).await.unwrap();
}
