//! `pubsub.jetstream`, over a real server.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::stream::{Config, StorageType};
use replug_component::pubsub::{PubSub, SubscribeRequest};

use crate::servers::free_port;
use crate::servers::nats::Nats;
use crate::{CX, assert_nothing_is_lost, handled, message, next, open, publish, subscribe};

/// Makes a stream of these subjects, as an operator would.
async fn make_stream(nats: &Nats, name: &str, subjects: &[&str]) -> async_nats::jetstream::Context {
    let client = async_nats::connect(nats.address()).await.unwrap();
    let context = async_nats::jetstream::new(client);
    let subjects = subjects.iter().map(|subject| (*subject).to_owned()).collect();
    let storage = StorageType::File;
    let config = Config { name: name.to_owned(), subjects, storage, ..Config::default() };
    context.create_stream(config).await.unwrap();
    context
}

async fn open_at(nats: &Nats, settings: &[(&str, &str)]) -> Arc<dyn PubSub> {
    let url = format!("nats://{}", nats.address());
    open("pubsub.jetstream", &[&[("natsURL", url.as_str())], settings].concat()).await.unwrap()
}

#[tokio::test]
async fn messages_of_a_stream_arrive_in_order_and_twice_the_same_event_is_one() {
    let Some(nats) = Nats::start(&[]) else { return };
    let context = make_stream(&nats, "shop", &["orders.*"]).await;
    let component = open_at(&nats, &[]).await;
    component.ping(&CX).await.unwrap();
    publish(&component, "orders.eu", "{\"id\":\"1\",\"data\":\"first\"}").await;
    publish(&component, "orders.eu", "{\"id\":\"1\",\"data\":\"again\"}").await;
    publish(&component, "orders.eu", "no event").await;
    let mut stream = context.get_stream("shop").await.unwrap();
    assert_eq!(stream.info().await.unwrap().state.messages, 2);

    let mut subscription = subscribe(&component, "orders.*").await;
    let first = next(&mut subscription).await;
    assert_eq!(first.message.data, "{\"id\":\"1\",\"data\":\"first\"}");
    assert_eq!(first.message.topic, "orders.*");
    assert_eq!(first.message.metadata["Topic"], "orders.eu");
    // One after the other, unless it is told otherwise.
    let early = tokio::time::timeout(Duration::from_millis(200), subscription.next()).await;
    assert!(early.is_err(), "{early:?}");
    first.acker.ack();
    assert_eq!(handled(&mut subscription).await, "no event");
    drop(component);
    assert!(subscription.next().await.is_none());
}

#[tokio::test]
async fn what_failed_is_delivered_again_and_what_was_handled_is_not_waited_for() {
    let Some(nats) = Nats::start(&[]) else { return };
    make_stream(&nats, "shop", &["t"]).await;
    let settings = [("durableName", "billing"), ("concurrency", "parallel")];
    let component = open_at(&nats, &settings).await;
    let mut subscription = subscribe(&component, "t").await;
    for data in ["1", "2", "3"] {
        publish(&component, "t", data).await;
    }
    let first = next(&mut subscription).await;
    assert_eq!(handled(&mut subscription).await, "2");
    first.acker.nack("no room");
    let mut seen = [handled(&mut subscription).await, handled(&mut subscription).await];
    seen.sort();
    assert_eq!(seen, ["1", "3"]);
}

#[tokio::test]
async fn no_message_is_lost_with_a_nats_server_that_is_killed() {
    for durable in [&[][..], &[("durableName", "billing")]] {
        let Some(nats) = Nats::start(&[]) else { return };
        make_stream(&nats, "storm", &["storm"]).await;
        let settings = [durable, &[("ackWait", "1s"), ("concurrency", "parallel")]].concat();
        let component = open_at(&nats, &settings).await;
        let nats = RefCell::new(nats);
        let kill = || nats.borrow_mut().kill();
        assert_nothing_is_lost(&component, kill, || nats.borrow_mut().start_again()).await;
    }
}

#[tokio::test]
async fn a_token_is_used_and_a_wrong_one_not_shown_nor_is_a_password() {
    let Some(nats) = Nats::start(&["--auth", "t0ken"]) else { return };
    open_at(&nats, &[("token", "t0ken")]).await;
    let url = format!("nats://shop:Wr0ng@{}", nats.address());
    for settings in [&[("natsURL", url.as_str())][..], &[("natsURL", &url), ("token", "Wr0ng")]] {
        let error = open("pubsub.jetstream", settings).await.err().expect("it is refused");
        let error = error.to_string();
        assert!(error.contains(&nats.address()) && !error.contains("Wr0ng"), "{error}");
    }
}

#[tokio::test]
async fn a_server_or_a_stream_that_is_not_there_is_told() {
    let address = format!("127.0.0.1:{}", free_port());
    let error = open("pubsub.jetstream", &[("natsURL", &address)]).await.err();
    let error = error.expect("nobody is there").to_string();
    assert!(error.contains(&address), "{error}");

    let Some(nats) = Nats::start(&[]) else { return };
    let component = open_at(&nats, &[]).await;
    let request = SubscribeRequest { topic: "none".into(), ..SubscribeRequest::default() };
    let error = component.subscribe(&CX, request).await.unwrap_err().to_string();
    assert!(error.contains("`streamName`") && error.contains("none"), "{error}");
    let error = component.publish(&CX, message("none", "x")).await.unwrap_err().to_string();
    assert!(error.contains("cannot publish to none"), "{error}");
}
