//! The built-in pubsub components over real servers.

#[path = "pubsubs/jetstream.rs"]
mod jetstream;
#[path = "pubsubs/redis.rs"]
mod redis;
mod servers;

use std::collections::HashSet;
use std::sync::Arc;

use replug_component::pubsub::{Delivery, PubSub, PublishRequest, SubscribeRequest, Subscription};
use replug_component::{Context, Error, Metadata};
use replug_runtime::builtin::{Builtin, find};

use servers::PATIENCE;

const CX: Context = Context { deadline: None };

/// A component of a built-in type.
async fn open(kind: &str, settings: &[(&str, &str)]) -> Result<Arc<dyn PubSub>, Error> {
    let metadata: Metadata =
        settings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    match find(&kind.parse().unwrap()) {
        Some(Builtin::PubSub(_, kind)) => kind.open(metadata).await,
        _ => panic!("{kind} is no built-in pubsub component"),
    }
}

fn message(topic: &str, data: &str) -> PublishRequest {
    let (data, topic) = (data.to_owned().into(), topic.to_owned());
    PublishRequest { data, topic, ..PublishRequest::default() }
}

async fn publish(component: &Arc<dyn PubSub>, topic: &str, data: &str) {
    component.publish(&CX, message(topic, data)).await.unwrap();
}

async fn subscribe(component: &Arc<dyn PubSub>, topic: &str) -> Subscription {
    let request = SubscribeRequest { topic: topic.into(), ..SubscribeRequest::default() };
    component.subscribe(&CX, request).await.unwrap()
}

async fn next(subscription: &mut Subscription) -> Delivery {
    let next = tokio::time::timeout(PATIENCE, subscription.next()).await;
    next.expect("a message comes in time").expect("the subscription goes on")
}

/// Takes the next message, acknowledges it, and gives its data.
async fn handled(subscription: &mut Subscription) -> String {
    let Delivery { message, acker } = next(subscription).await;
    acker.ack();
    String::from_utf8(message.data.to_vec()).unwrap()
}

/// Publishes while the server is killed and started again in the middle, and checks that every message
/// whose publishing was acknowledged arrives.
async fn assert_nothing_is_lost(
    component: &Arc<dyn PubSub>,
    mut kill: impl FnMut(),
    mut start: impl FnMut(),
) {
    let mut subscription = subscribe(component, "storm").await;
    let mut published = HashSet::new();
    let mut arrived = HashSet::new();
    for number in 0..600 {
        let data = number.to_string();
        if component.publish(&CX, message("storm", &data)).await.is_ok() {
            published.insert(data);
        }
        match number {
            200 => kill(),
            // Some publishing has failed by now.
            202 => start(),
            _ if number % 3 == 0 && published.len() > arrived.len() && number < 200 => {
                arrived.insert(handled(&mut subscription).await);
            }
            _ => {}
        }
    }
    assert!(published.len() > 500 && published.len() < 600, "{}", published.len());
    while !published.is_subset(&arrived) {
        arrived.insert(handled(&mut subscription).await);
    }
}
