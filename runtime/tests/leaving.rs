//! When subscriptions are made, how messages are gathered, and what becomes of those that the
//! application has when a component goes.

mod support;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::Request;
use replug_runtime::app::Protocol;
use replug_runtime::registry::Registry;
use replug_runtime::subscriptions::Subscriptions;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use support::application::{HttpApplication, answer, settings};
use support::broker::{Broker, BrokerLife};
use support::running::{Running, body, http, next, registry};
use support::spec;

/// A registry with this broker behind `bus`.
async fn over(broker: &Arc<Broker>) -> (Arc<Registry>, BrokerLife) {
    let registry = Arc::new(Registry::new("shop", ""));
    registry.declare(spec("bus", "pubsub.broker", &[])).await.unwrap();
    let life = BrokerLife::begin(broker).await;
    life.attach(&registry).await;
    (registry, life)
}

/// The numbers that a batch carries.
fn numbers(batch: &Value) -> Vec<u64> {
    let entries = batch["entries"].as_array().unwrap().iter();
    entries.map(|entry| entry["event"]["n"].as_u64().unwrap()).collect()
}

/// Answers an entry of a batch by what its number leaves: handled, dropped, not at all.
fn by_thirds(_: &str, body: &str) -> (u16, String) {
    let envelope: Value = serde_json::from_str(body).unwrap();
    let entries = envelope["entries"].as_array().unwrap().iter();
    let statuses: Vec<_> = entries
        .filter_map(|entry| {
            let status = match entry["event"]["n"].as_u64().unwrap() % 3 {
                0 => "SUCCESS",
                1 => "DROP",
                _ => return None,
            };
            Some(json!({"entryId": entry["entryId"], "status": status}))
        })
        .collect();
    (200, json!({ "statuses": statuses }).to_string())
}

#[tokio::test]
async fn several_messages_of_a_plugin_are_delivered_at_once_and_answered_one_by_one() {
    let named = r#"[{"pubsubname":"bus","topic":"orders","route":"/bulk",
        "bulkSubscribe":{"enabled":true,"maxMessagesCount":3,"maxAwaitDurationMs":60000}}]"#;
    let (application, mut posts) = http(named, by_thirds).await;
    let broker = Broker::that_can(3, &[]);
    let (registry, _life) = over(&broker).await;
    let settings = settings(application.address, Protocol::Http);
    let running = Running::start(registry, settings, Subscriptions::default());
    for n in 0..3 {
        broker.put(&json!({ "id": n.to_string(), "n": n }).to_string());
    }
    assert_eq!(numbers(&body(&next(&mut posts).await)), [0, 1, 2]);
    let mut answered = broker.until_answered(3).await;
    answered.sort();
    let failed: Vec<_> = answered.iter().map(|(_, error)| error.is_some()).collect();
    assert_eq!(failed, [false, false, true], "{answered:?}");
    running.end().await;
}

#[tokio::test]
async fn messages_of_a_component_that_wants_none_to_wait_are_delivered_as_they_come() {
    let named = r#"[{"pubsubname":"bus","topic":"orders","route":"/bulk",
        "bulkSubscribe":{"enabled":true,"maxMessagesCount":100,"maxAwaitDurationMs":60000}}]"#;
    let (application, mut posts) = http(named, by_thirds).await;
    let broker = Broker::that_can(1, &["BULK_SUBSCRIBE_IMMEDIATE"]);
    let (registry, _life) = over(&broker).await;
    let settings = settings(application.address, Protocol::Http);
    let running = Running::start(registry, settings, Subscriptions::default());
    for n in [0, 3] {
        broker.put(&json!({ "id": n.to_string(), "n": n }).to_string());
        assert_eq!(numbers(&body(&next(&mut posts).await)), [n]);
    }
    broker.until_answered(2).await;
    running.end().await;
}

#[tokio::test]
async fn what_is_published_once_everything_is_settled_is_delivered() {
    let (sender, mut posts) = mpsc::unbounded_channel();
    let (say, said) = watch::channel(false);
    let (asked, mut is_asked) = mpsc::unbounded_channel();
    let application = HttpApplication::start(move |request: Request<Bytes>| {
        let (sender, mut said, asked) = (sender.clone(), said.clone(), asked.clone());
        async move {
            if request.method() == "POST" {
                sender.send(request).ok();
                return answer(200, "");
            }
            if request.uri().path() != "/dapr/subscribe" {
                return answer(404, "");
            }
            asked.send(()).ok();
            said.wait_for(|said| *said).await.unwrap();
            answer(200, r#"[{"pubsubname":"bus","topic":"a","route":"/a"}]"#)
        }
    })
    .await;
    let settings = settings(application.address, Protocol::Http);
    let running = Running::start(registry().await, settings, Subscriptions::default());
    let subscriptions = running.subscriptions.clone();
    let mut settled = std::pin::pin!(subscriptions.settled());
    assert!(settled.as_mut().now_or_never().is_none());
    is_asked.recv().await.unwrap();
    assert!(settled.as_mut().now_or_never().is_none(), "it is not known what it wants");
    say.send_replace(true);
    settled.await;
    running.publish("a", r#"{"id":"1"}"#).await;
    assert_eq!(body(&next(&mut posts).await)["id"], "1");
    // From now on it is at once.
    subscriptions.settled().await;
    running.end().await;
}

#[tokio::test]
async fn a_message_in_the_applications_hands_is_answered_when_its_component_goes_and_no_other_is() {
    let (sender, mut posts) = mpsc::unbounded_channel();
    let (say, said) = watch::channel(false);
    let application = HttpApplication::start(move |request: Request<Bytes>| {
        let (sender, mut said) = (sender.clone(), said.clone());
        async move {
            if request.method() == "POST" {
                sender.send(request).ok();
                said.wait_for(|said| *said).await.unwrap();
                return answer(200, "");
            }
            match request.uri().path() {
                "/dapr/subscribe" => {
                    answer(200, r#"[{"pubsubname":"bus","topic":"orders","route":"/orders"}]"#)
                }
                _ => answer(404, ""),
            }
        }
    })
    .await;
    let broker = Broker::new();
    let (registry, _life) = over(&broker).await;
    let settings = settings(application.address, Protocol::Http);
    let running = Running::start(registry.clone(), settings, Subscriptions::default());
    broker.put(r#"{"id":"1"}"#);
    next(&mut posts).await;
    assert!(registry.undeclare("bus", "it is taken out"));
    broker.put(r#"{"id":"2"}"#);
    say.send_replace(true);
    assert_eq!(broker.until_answered(1).await, [(r#"{"id":"1"}"#.to_owned(), None)]);
    broker.until_streams(0).await;
    assert_eq!(broker.waiting(), [r#"{"id":"2"}"#], "it is for whoever comes next");
    assert_eq!(broker.answered.borrow().len(), 1);
    running.end().await;
    assert!(posts.is_empty());
}
