//! What a pubsub component does while its plugin dies, comes back, is replaced and is several
//! processes.

mod support;

use std::sync::Arc;
use std::time::Duration;

use replug_component::Context;
use replug_component::pubsub::{
    BulkEntry, BulkPublishRequest, Delivery, FailedEntry, PubSub, PublishRequest, SubscribeRequest,
    Subscription,
};
use replug_runtime::plugin::Seat;
use replug_runtime::registry::Registry;
use replug_runtime::subscriptions::pause;

use tokio::time::{Instant, timeout};

use support::broker::{Broker, BrokerLife};
use support::spec;

const CX: Context = Context { deadline: None };

/// Two processes of one plugin.
const SEATS: [Seat; 2] = [Seat { instance: 1, generation: 1 }, Seat { instance: 2, generation: 1 }];

async fn registry() -> Arc<Registry> {
    let registry = Arc::new(Registry::new("shop", ""));
    registry.declare(spec("bus", "pubsub.broker", &[])).await.unwrap();
    registry
}

async fn component(registry: &Registry) -> Arc<dyn PubSub> {
    registry.pubsub("bus").unwrap().slot.component(&CX).await.unwrap()
}

async fn subscribed(component: &Arc<dyn PubSub>) -> Subscription {
    let request = SubscribeRequest { topic: "orders".into(), ..SubscribeRequest::default() };
    component.subscribe(&CX, request).await.unwrap()
}

fn message(data: &'static str) -> PublishRequest {
    PublishRequest { data: data.into(), topic: "orders".into(), ..PublishRequest::default() }
}

/// The next message, which has to be this one.
async fn next(subscription: &mut Subscription, data: &str) -> Delivery {
    let delivery = subscription.next().await.unwrap();
    assert_eq!(delivery.message.data, data);
    delivery
}

/// The broker's plugin in its first life, and a subscription to its component.
async fn heard(broker: &Arc<Broker>) -> (Arc<Registry>, BrokerLife, Subscription) {
    let registry = registry().await;
    let life = BrokerLife::begin(broker).await;
    life.attach(&registry).await;
    let subscription = subscribed(&component(&registry).await).await;
    (registry, life, subscription)
}

