//! The end of a plugin.

mod support;

use std::sync::Arc;
use std::time::Duration;

use replug_proto::dapr::components::v1 as pb;
use replug_proto::dapr::components::v1::state_store_client::StateStoreClient;
use replug_sdk::Plugin;
use support::{Serving, ShelfType, connect};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// A plugin and a call that is under way in it, until `go` is told.
async fn under_way(
    drain: Duration,
) -> (Serving, Arc<tokio::sync::Notify>, impl Future<Output = Result<String, tonic::Status>>) {
    let shelf = ShelfType::default();
    let (waiting, go) = (shelf.waiting.clone(), shelf.go.clone());
    let serving = Serving::start(Plugin::named("shelf").state(shelf).drain(drain));
    let mut store = StateStoreClient::new(serving.channel().await);
    store.init(pb::InitRequest::default()).await.unwrap();
    let call = tokio::spawn(async move {
        let wait = pb::GetRequest { key: "wait".into(), ..Default::default() };
        let answer = store.get(wait).await?.into_inner();
        Ok(String::from_utf8(answer.data.into()).unwrap())
    });
    waiting.notified().await;
    (serving, go, async { call.await.unwrap() })
}

#[tokio::test]
async fn calls_under_way_are_answered_and_new_connections_refused() {
    let (mut serving, go, call) = under_way(Plugin::DRAIN).await;
    // This watcher waits for a change that never comes, and holds nothing up.
    let mut health = HealthClient::new(serving.channel().await);
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert!(watch.message().await.unwrap().is_some());

    serving.stop();
    assert!(watch.message().await.unwrap().is_none(), "the watch ends with the plugin");
    assert!(connect(&serving.socket).await.is_err());
    go.notify_one();
    assert_eq!(call.await.unwrap(), "waited");
    serving.ended().await;
}

#[tokio::test]
async fn a_call_that_does_not_end_is_cut_off() {
    let (mut serving, _go, call) = under_way(Duration::from_millis(50)).await;
    serving.stop();
    serving.ended().await;
    call.await.unwrap_err();
}
