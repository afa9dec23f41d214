//! Messages of subscriptions, delivered to an application while the plugin that keeps them is killed.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use replug_proto::dapr::runtime::v1 as pb;
use replug_proto::dapr::runtime::v1::app_callback_server::AppCallback;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tonic::{Response, Status};

use crate::rig::{Called, Home, PATIENCE, Replug, http, post, serve_callbacks, text};

/// A component of the sample broker.
fn broker(home: &Home) -> String {
    format!(
        "[plugins.post]\n\
         command = [{:?}]\n\
         [components.bus]\n\
         type = \"pubsub.post\"\n\
         metadata = {{ folder = {:?} }}\n",
        post(),
        text(&home.path("messages")),
    )
}

async fn publish(address: SocketAddr, topic: &str, body: &str) {
    let path = format!("/v1.0/publish/bus/{topic}");
    let answer = http::request(address, "POST", &path, body).await;
    assert_eq!(answer.status.as_u16(), 204, "{}", answer.body);
}

/// Those of the metadata API.
async fn subscriptions(address: SocketAddr) -> Value {
    let answer = http::request(address, "GET", "/v1.0/metadata", "").await;
    let metadata: Value = serde_json::from_str(&answer.body).unwrap();
    metadata["subscriptions"].clone()
}

#[tokio::test]
async fn declared_subscriptions_are_delivered_by_their_rules_while_the_plugin_is_killed() {
    let tries = Arc::new(AtomicUsize::new(0));
    let mut called = Called::start(&[], move |received| match received.path.as_str() {
        "/orders" if tries.fetch_add(1, Ordering::Relaxed) == 0 => (500, "not now".to_owned()),
        "/refused" => (200, r#"{"status":"DROP"}"#.to_owned()),
        _ => (200, String::new()),
    })
    .await;
    let home = Home::empty();
    let resources = home.path("resources");
    std::fs::create_dir(&resources).unwrap();
    let yaml = |route: &str| {
        format!(
            "apiVersion: dapr.io/v1alpha1\nkind: Subscription\nmetadata:\n  name: dead\nspec:\n  \
             pubsubname: bus\n  topic: dead\n  route: {route}\n"
        )
    };
    std::fs::write(resources.join("dead.yaml"), yaml("/dead")).unwrap();
    home.write_raw_plan(
        format!(
            "[runtime]\napp_id = \"app\"\ngrpc = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n\
             run_dir = {:?}\nresources = [{:?}]\n\
             [app]\nport = {}\n{}\
             [[subscriptions]]\n\
             pubsub = \"bus\"\n\
             topic = \"orders\"\n\
             route = \"/orders\"\n\
             rules = [{{ match = \"event.data.size == 'big'\", path = \"/big\" }}, \
                      {{ match = \"event.data.size == 'bad'\", path = \"/refused\" }}]\n\
             dead_letter_topic = \"dead\"\n",
            text(&home.run_dir()),
            text(&resources),
            called.port,
            broker(&home),
        )
        .as_bytes(),
    );
    let mut replug = Replug::start(&home).await;
    let address = replug.until_usable("bus").await.address("http");
    replug.line("topics: [[orders dead]] through pubsub=bus").await;
    let shown = subscriptions(address).await;
    assert_eq!(
        shown,
        json!([
            {"pubsubname": "bus", "topic": "orders", "deadLetterTopic": "dead",
             "type": "DECLARATIVE", "rules": [
                {"match": "event.data.size == 'big'", "path": "/big"},
                {"match": "event.data.size == 'bad'", "path": "/refused"},
                {"path": "/orders"}]},
            {"pubsubname": "bus", "topic": "dead", "deadLetterTopic": "",
             "type": "DECLARATIVE", "rules": [{"path": "/dead"}]}
        ])
    );

    // A group is there from its first subscription on.
    replug.line("app is a new consumer of orders").await;
    replug.line("app is a new consumer of dead").await;
    publish(address, "orders", r#"{"size":"small"}"#).await;
    replug.kill_plugin("post").await;
    publish(address, "orders", r#"{"size":"big"}"#).await;
    replug.kill_plugin("post").await;
    publish(address, "orders", r#"{"size":"bad"}"#).await;
    let mut seen = BTreeSet::new();
    // What was refused and what was dropped are dead letters.
    let wanted = [
        ("/orders", "small"),
        ("/big", "big"),
        ("/refused", "bad"),
        ("/dead", "small"),
        ("/dead", "bad"),
    ]
    .map(|(path, size)| (path.to_owned(), size.to_owned()));
    while seen.len() < wanted.len() {
        let post = called.post().await;
        assert_eq!(post.headers["content-type"], "application/cloudevents+json");
        assert_eq!(post.headers["pubsubname"], "bus");
        let event: Value = serde_json::from_str(&post.body).unwrap();
        seen.insert((post.path, event["data"]["size"].as_str().unwrap().to_owned()));
    }
    assert_eq!(seen, BTreeSet::from(wanted));

    // Read again when it changes.
    std::fs::write(resources.join("dead.yaml"), yaml("/buried")).unwrap();
    replug.line("reload: ").await;
    loop {
        // One that was there before the change may go where it went before.
        publish(address, "dead", r#"{"size":"late"}"#).await;
        if called.post().await.path == "/buried" {
            break;
        }
    }
    replug.stop(&home).await;
}

/// An application over gRPC that names what it wants.
struct Wants(mpsc::UnboundedSender<pb::TopicEventRequest>);

#[tonic::async_trait]
impl AppCallback for Wants {
    async fn list_topic_subscriptions(
        &self,
        _: tonic::Request<()>,
    ) -> Result<Response<pb::ListTopicSubscriptionsResponse>, Status> {
        let subscription = pb::TopicSubscription {
            pubsub_name: "bus".into(),
            topic: "orders".into(),
            routes: Some(pb::TopicRoutes { default: "orders".into(), ..Default::default() }),
            ..Default::default()
        };
        let subscriptions = vec![subscription];
        Ok(Response::new(pb::ListTopicSubscriptionsResponse { subscriptions }))
    }

    async fn on_topic_event(
        &self,
        request: tonic::Request<pb::TopicEventRequest>,
    ) -> Result<Response<pb::TopicEventResponse>, Status> {
        self.0.send(request.into_inner()).unwrap();
        Ok(Response::new(pb::TopicEventResponse::default()))
    }
}

#[tokio::test]
async fn an_application_over_grpc_names_its_topics_and_gets_their_events() {
    let (sender, mut events) = mpsc::unbounded_channel();
    let (port, _serving) = serve_callbacks(Wants(sender)).await;
    let home = Home::empty();
    home.write_plan(&format!("[app]\nport = {port}\nprotocol = \"grpc\"\n{}", broker(&home)));
    let mut replug = Replug::start(&home).await;
    let address = replug.until_usable("bus").await.address("http");
    replug.line("topics: [[orders]] through pubsub=bus").await;
    replug.line("app is a new consumer of orders").await;
    for number in 0..4 {
        publish(address, "orders", &json!({ "number": number }).to_string()).await;
        if number % 2 == 0 {
            replug.kill_plugin("post").await;
        }
    }
    let mut seen = BTreeSet::new();
    while seen.len() < 4 {
        let event = tokio::time::timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
        assert_eq!((event.path.as_str(), event.topic.as_str()), ("orders", "orders"));
        let data: Value = serde_json::from_slice(&event.data).unwrap();
        seen.insert(data["number"].as_u64().unwrap());
    }
    assert_eq!(subscriptions(address).await[0]["type"], "PROGRAMMATIC");
    replug.stop(&home).await;
}
