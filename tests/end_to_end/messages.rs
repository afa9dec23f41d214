//! Messages over pubsub plugins that are killed between publishing and hearing.

use std::collections::BTreeSet;

use replug_proto::dapr::runtime::v1::PublishEventRequest;
use replug_proto::dapr::runtime::v1::dapr_client::DaprClient;
use tonic::transport::Endpoint;

use crate::rig::{Hearer, Home, Replug, go_folders, require_tool, text};
use crate::servers::redis::Redis;

const MESSAGES: usize = 60;
/// The plugin is killed before one message of so many.
const EACH: usize = 20;

#[tokio::test]
async fn every_message_in_redis_is_delivered_while_the_plugin_between_is_killed() {
    let Some(redis) = Redis::start(&[]) else { return };
    let again = "processingTimeout = \"200\", redeliverInterval = \"100ms\"";
    every_message_arrives(Home::new(&format!(
        "[plugins.broker]\n\
         builtin = \"pubsub.redis\"\n\
         backoff = {{ max = \"100ms\" }}\n\
         [components.bus]\n\
         type = \"pubsub.redis\"\n\
         metadata = {{ redisHost = {:?}, {again} }}\n",
        redis.socket()
    )))
    .await;
}

#[tokio::test]
async fn every_message_is_delivered_while_a_plugin_on_the_go_sdk_is_killed() {
    if !require_tool("go", &["version"]) {
        return;
    }
    let home = Home::empty();
    home.write_plan(&format!(
        "[plugins.broker]\n\
         command = [{:?}]\n\
         backoff = {{ max = \"100ms\" }}\n\
         [components.bus]\n\
         type = \"pubsub.go-folders\"\n\
         metadata = {{ folder = {:?} }}\n",
        go_folders(),
        text(&home.path("messages")),
    ));
    every_message_arrives(home).await;
}

/// Publishes to the component `bus` and listens to it while its plugin `broker` is killed: no publishing
/// fails, and every message comes.
async fn every_message_arrives(home: Home) {
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("bus").await;
    let mut hearer = Hearer::open(&status, "bus", "orders").await;
    let wanted: BTreeSet<String> = (0..MESSAGES).map(|number| number.to_string()).collect();
    let endpoint = format!("http://{}", status.address("grpc"));
    let mut client = DaprClient::new(Endpoint::from_shared(endpoint).unwrap().connect_lazy());
    let publish = async {
        for number in 0..MESSAGES {
            let kills = number % EACH == EACH / 2;
            if kills {
                replug.kill_at_once("broker").await;
            }
            let event = PublishEventRequest {
                pubsub_name: "bus".into(),
                topic: "orders".into(),
                data: number.to_string().into_bytes().into(),
                ..Default::default()
            };
            client.publish_event(event).await.unwrap();
            if kills {
                replug.until_ready("broker").await;
            }
        }
    };
    tokio::join!(hearer.all(&wanted), publish);
    let kills = u64::try_from(MESSAGES / EACH).unwrap();
    assert_eq!(replug.status().await.plugin("broker").unwrap().restarts, kills);
    replug.stop(&home).await;
}
