//! Messages published and delivered several at a time, over plugins that are killed meanwhile.

use std::collections::BTreeSet;

use replug_proto::dapr::runtime::v1::dapr_client::DaprClient;
use replug_proto::dapr::runtime::v1::{BulkPublishRequest, BulkPublishRequestEntry};
use serde_json::{Value, json};
use tonic::transport::Endpoint;

use crate::rig::{Called, Home, Replug, Sample, Status, go_folders, post, require_tool, text};

/// How many messages are published at a time, and how often.
const AT_A_TIME: u32 = 25;
const TIMES: u32 = 4;

/// How many are delivered at a time, at the most.
const GATHERED: usize = 10;

#[tokio::test]
async fn batches_of_the_rust_sample_come_through_kills() {
    let command = format!("[plugins.broker]\ncommand = [{:?}]\n", post());
    every_entry_arrives(&command, "post", true).await;
}

#[tokio::test]
async fn batches_of_the_python_sample_come_through_kills() {
    if !Sample::Python.is_here() {
        return;
    }
    let command = Sample::Python.plugin("broker", "post");
    every_entry_arrives(&command, &Sample::Python.name("post"), true).await;
}

/// It has no bulk publish, so that replug makes single ones.
#[tokio::test]
async fn batches_of_a_plugin_on_the_go_sdk_come_through_kills() {
    if !require_tool("go", &["version"]) {
        return;
    }
    let command = format!("[plugins.broker]\ncommand = [{:?}]\n", go_folders());
    every_entry_arrives(&command, "go-folders", false).await;
}

/// Answers for each entry of a batch whether it was handled, as Dapr's bulk answer has it. What is a
/// number that three goes into is refused the first time.
fn statuses(body: &str, refused: &std::sync::Mutex<BTreeSet<u64>>) -> String {
    let batch: Value = serde_json::from_str(body).unwrap();
    let entries = batch["entries"].as_array().unwrap();
    assert!((1..=GATHERED).contains(&entries.len()), "{} at a time", entries.len());
    let statuses = entries.iter().map(|entry| {
        let number = entry["event"]["data"]["number"].as_u64().unwrap();
        let again = number.is_multiple_of(3) && refused.lock().unwrap().insert(number);
        json!({ "entryId": entry["entryId"], "status": if again { "RETRY" } else { "SUCCESS" } })
    });
    json!({ "statuses": statuses.collect::<Vec<_>>() }).to_string()
}

/// Publishes in batches, kills the plugin during each, and waits until the application has handled
/// every entry.
async fn every_entry_arrives(plugin: &str, kind: &str, bulk: bool) {
    let refused = std::sync::Arc::new(std::sync::Mutex::new(BTreeSet::new()));
    let mut called =
        Called::start(&[], move |received| (200, statuses(&received.body, &refused))).await;
    let home = Home::empty();
    let (port, folder) = (called.port, text(&home.path("messages")));
    home.write_plan(&format!(
        "[app]\n\
         port = {port}\n\
         {plugin}\
         backoff = {{ max = \"100ms\" }}\n\
         [components.bus]\n\
         type = \"pubsub.{kind}\"\n\
         metadata = {{ folder = {folder:?} }}\n\
         [[subscriptions]]\n\
         pubsub = \"bus\"\n\
         topic = \"batches\"\n\
         route = \"/batch\"\n\
         bulk = {{ max_messages = {GATHERED}, max_await = \"50ms\" }}\n"
    ));
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("bus").await;
    let capabilities = &status.component("bus").unwrap().capabilities;
    assert_eq!(capabilities.iter().any(|it| it == "BULK_PUBSUB"), bulk, "{capabilities:?}");
    replug.line("topics: [[batches]] through pubsub=bus").await;
    let endpoint = format!("http://{}", status.address("grpc"));
    let mut client = DaprClient::new(Endpoint::from_shared(endpoint).unwrap().connect_lazy());

    // A group is there from its first subscription on: until that is known, the same is published.
    publish(&mut client, 0..1).await;
    while tokio::time::timeout(std::time::Duration::from_secs(1), called.post()).await.is_err() {
        publish(&mut client, 0..1).await;
    }
    for time in 0..TIMES {
        let numbers = 1 + time * AT_A_TIME..1 + (time + 1) * AT_A_TIME;
        let killed = replug.kill_at_once("broker");
        let ((), ()) = tokio::join!(publish(&mut client, numbers), killed);
        let again = |status: &Status| {
            let plugin = status.plugin("broker").unwrap();
            plugin.restarts == u64::from(time) + 1 && plugin.state == "ready"
        };
        replug.until("the plugin is back", again).await;
    }
    let wanted: BTreeSet<u64> = (1..=u64::from(TIMES * AT_A_TIME)).collect();
    let mut again: BTreeSet<u64> = wanted.iter().copied().filter(|it| it % 3 == 0).collect();
    let mut seen = BTreeSet::new();
    while !(seen.is_superset(&wanted) && again.is_empty()) {
        let batch = called.post().await;
        assert_eq!(
            (&*batch.path, &batch.headers["content-type"]),
            ("/batch", &"application/json".parse().unwrap())
        );
        let batch: Value = serde_json::from_str(&batch.body).unwrap();
        assert_eq!(batch["type"], "com.dapr.event.sent.bulk");
        for entry in batch["entries"].as_array().unwrap() {
            assert_eq!(entry["event"]["topic"], "batches");
            let number = entry["event"]["data"]["number"].as_u64().unwrap();
            if !seen.insert(number) {
                // What was refused has come once more.
                again.remove(&number);
            }
        }
    }
    let restarts = replug.status().await.plugin("broker").unwrap().restarts;
    assert_eq!(restarts, u64::from(TIMES));
    replug.stop(&home).await;
}

/// Publishes these numbers in one call, all of which have to be taken.
async fn publish(
    client: &mut DaprClient<tonic::transport::Channel>,
    numbers: std::ops::Range<u32>,
) {
    let entries = numbers.map(|number| BulkPublishRequestEntry {
        entry_id: number.to_string(),
        event: json!({ "number": number }).to_string().into_bytes().into(),
        content_type: "application/json".into(),
        ..Default::default()
    });
    let request = BulkPublishRequest {
        pubsub_name: "bus".into(),
        topic: "batches".into(),
        entries: entries.collect(),
        ..Default::default()
    };
    let answer = client.bulk_publish_event(request).await.unwrap().into_inner();
    assert_eq!(answer.failed_entries, []);
}