/// Nothing comes, on a clock that goes on only when nothing else does.
async fn assert_silent(subscription: &mut Subscription) {
    let more = timeout(Duration::from_secs(1), subscription.next()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test]
async fn a_subscription_goes_on_in_the_plugins_next_life_with_what_was_not_acknowledged() {
    let (broker, registry) = (Broker::new(), registry().await);
    let first = BrokerLife::begin(&broker).await;
    first.attach(&registry).await;
    let mut subscription = subscribed(&component(&registry).await).await;
    for data in ["1", "2", "3"] {
        broker.put(data);
    }
    next(&mut subscription, "1").await.acker.ack();
    let late = next(&mut subscription, "2").await;
    first.kill().await;
    broker.until_streams(0).await;

    let second = BrokerLife::begin(&broker).await;
    second.attach(&registry).await;
    // The answer of the dead stream reaches nobody.
    late.acker.ack();
    next(&mut subscription, "2").await.acker.ack();
    next(&mut subscription, "3").await.acker.nack("no room");
    next(&mut subscription, "3").await.acker.ack();
    let answered = broker.until_answered(4).await;
    let expected = [("1", None), ("2", None), ("3", Some("no room")), ("3", None)];
    let expected = expected.map(|(data, error)| (data.to_owned(), error.map(str::to_owned)));
    assert_eq!(answered, expected);
    assert_eq!(*broker.calls.lock(), ["init shop", "pull orders", "init shop", "pull orders"]);
}

#[tokio::test]
async fn a_subscription_can_be_made_before_there_is_a_plugin_and_is_open_before_callers_are_let_through()
 {
    let (broker, registry) = (Broker::new(), registry().await);
    // A wrapper is there once the plugin was.
    let first = BrokerLife::begin(&broker).await;
    first.attach(&registry).await;
    let component = component(&registry).await;
    first.kill().await;
    registry.suspend("broker", Seat::default(), "it was killed");

    let mut subscription = subscribed(&component).await;
    let held = tokio::spawn({
        let component = component.clone();
        async move { component.publish(&CX, message("held")).await }
    });
    let second = BrokerLife::begin(&broker).await;
    second.attach(&registry).await;
    // Done with the initialisation, that is: it does not come later by itself.
    assert_eq!(*broker.streams.borrow(), 1);
    held.await.unwrap().unwrap();
    next(&mut subscription, "held").await.acker.ack();
}

#[tokio::test]
async fn a_publish_on_its_way_when_the_plugin_dies_is_sent_again() {
    let (broker, registry) = (Broker::new(), registry().await);
    let first = BrokerLife::begin(&broker).await;
    first.attach(&registry).await;
    let component = component(&registry).await;
    let mut subscription = subscribed(&component).await;
    let publish = tokio::spawn({
        let component = component.clone();
        async move { component.publish(&CX, message("hang")).await }
    });
    broker.hanging.subscribe().wait_for(|hanging| *hanging == 1).await.unwrap();
    first.kill().await;
    BrokerLife::begin(&broker).await.attach(&registry).await;
    publish.await.unwrap().unwrap();
    next(&mut subscription, "hang").await.acker.ack();
}

#[tokio::test]
async fn a_bulk_publish_tells_what_was_not_published() {
    let (broker, registry) = (Broker::new(), registry().await);
    let life = BrokerLife::begin(&broker).await;
    life.attach(&registry).await;
    let component = component(&registry).await;
    let entry = |id: &str, content_type: &str| BulkEntry {
        entry_id: id.into(),
        event: "x".into(),
        content_type: content_type.into(),
        ..BulkEntry::default()
    };
    let entries = vec![entry("a", "bad"), entry("b", "good")];
    let request = BulkPublishRequest { entries, ..BulkPublishRequest::default() };
    let failed = component.bulk_publish(&CX, request).await.unwrap();
    assert_eq!(failed, [FailedEntry { entry_id: "a".into(), error: "it is bad".into() }]);
}

#[tokio::test]
async fn there_is_a_stream_at_each_process_of_the_plugin() {
    let (broker, registry) = (Broker::new(), registry().await);
    let lives = [BrokerLife::begin(&broker).await, BrokerLife::begin(&broker).await];
    for (life, seat) in lives.iter().zip(SEATS) {
        life.attach_at(&registry, seat).await;
    }
    let mut subscription = subscribed(&component(&registry).await).await;
    broker.until_streams(2).await;
    broker.put("1");
    broker.put("2");
    // Each has its own message in hand.
    let both = [subscription.next().await.unwrap(), subscription.next().await.unwrap()];
    let mut data = both.each_ref().map(|delivery| delivery.message.data.clone());
    data.sort();
    assert_eq!(data, ["1", "2"]);
    for delivery in both {
        delivery.acker.ack();
    }
    broker.until_answered(2).await;
    lives[0].kill().await;
    broker.until_streams(1).await;
    broker.put("3");
    next(&mut subscription, "3").await.acker.ack();
}

#[tokio::test]
async fn an_end_that_is_taken_out_has_its_message_answered_before_it_is_drained() {
    let (broker, registry) = (Broker::new(), registry().await);
    let old = BrokerLife::begin(&broker).await;
    old.attach_at(&registry, SEATS[0]).await;
    let mut subscription = subscribed(&component(&registry).await).await;
    broker.put("1");
    let in_hand = next(&mut subscription, "1").await;

    let heir = BrokerLife::begin(&broker).await;
    registry.stand_by("broker", SEATS[1]);
    heir.attach_at(&registry, SEATS[1]).await;
    assert_eq!(*broker.streams.borrow(), 1);
    registry.admit("broker", SEATS[1]).await;
    let (_, draining, rest) = registry.release("broker", SEATS[0], "replaced");
    rest.await;
    let early = tokio::time::timeout(Duration::from_millis(20), draining.done()).await;
    assert!(early.is_err());
    in_hand.acker.ack();
    draining.done().await;
    assert_eq!(broker.until_answered(1).await, [("1".to_owned(), None)]);
    broker.put("2");
    next(&mut subscription, "2").await.acker.ack();
}

#[tokio::test]
async fn dropping_a_subscription_ends_its_streams_when_what_it_gave_is_answered() {
    let broker = Broker::new();
    let (_registry, _life, mut subscription) = heard(&broker).await;
    broker.put("1");
    broker.put("2");
    let Delivery { acker, .. } = next(&mut subscription, "1").await;
    drop(subscription);
    acker.ack();
    assert_eq!(broker.until_answered(1).await, [("1".to_owned(), None)]);
    broker.until_streams(0).await;
}

#[tokio::test]
async fn a_paused_component_reads_nothing_in_its_next_life_either() {
    let (broker, registry) = (Broker::new(), registry().await);
    let first = BrokerLife::begin(&broker).await;
    first.attach(&registry).await;
    let component = component(&registry).await;
    let mut subscription = subscribed(&component).await;
    component.pause().await.unwrap();
    first.kill().await;
    broker.until_streams(0).await;
    let second = BrokerLife::begin(&broker).await;
    second.attach(&registry).await;
    assert_eq!(*broker.streams.borrow(), 0);
    broker.put("1");
    component.resume().await.unwrap();
    next(&mut subscription, "1").await.acker.ack();
    assert_eq!(
        *broker.calls.lock(),
        ["init shop", "pull orders", "pause", "init shop", "pull orders"]
    );
}

#[tokio::test]
async fn a_plugin_that_nobody_subscribes_to_is_not_paused() {
    let (broker, registry) = (Broker::new(), registry().await);
    let life = BrokerLife::begin(&broker).await;
    life.attach(&registry).await;
    pause(&registry).await;
    assert_eq!(*broker.calls.lock(), ["init shop"]);
}

/// On a clock that goes on only when nothing else does.
#[tokio::test(start_paused = true)]
async fn a_plugin_that_pauses_when_all_is_answered_has_the_answers_to_what_it_has_sent() {
    let broker = Broker::that_pauses(3);
    let (registry, _life, mut subscription) = heard(&broker).await;
    for data in ["1", "2", "3"] {
        broker.put(data);
    }
    let late = next(&mut subscription, "1").await;
    // Sent, and not read yet.
    broker.until_out(3).await;
    broker.put("4");
    let begun = Instant::now();
    let answering = async {
        broker.until_paused().await;
        late.acker.ack();
        for data in ["2", "3"] {
            next(&mut subscription, data).await.acker.ack();
        }
    };
    let both = async { tokio::join!(pause(&registry), answering) };
    timeout(Duration::from_secs(60), both).await.expect("what it has sent is read");
    assert!(begun.elapsed() < Duration::from_secs(1), "it has paused: {:?}", begun.elapsed());
    let answers = ["1", "2", "3"].map(|data| (data.to_owned(), None));
    assert_eq!(broker.until_answered(3).await, answers);
    drop(subscription);
    broker.until_streams(0).await;
    assert_eq!(broker.waiting(), ["4"]);
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_pauses_without_end_is_given_up_and_gets_back_what_it_has_sent() {
    let broker = Broker::that_pauses(2);
    let (registry, _life, mut subscription) = heard(&broker).await;
    for data in ["1", "2", "3"] {
        broker.put(data);
    }
    let unanswered = next(&mut subscription, "1").await;
    broker.until_out(2).await;
    let begun = Instant::now();
    pause(&registry).await;
    assert_eq!(begun.elapsed().as_secs(), 5);
    // Nothing more is read, although there is room again.
    unanswered.acker.ack();
    broker.until_answered(1).await;
    assert_silent(&mut subscription).await;
    drop(subscription);
    broker.until_streams(0).await;
    assert_eq!(broker.waiting(), ["2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn a_plugin_without_a_pause_is_not_read_from_and_has_the_answers() {
    let broker = Broker::new();
    let (registry, _life, mut subscription) = heard(&broker).await;
    broker.put("1");
    let late = next(&mut subscription, "1").await;
    pause(&registry).await;
    late.acker.ack();
    broker.until_answered(1).await;
    broker.put("2");
    broker.until_out(1).await;
    assert_silent(&mut subscription).await;
    drop(subscription);
    broker.until_streams(0).await;
    assert_eq!(broker.waiting(), ["2"]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_heard_while_a_message_is_waited_for() {
    let broker = Broker::new();
    let (registry, _life, mut subscription) = heard(&broker).await;
    // The stream is read when this has come.
    broker.put("1");
    next(&mut subscription, "1").await.acker.ack();
    broker.until_answered(1).await;
    pause(&registry).await;
    broker.put("2");
    broker.until_out(1).await;
    assert_silent(&mut subscription).await;
    drop(subscription);
    broker.until_streams(0).await;
    assert_eq!(broker.waiting(), ["2"]);
}

#[tokio::test]
async fn a_subscription_ends_when_something_else_serves_the_component() {
    let broker = Broker::new();
    let (registry, _life, mut subscription) = heard(&broker).await;
    registry.retire("broker", "it is gone for good").await;
    assert!(subscription.next().await.is_none());
}
