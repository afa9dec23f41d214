//! What is delivered to the application of its subscriptions, over HTTP and gRPC.

mod support;

use std::sync::Arc;

use replug_proto::dapr::runtime::v1 as pb;
use replug_proto::dapr::runtime::v1::app_callback_server::{AppCallback, AppCallbackServer};
use replug_runtime::app::Protocol;
use replug_runtime::registry::Registry;
use replug_runtime::resources::{BulkSubscribe, SubscriptionResource, SubscriptionRule};
use replug_runtime::subscriptions::Subscriptions;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::{Response, Status};

use support::application::settings;
use support::broker::{Broker, BrokerLife};
use support::running::{PATIENCE, Running, body, first, http, next, next_to, registry};
use support::spec;

fn declared(topic: &str, route: &str) -> SubscriptionResource {
    SubscriptionResource {
        name: format!("to {topic}"),
        pubsub: "bus".into(),
        topic: topic.into(),
        default_route: route.into(),
        rules: Vec::new(),
        dead_letter_topic: String::new(),
        metadata: Vec::new(),
        bulk: BulkSubscribe::default(),
        scopes: Vec::new(),
        place: String::new(),
    }
}

#[tokio::test]
async fn messages_go_to_the_routes_that_the_application_names() {
    let named = r#"[{"pubsubname":"bus","topic":"a","deadLetterTopic":"dead","routes":{"rules":[
        {"match":"event.type == 'new'","path":"/new"},{"match":"event.missing","path":"/x"}],
        "default":"/other"}},
        {"pubsubname":"bus","topic":"raw","route":"raw//","metadata":{"rawPayload":"true"}},
        {"pubsubname":"bus","topic":"dead","route":"/dead"},
        {"pubsubname":"bus","topic":"b","route":"/never","deadLetterTopic":"dead",
         "metadata":{"rawPayload":"perhaps"}},
        {"pubsubname":"bus","topic":"forbidden","route":"/never"}]"#;
    let answers = |path: &str, _: &str| match path {
        "/new" => (200, r#"{"status":"DROP"}"#.to_owned()),
        _ => (200, String::new()),
    };
    let (application, mut posts) = http(named, answers).await;
    let settings = settings(application.address, Protocol::Http);
    let running = Running::start(registry().await, settings, Subscriptions::default());

    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let dead = first(&running, &mut posts, "dead", r#"{"id":"0"}"#).await;
    assert_eq!(dead.uri().path(), "/dead");
    let raw = first(&running, &mut posts, "raw", "plain").await;
    assert_eq!((raw.uri().path(), &body(&raw)["data_base64"]), ("/raw", &json!("cGxhaW4=")));
    assert_eq!(raw.headers()["content-type"], "application/cloudevents+json");

    // Dropped by the application: a dead letter.
    let event = format!(r#"{{"id":"1","type":"new","traceparent":"{parent}"}}"#);
    let new = first(&running, &mut posts, "a", &event).await;
    assert_eq!((new.uri().path(), &new.body()[..]), ("/new", event.as_bytes()));
    let headers = new.headers();
    assert_eq!(
        (headers["pubsubname"].as_bytes(), headers["partition"].as_bytes()),
        (&b"bus"[..], &b"3"[..])
    );
    assert_eq!(headers["traceparent"], parent);
    assert_eq!(next_to(&mut posts, "/dead", "1").await.body(), event.as_bytes());

    // A rule that cannot be evaluated: no default, the dead letter topic.
    running.publish("a", r#"{"id":"2","type":"old"}"#).await;
    next_to(&mut posts, "/dead", "2").await;
    // No event at all: likewise, and there it is none either.
    running.publish("a", "[]").await;
    running.publish("a", r#"{"id":"3","type":"old","missing":false}"#).await;
    next_to(&mut posts, "/other", "3").await;
    // Nobody knows whether it is in an envelope.
    running.publish("b", r#"{"id":"4"}"#).await;
    next_to(&mut posts, "/dead", "4").await;
    running.end().await;
}

#[tokio::test]
async fn what_is_declared_counts_unless_the_application_names_the_same_topic() {
    let named = r#"[{"pubsubname":"bus","topic":"a","route":"/named"}]"#;
    let (application, mut posts) = http(named, |_, _| (200, String::new())).await;
    let subscriptions = Subscriptions::default();
    subscriptions.declare(&[declared("a", "/declared"), declared("b", "/b")]);
    let settings = settings(application.address, Protocol::Http);
    let running = Running::start(registry().await, settings, subscriptions);
    assert_eq!(first(&running, &mut posts, "a", "{}").await.uri().path(), "/named");
    assert_eq!(first(&running, &mut posts, "b", "{}").await.uri().path(), "/b");

    // Changed while everything runs; the first of two to one topic counts.
    let mut rule = declared("b", "");
    let condition = "event.id == '1'".to_owned();
    rule.rules.push(SubscriptionRule { condition, path: "/ruled".into() });
    running.subscriptions.declare(&[rule, declared("b", "/unused")]);
    timeout(PATIENCE, running.subscriptions.settled()).await.expect("they are made");
    for id in ["2", "1"] {
        running.publish("b", &json!({ "id": id }).to_string()).await;
    }
    let mut post = next(&mut posts).await;
    while post.uri().path() == "/b" {
        // The subscription of before has taken it, too.
        post = next(&mut posts).await;
    }
    // What matches no rule is dropped.
    assert_eq!((post.uri().path(), &body(&post)["id"]), ("/ruled", &json!("1")));
    running.end().await;
}

#[tokio::test]
async fn a_message_of_a_batch_that_is_dropped_or_not_handled_is_a_dead_letter() {
    let named = r#"[{"pubsubname":"bus","topic":"bulk","route":"/bulk","deadLetterTopic":"dead",
        "bulkSubscribe":{"enabled":true,"maxMessagesCount":3,"maxAwaitDurationMs":20}},
        {"pubsubname":"bus","topic":"dead","route":"/dead"}]"#;
    let answers = |path: &str, body: &str| {
        if path == "/dead" {
            return (200, String::new());
        }
        let envelope: Value = serde_json::from_str(body).unwrap();
        let entries = envelope["entries"].as_array().unwrap().iter();
        let statuses: Vec<_> = entries
            .filter_map(|entry| {
                let id = &entry["entryId"];
                match entry["event"]["n"].as_u64().unwrap() {
                    0 | 3 => Some(json!({"entryId": id, "status": "SUCCESS"})),
                    1 => Some(json!({"entryId": id, "status": "DROP"})),
                    2 => Some(json!({"entryId": id, "status": null})),
                    _ => None,
                }
            })
            .chain([Value::Null])
            .collect();
        (200, json!({ "statuses": statuses }).to_string())
    };
    let (application, mut posts) = http(named, answers).await;
    let settings = settings(application.address, Protocol::Http);
    let running = Running::start(registry().await, settings, Subscriptions::default());
    let envelope = first(&running, &mut posts, "bulk", r#"{"n":0}"#).await;
    assert_eq!(envelope.uri().path(), "/bulk");
    let envelope = body(&envelope);
    // A bus in memory keeps the next one until this is answered.
    assert_eq!(envelope["entries"].as_array().unwrap().len(), 1);
    assert_eq!(envelope["type"], "com.dapr.event.sent.bulk");
    assert_eq!((&envelope["topic"], &envelope["pubsubname"]), (&json!("bulk"), &json!("bus")));
    assert_eq!(envelope["entries"][0]["contentType"], "application/cloudevents+json");

    // What came beside it is told, and says nothing of the event.
    let beside = [("content-type", "application/octet-stream"), ("a", "1"), ("b", "2")];
    running.publish_with("bulk", r#"{"n":3}"#, &beside).await;
    let envelope = next(&mut posts).await;
    let text = String::from_utf8_lossy(envelope.body());
    let entry = r#""event":{"n":3},"metadata":{"a":"1","b":"2","content-type":"application/octet-stream"},"contentType":"application/cloudevents+json""#;
    assert!(text.contains(entry), "{text}");

    // The one that is dropped, the one without a status, and the one without an answer.
    for n in [1, 2, 5, 0] {
        running.publish("bulk", &json!({ "id": n.to_string(), "n": n }).to_string()).await;
    }
    let mut letters = std::collections::BTreeSet::new();
    while letters.len() < 3 {
        let post = next(&mut posts).await;
        if post.uri().path() == "/dead" {
            letters.insert(body(&post)["n"].as_u64().unwrap());
        }
    }
    assert_eq!(letters.into_iter().collect::<Vec<_>>(), [1, 2, 5]);
    running.end().await;
}

#[tokio::test]
async fn a_plugins_message_is_acknowledged_as_the_application_says() {
    let named = r#"[{"pubsubname":"bus","topic":"orders","route":"/orders"}]"#;
    let answers = |_: &str, body: &str| match body {
        r#"{"id":"1"}"# => (500, "not now".to_owned()),
        r#"{"id":"2"}"# => (404, String::new()),
        r#"{"id":"3"}"# => (200, r#"{"status":"RETRY"}"#.to_owned()),
        _ => (200, "thanks".to_owned()),
    };
    let (application, mut posts) = http(named, answers).await;
    let registry = Arc::new(Registry::new("shop", ""));
    registry.declare(spec("bus", "pubsub.broker", &[])).await.unwrap();
    let broker = Broker::new();
    let first = BrokerLife::begin(&broker).await;
    first.attach(&registry).await;
    let settings = settings(application.address, Protocol::Http);
    let running = Running::start(registry, settings, Subscriptions::default());
    for id in ["1", "2", "3", "4"] {
        broker.put(&format!(r#"{{"id":"{id}"}}"#));
    }
    let answered = broker.until_answered(4).await;
    let failed: Vec<_> = answered.iter().map(|(_, error)| error.is_some()).collect();
    assert_eq!(failed, [true, false, true, false], "{answered:?}");
    let told = answered[0].1.as_deref().unwrap();
    assert!(told.contains("body: not now. status code returned: 500"), "{told}");
    for _ in 0..4 {
        next(&mut posts).await;
    }
    running.end().await;
    // Nobody subscribes any more.
    broker.until_streams(0).await;
}

/// An application over gRPC.
struct Handler(mpsc::UnboundedSender<(Option<String>, pb::TopicEventRequest)>);

#[tonic::async_trait]
impl AppCallback for Handler {
    async fn list_topic_subscriptions(
        &self,
        _: tonic::Request<()>,
    ) -> Result<Response<pb::ListTopicSubscriptionsResponse>, Status> {
        let rule = pb::TopicRule { r#match: "event.type == 'new'".into(), path: "new".into() };
        let named = |topic: &str, routes| pb::TopicSubscription {
            pubsub_name: "bus".into(),
            topic: topic.into(),
            routes,
            ..pb::TopicSubscription::default()
        };
        let routes = pb::TopicRoutes { rules: vec![rule], default: "old".into() };
        let mut bulk = named("bulk", None);
        bulk.bulk_subscribe = Some(pb::BulkSubscribeConfig {
            enabled: true,
            max_messages_count: 2,
            max_await_duration_ms: 20,
        });
        let subscriptions = vec![named("a", Some(routes)), named("b", None), bulk];
        Ok(Response::new(pb::ListTopicSubscriptionsResponse { subscriptions }))
    }

    async fn on_topic_event(
        &self,
        request: tonic::Request<pb::TopicEventRequest>,
    ) -> Result<Response<pb::TopicEventResponse>, Status> {
        let partition = request.metadata().get("partition").map(|it| it.to_str().unwrap().into());
        self.0.send((partition, request.into_inner())).unwrap();
        Ok(Response::new(pb::TopicEventResponse::default()))
    }

    async fn on_bulk_topic_event(
        &self,
        request: tonic::Request<pb::TopicEventBulkRequest>,
    ) -> Result<Response<pb::TopicEventBulkResponse>, Status> {
        use pb::topic_event_bulk_request_entry::Event::CloudEvent;

        let head = request.metadata();
        assert_eq!(head.get("pubsubname").unwrap(), "bus");
        let parent = format!("00-{}-{}-00", "0".repeat(32), "0".repeat(16));
        let (parents, traces) = (head.get_all("traceparent"), head.get_all_bin("grpc-trace-bin"));
        // Each event that names a trace has its own here, and one that is none is of zeros.
        assert!(parents.iter().all(|it| it == parent.as_str()) && parents.iter().count() > 0);
        assert_eq!(traces.iter().count(), parents.iter().count());
        let request = request.into_inner();
        assert!(request.entries.iter().all(|entry| entry.content_type.is_empty()));
        let mut statuses = Vec::new();
        for entry in request.entries {
            let Some(CloudEvent(event)) = entry.event else { panic!("it is no event") };
            let told = pb::TopicEventRequest { id: event.id, ..Default::default() };
            self.0.send((None, told)).unwrap();
            statuses.push(pb::TopicEventBulkResponseEntry { entry_id: entry.entry_id, status: 0 });
        }
        Ok(Response::new(pb::TopicEventBulkResponse { statuses }))
    }
}

#[tokio::test]
async fn events_go_over_grpc_with_their_paths() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, mut events) = mpsc::unbounded_channel();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let server = tonic::transport::Server::builder();
        let service = AppCallbackServer::new(Handler(sender));
        server.clone().add_service(service).serve_with_incoming(incoming).await.unwrap();
    });
    let settings = settings(address, Protocol::Grpc);
    let running = Running::start(registry().await, settings, Subscriptions::default());
    timeout(PATIENCE, running.subscriptions.settled()).await.expect("they are made");
    let mut told = async |topic: &str, data: &str| {
        running.publish(topic, data).await;
        timeout(PATIENCE, events.recv()).await.expect("it is delivered").unwrap()
    };
    let (partition, event) = told("a", r#"{"id":"1","type":"new","data":{"n":1}}"#).await;
    assert_eq!(partition.as_deref(), Some("3"));
    assert_eq!((event.id.as_str(), event.path.as_str()), ("1", "new"));
    assert_eq!((event.topic.as_str(), event.pubsub_name.as_str()), ("a", "bus"));
    assert_eq!(told("a", r#"{"id":"2","type":"x"}"#).await.1.path, "old");
    assert_eq!(told("b", r#"{"id":"3"}"#).await.1.path, "");
    assert_eq!(told("bulk", r#"{"id":"4","traceid":""}"#).await.1.id, "4");
    running.end().await;
}
