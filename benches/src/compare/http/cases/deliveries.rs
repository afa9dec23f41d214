//! What the application is sent: messages of its subscriptions, and questions for its health.

use super::usual;
use crate::compare::http::call::Group;

/// Topics, and where their messages go.
const SUBSCRIBED: &[(&str, &str)] = &[
    ("plain", "/orders"),
    ("slow", "/slow"),
    ("dropped", "/said/DROP"),
    ("handled", "/said/SUCCESS"),
    ("unknown", "/said/NOTHING"),
    ("gone", "/status/404"),
    ("created", "/status/201"),
    ("static", "/dapr/metrics"),
    ("cut", "/v1/state/orders/7"),
    ("escaped", "/a%20b"),
    ("topic with space", "/spaced"),
];

/// Messages of every topic.
pub(super) fn messages() -> Group {
    let subscriptions: Vec<_> = SUBSCRIBED.iter().enumerate().map(subscription).collect();
    let mut g =
        Group::new(usual("deliveries").file("resources/topics.yaml", subscriptions.join("---\n")));
    for (topic, _) in SUBSCRIBED {
        let topic = topic.replace(' ', "%20");
        for body in [r#"{"a":1}"#, r#""text""#] {
            g.post(&format!("/v1.0/publish/bus/{topic}"), body).delivers();
        }
        let kind = "Content-Type: text/plain";
        g.send("POST", &format!("/v1.0/publish/bus/{topic}"), &[kind], "text").delivers();
    }
    g.post("/v1.0/publish/bus/nobody", "{}");
    for body in [r#"{"operation":"get","metadata":{"path":"/slow"}}"#, r#"{"operation":"post"}"#] {
        g.post("/v1.0/bindings/web", body);
    }
    g
}

fn subscription((at, (topic, path)): (usize, &(&str, &str))) -> String {
    format!(
        "apiVersion: dapr.io/v2alpha1\nkind: Subscription\nmetadata: {{name: s{at}}}\nspec: \
         {{pubsubname: bus, topic: {topic}, routes: {{default: {path}}}}}\n"
    )
}

/// An application that is asked for its health.
pub(super) fn health() -> Group {
    let mut setup = usual("health");
    for flag in ["--enable-app-health-check", "--app-health-check-path=/healthz"] {
        setup = setup.flag(flag);
    }
    let mut g = Group::new(setup);
    g.heard_by_time = true;
    g.get("/v1.0/healthz");
    g.get("/v1.0/metadata");
    g
}
