//! `[[subscriptions]]`: what is wrong with them, and what becomes of those that are right.

use replug_supervisor::plan::Change;

use crate::{plan, says};

/// Something that may serve every type.
const PLUGIN: &str = "[plugins.p]\ncommand = ['sh']\n";

#[test]
fn what_a_subscription_says_is_checked() {
    let text = r#"[components.bus]
type = "pubsub.p"
[components.kv]
type = "state.sqlite"
[[subscriptions]]
topic = ""
route = 7
colour = "red"
[[subscriptions]]
pubsub = "bus"
topic = "b"
[[subscriptions]]
pubsub = "bus"
topic = "c"
rules = [{ match = "event.type ==", path = "/x" }, { path = "/y" }, { match = "event.id == '1'" }]
metadata = { rawPayload = "maybe", list = [] }
bulk = { max_messages = 0, max_await = "0s", max = 1 }
[[subscriptions]]
pubsub = 3
topic = "c"
route = "/c"
bulk = 3
"#;
    let checked = crate::check(&format!("{text}{PLUGIN}"));
    let said: Vec<_> = checked.diagnostics.iter().map(crate::line).collect();
    let said: Vec<_> = said.iter().map(|it| it.split(';').next().unwrap()).collect();
    let parser = said.iter().find(|it| it.contains("is no condition")).unwrap();
    assert!(
        parser.starts_with("15:20: error: `subscriptions[2].rules[0].match` is no condition: ")
    );
    let rest: Vec<_> = said.iter().filter(|it| *it != parser).copied().collect();
    assert_eq!(
        rest,
        [
            "5:1: error: `subscriptions[0]` has no `pubsub`",
            "6:9: error: `subscriptions[0].topic` is empty",
            "7:9: error: `subscriptions[0].route` is an integer",
            "8:1: error: `subscriptions[0].colour` is no key that replug knows",
            "9:1: error: `subscriptions[1]` has no `route`",
            "15:52: error: `subscriptions[2].rules[1]` has no `match`",
            "15:69: error: `subscriptions[2].rules[2]` has no `path`",
            "16:27: error: `subscriptions[2].metadata.rawPayload` is \"maybe\"",
            "16:43: error: `subscriptions[2].metadata.list` is an array",
            "17:25: error: `subscriptions[2].bulk.max_messages` is 0",
            "17:40: error: `subscriptions[2].bulk.max_await` is zero",
            "17:46: error: `subscriptions[2].bulk.max` is no key that replug knows",
            "19:10: error: `subscriptions[3].pubsub` is an integer",
            "22:8: error: `subscriptions[3].bulk` is an integer",
        ]
    );
}

#[test]
fn a_subscription_is_to_a_pubsub_component_and_to_a_topic_of_its_own() {
    says(
        &format!(
            r#"[components.bus]
type = "pubsub.p"
[components.kv]
type = "state.sqlite"
[[subscriptions]]
pubsub = "bas"
topic = "a"
route = "/a"
[[subscriptions]]
pubsub = "kv"
topic = "a"
route = "/a"
[[subscriptions]]
pubsub = "bus"
topic = "a"
route = "/a"
[[subscriptions]]
pubsub = "bus"
topic = "a"
route = "/b"
{PLUGIN}"#
        ),
        &[
            r#"6:10: error: `subscriptions[0].pubsub` is "bas", which is no component here; did you mean "bus"?"#,
            r#"10:10: error: `subscriptions[1].pubsub` is "kv", a component of the block state; name a component whose type begins with "pubsub.""#,
            r#"19:9: error: `subscriptions[3].topic` is "a", which is subscribed to already; write one subscription with `rules` for both (15:9 the other one)"#,
        ],
    );
}

#[test]
fn subscriptions_are_read_with_their_rules_and_those_of_others_left_out() {
    let plan = plan(
        r#"
[runtime]
app_id = "shop"
[plugins.p]
command = ["sh"]
[components.bus]
type = "pubsub.p"
[[subscriptions]]
pubsub = "bus"
topic = "orders"
route = "/orders"
rules = [{ match = "event.type == 'new'", path = "/orders/new" }]
dead_letter_topic = "dead"
metadata = { rawPayload = true }
bulk = { max_messages = 7, max_await = "2s" }
[[subscriptions]]
pubsub = "bus"
topic = "orders"
route = "/orders"
scopes = ["checkout"]
"#,
    );
    let [one] = &plan.subscriptions[..] else { panic!("{:?}", plan.subscriptions) };
    assert_eq!((one.pubsub.as_str(), one.topic.as_str()), ("bus", "orders"));
    assert_eq!((one.default_route.as_str(), one.dead_letter_topic.as_str()), ("/orders", "dead"));
    assert_eq!(one.rules[0].condition, "event.type == 'new'");
    assert_eq!(one.metadata, [("rawPayload".to_owned(), "true".to_owned())]);
    assert!(one.bulk.enabled);
    assert_eq!((one.bulk.max_messages_count, one.bulk.max_await_duration_ms), (7, 2000));
}

#[test]
fn a_changed_subscription_is_a_change_and_a_moved_one_is_none() {
    let bus = format!("{PLUGIN}[components.bus]\ntype = 'pubsub.p'\n");
    let text = "[[subscriptions]]\npubsub = 'bus'\ntopic = 'a'\nroute = '/a'\n";
    let moved = plan(&format!("\n\n{bus}\n\n{text}"));
    let old = plan(&format!("{bus}{text}"));
    let new = plan(&format!("{bus}{}", text.replace("/a", "/b")));
    assert!(Change::between(&old, &moved).is_empty());
    let change = Change::between(&old, &new);
    assert_eq!(change.to_string(), "subscriptions: changed\nunchanged: 1 plugin, 1 component\n");
    assert_eq!(change.applied_to(&old).subscriptions, new.subscriptions);
}
