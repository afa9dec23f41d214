//! `pubsub.redis`, over a real server.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use replug_component::Error;
use replug_component::pubsub::{PubSub, PublishRequest};

use crate::servers::free_port;
use crate::servers::redis::Redis;
use crate::{CX, assert_nothing_is_lost, handled, message, next, open, publish, subscribe};

async fn open_at(redis: &Redis, settings: &[(&str, &str)]) -> Arc<dyn PubSub> {
    let socket = redis.socket();
    let common = [("redisHost", socket.as_str()), ("consumerID", "shop")];
    open("pubsub.redis", &[&common[..], settings].concat()).await.unwrap()
}

#[tokio::test]
async fn messages_lie_in_redis_as_dapr_lays_them_out_and_arrive_in_order() {
    let Some(redis) = Redis::start(&[]) else { return };
    let component = open_at(&redis, &[]).await;
    assert_eq!(component.features().iter().count(), 0);
    component.ping(&CX).await.unwrap();
    // Before anybody has subscribed: a group begins with the oldest.
    let metadata = [("colour".to_owned(), "red".to_owned())].into();
    let request = PublishRequest { metadata, ..message("orders", "1") };
    component.publish(&CX, request).await.unwrap();
    publish(&component, "orders", "2").await;
    redis.cli(&["XADD", "orders", "*", "data", "3"]);
    let entries = redis.cli(&["XRANGE", "orders", "-", "+", "COUNT", "1"]);
    let lines: Vec<&str> = entries.lines().skip(1).collect();
    assert_eq!(lines, ["data", "1", "metadata", "{\"colour\":\"red\"}"]);

    let mut subscription = subscribe(&component, "orders").await;
    let first = next(&mut subscription).await;
    assert_eq!((first.message.topic.as_str(), first.message.data.as_ref()), ("orders", &b"1"[..]));
    assert_eq!(first.message.metadata["colour"], "red");
    first.acker.ack();
    assert_eq!(handled(&mut subscription).await, "2");
    assert_eq!(handled(&mut subscription).await, "3");
    publish(&component, "orders", "4").await;
    assert_eq!(handled(&mut subscription).await, "4");
    let groups = redis.cli(&["XINFO", "GROUPS", "orders"]);
    assert!(groups.starts_with("name\nshop\nconsumers\n1"), "{groups}");
}

#[tokio::test]
async fn instances_with_one_consumer_id_share_messages_and_others_get_them_all() {
    let Some(redis) = Redis::start(&[]) else { return };
    let components = [open_at(&redis, &[]).await, open_at(&redis, &[]).await];
    let socket = redis.socket();
    let other = [("redisHost", socket.as_str()), ("consumerID", "billing")];
    let other = open("pubsub.redis", &other).await.unwrap();
    let mut both = [subscribe(&components[0], "t").await, subscribe(&components[1], "t").await];
    let mut all = subscribe(&other, "t").await;
    for number in 0..100 {
        publish(&components[0], "t", &number.to_string()).await;
    }
    let mut shared = std::collections::HashSet::new();
    let [one, two] = &mut both;
    while shared.len() < 100 {
        let data = tokio::select! {
            data = handled(one) => data,
            data = handled(two) => data,
        };
        assert!(shared.insert(data), "a message went to both");
    }
    for number in 0..100 {
        assert_eq!(handled(&mut all).await, number.to_string());
    }
}

#[tokio::test]
async fn what_is_not_acknowledged_is_delivered_again_and_what_is_acknowledged_is_not() {
    let Some(redis) = Redis::start(&[]) else { return };
    let again = [("processingTimeout", "300"), ("redeliverInterval", "100ms")];
    let component = open_at(&redis, &again).await;
    let mut subscription = subscribe(&component, "t").await;
    for data in ["kept", "failed", "dropped"] {
        publish(&component, "t", data).await;
    }
    next(&mut subscription).await.acker.ack();
    next(&mut subscription).await.acker.nack("no room");
    drop(next(&mut subscription).await);
    let mut seen = [handled(&mut subscription).await, handled(&mut subscription).await];
    seen.sort();
    assert_eq!(seen, ["dropped", "failed"]);

    // Also those of a life before, and with a server that was killed meanwhile.
    publish(&component, "t", "held").await;
    let held = next(&mut subscription).await;
    drop((subscription, component));
    drop(held);
    let component = open_at(&redis, &again).await;
    let mut subscription = subscribe(&component, "t").await;
    assert_eq!(handled(&mut subscription).await, "held");
}

#[tokio::test]
async fn no_more_messages_are_out_at_once_than_concurrency_says() {
    let Some(redis) = Redis::start(&[]) else { return };
    let component = open_at(&redis, &[("concurrency", "2"), ("queueDepth", "5")]).await;
    let mut subscription = subscribe(&component, "t").await;
    for number in 0..20 {
        publish(&component, "t", &number.to_string()).await;
    }
    let first = next(&mut subscription).await;
    let second = next(&mut subscription).await;
    let third = tokio::time::timeout(Duration::from_millis(300), subscription.next()).await;
    assert!(third.is_err(), "{third:?}");
    second.acker.ack();
    assert_eq!(handled(&mut subscription).await, "2");
    first.acker.ack();
    for number in 3..20 {
        assert_eq!(handled(&mut subscription).await, number.to_string());
    }
}

#[tokio::test]
async fn a_paused_component_delivers_nothing_and_a_closed_one_ends_its_subscriptions() {
    let Some(redis) = Redis::start(&[]) else { return };
    let component = open_at(&redis, &[]).await;
    let mut subscription = subscribe(&component, "t").await;
    component.pause().await.unwrap();
    publish(&component, "t", "1").await;
    let early = tokio::time::timeout(Duration::from_millis(300), subscription.next()).await;
    assert!(early.is_err(), "{early:?}");
    component.resume().await.unwrap();
    assert_eq!(handled(&mut subscription).await, "1");
    drop(component);
    assert!(subscription.next().await.is_none());
}

#[tokio::test]
async fn streams_are_kept_as_short_as_they_are_told_to_be() {
    let Some(redis) = Redis::start(&["--stream-node-max-entries", "10"]) else { return };
    let component = open_at(&redis, &[("maxLenApprox", "20")]).await;
    let young = open_at(&redis, &[("streamTTL", "1ms")]).await;
    for number in 0..200 {
        publish(&component, "long", &number.to_string()).await;
        publish(&young, "young", &number.to_string()).await;
    }
    for topic in ["long", "young"] {
        let length: u32 = redis.cli(&["XLEN", topic]).parse().unwrap();
        assert!(length < 60, "{topic}: {length}");
    }
}

#[tokio::test]
async fn no_message_is_lost_with_a_redis_that_is_killed() {
    let Some(redis) = Redis::start(&[]) else { return };
    let settings =
        [("redisMaxRetries", "0"), ("processingTimeout", "500ms"), ("redeliverInterval", "200ms")];
    let component = open_at(&redis, &settings).await;
    let redis = RefCell::new(redis);
    let kill = || redis.borrow_mut().kill();
    assert_nothing_is_lost(&component, kill, || redis.borrow_mut().start_again()).await;
}

#[tokio::test]
async fn a_redis_that_is_not_there_is_told_with_its_address() {
    let address = format!("127.0.0.1:{}", free_port());
    let settings = [("redisHost", address.as_str()), ("consumerID", "a"), ("redisMaxRetries", "0")];
    let error = open("pubsub.redis", &settings).await.err().expect("nobody is there");
    assert!(matches!(error, Error::Failed(_)), "{error}");
    assert!(error.to_string().contains(&address), "{error}");
}
