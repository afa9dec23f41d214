//! What an application over gRPC is delivered.

use replug_proto::dapr::runtime::v1 as pb;

use super::pubsub::{entry, event, several};
use super::{metadata, setup};
use crate::compare::grpc::call::Group;

/// Tells the time, so that the application is called by a binding.
const CLOCK: &str = r#"apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: clock}
spec:
  type: bindings.cron
  version: v1
  metadata: [{name: schedule, value: "@every 1s"}]
---
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: {name: declared}
spec:
  pubsubname: bus
  topic: declared
  routes: {default: /declared}
"#;

pub(super) fn group() -> Group {
    let with = setup("deliveries")
        .over_grpc()
        .flag("--enable-app-health-check")
        .variable("APP_API_TOKEN", "of-the-app")
        .file("resources/clock.yaml", CLOCK);
    let mut group = Group::new(with);
    let whole = br#"{"id":"1","specversion":"1.0","source":"s","type":"one","subject":"x","own":"o","data":{"a":[1.5,null]}}"#;
    let binary =
        br#"{"id":"2","specversion":"1.0","source":"s","type":"two","data_base64":"/w=="}"#;
    let bare = br#"{"id":"3","specversion":"1.0","source":"s","type":"three","time":"2020-01-01T00:00:00Z"}"#;
    for (about, topic, data, content_type) in [
        ("JSON", "plain", &br#"{"b": 1, "a": "<&>"}"#[..], "application/json"),
        ("text", "plain", b"text", "text/plain"),
        ("no type", "plain", b"text", ""),
        ("bytes", "plain", b"\xff\x00", "application/octet-stream"),
        ("empty", "plain", b"", ""),
        ("an event", "plain", whole, "application/cloudevents+json"),
        ("an event of bytes", "plain", binary, "application/cloudevents+json"),
        ("an event without data", "plain", bare, "application/cloudevents+json"),
        ("declared", "declared", b"1", "application/json"),
        ("raw", "raw", b"1", "application/json"),
        ("routed by a rule", "routed", whole, "application/cloudevents+json"),
        ("routed otherwise", "routed", binary, "application/cloudevents+json"),
        ("dropped", "failing", b"please-drop", "text/plain"),
        ("failed", "failing", b"please-fail", "text/plain"),
        ("refused", "failing", b"please-refuse", "text/plain"),
        ("to be tried again", "failing", b"please-retry", "text/plain"),
        ("a status that is none", "failing", b"please-nine", "text/plain"),
        ("many", "many", b"{\"a\":1}", "application/json"),
        ("many of bytes", "many", binary, "application/cloudevents+json"),
        ("many of raw", "many-raw", b"x", "text/plain"),
    ] {
        group.delivered("PublishEvent", about, &event(topic, data, content_type));
    }
    let mut of = event("raw", b"not wrapped", "text/plain");
    of.metadata = metadata([("rawPayload", "true"), ("own", "m")]);
    group.delivered("PublishEvent", "raw both ways", &of);
    let mut of = event("plain", b"not wrapped", "text/plain");
    of.metadata = metadata([("rawPayload", "true")]);
    group.delivered("PublishEvent", "raw, read as an event", &of);
    let mut of = event("plain", b"1", "application/json");
    of.metadata = metadata([("cloudevent.id", "i"), ("cloudevent.own", "o"), ("key", "m")]);
    group.delivered("PublishEvent", "attributes", &of);
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    group
        .delivered("PublishEvent", "traced", &event("plain", b"1", "application/json"))
        .field("traceparent", trace)
        .field("tracestate", "a=b")
        .field("baggage", "c=d")
        .field("x-own", "o");
    let entries = [entry("1", b"{\"a\":1}", "application/json"), entry("2", b"two", "text/plain")];
    group.delivered("BulkPublishEvent", "two", &several("plain", entries.clone()));
    group.delivered("BulkPublishEvent", "two together", &several("many", entries));
    group.delivered("GetMetadata", "subscriptions", &pb::GetMetadataRequest {});
    group.measured = true;
    group
}
