//! Messages: published by an SDK, and heard by it where it has streams, and by its server where it has
//! one.

use std::collections::BTreeSet;

use serde_json::json;

use super::AT_ONCE;
use super::bindings::receives;
use super::session::Session;
use crate::rig::{Hearer, Sdk};
use crate::servers::redis::Redis;

const TOPIC: &str = "orders";
/// What an SDK's server subscribes to, one message at a time, and the step that says what came.
const SERVED: (&str, &str) = ("served", "message");
/// The same, several messages at a time.
const GATHERED: (&str, &str) = ("gathered", "gathered");
const MESSAGES: usize = 6;

/// The component `bus`, served by a plugin of that name over this server.
pub(super) fn plan(redis: &Redis) -> String {
    let again = "processingTimeout = \"200\", redeliverInterval = \"100ms\"";
    format!(
        "[plugins.bus]\n\
         builtin = \"pubsub.redis\"\n\
         {AT_ONCE}\
         [components.bus]\n\
         type = \"pubsub.redis\"\n\
         metadata = {{ redisHost = {:?}, {again} }}\n",
        redis.socket()
    )
}

/// Whether it can subscribe by a stream.
fn hears(sdk: Sdk) -> bool {
    matches!(sdk, Sdk::Python | Sdk::PythonFastApi | Sdk::Java | Sdk::Go)
}

/// Whether its server has a call to subscribe to several messages at a time.
fn gathers(sdk: Sdk) -> bool {
    matches!(sdk, Sdk::NodeGrpc | Sdk::NodeHttp | Sdk::Java)
}

/// Each message is published after a kill, and all of them come.
pub(super) async fn publish_after_kills(session: &mut Session, plugin: &str) {
    let wanted: BTreeSet<String> =
        (0..MESSAGES).map(|number| format!("message {number}")).collect();
    let hears = hears(session.sdk);
    // One group has a message once, so only one of the two listens.
    let mut other = None;
    if hears {
        let () = session.step("subscribe", json!({ "topic": TOPIC })).await;
    } else {
        let status = session.replug.status().await;
        other = Some(Hearer::open(&status, "bus", TOPIC).await);
    }
    for message in &wanted {
        let message = json!({ "topic": TOPIC, "data": message });
        let () = session.step_after_kill(plugin, "publish", message).await;
    }
    if let Some(mut hearer) = other {
        let mut seen = BTreeSet::new();
        while seen.len() < MESSAGES {
            // Some SDKs write a text as JSON.
            seen.insert(hearer.next().await.trim_matches('"').to_owned());
        }
        assert_eq!(seen, wanted);
    } else {
        let mut seen = BTreeSet::new();
        while seen.len() < MESSAGES {
            let message: String = session.step("next", json!({})).await;
            seen.insert(message.trim_matches('"').to_owned());
        }
        assert_eq!(seen, wanted);
    }
    let mut kills = MESSAGES;
    let served = receives(session.sdk).then_some(SERVED);
    let gathered = gathers(session.sdk).then_some(GATHERED);
    for (topic, step) in served.into_iter().chain(gathered) {
        serve_after_kills(session, plugin, &wanted, topic, step).await;
        kills += MESSAGES;
    }
    session.assert_killed(plugin, kills.try_into().unwrap()).await;
}

/// Each message is published after a kill, and all of them come to the SDK's server, which has named
/// its subscription to the topic itself.
async fn serve_after_kills(
    session: &mut Session,
    plugin: &str,
    wanted: &BTreeSet<String>,
    topic: &str,
    step: &str,
) {
    for message in wanted {
        let message = json!({ "topic": topic, "data": message });
        let () = session.step_after_kill(plugin, "publish", message).await;
    }
    let mut seen = BTreeSet::new();
    while seen.len() < wanted.len() {
        let message: String = session.step(step, json!({})).await;
        seen.insert(message.trim_matches('"').to_owned());
    }
    assert_eq!(seen, *wanted);
}
