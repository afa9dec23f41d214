//! Publishing.

use replug_proto::dapr::runtime::v1 as pb;

use super::{metadata, setup};
use crate::compare::grpc::call::Group;

pub(super) fn event(
    topic: &str,
    data: &'static [u8],
    content_type: &str,
) -> pb::PublishEventRequest {
    pb::PublishEventRequest {
        pubsub_name: "bus".into(),
        topic: topic.into(),
        data: data.into(),
        data_content_type: content_type.into(),
        ..pb::PublishEventRequest::default()
    }
}

pub(super) fn entry(
    id: &str,
    event: &'static [u8],
    content_type: &str,
) -> pb::BulkPublishRequestEntry {
    pb::BulkPublishRequestEntry {
        entry_id: id.into(),
        event: event.into(),
        content_type: content_type.into(),
        ..pb::BulkPublishRequestEntry::default()
    }
}

pub(super) fn several<const N: usize>(
    topic: &str,
    entries: [pb::BulkPublishRequestEntry; N],
) -> pb::BulkPublishRequest {
    pb::BulkPublishRequest {
        pubsub_name: "bus".into(),
        topic: topic.into(),
        entries: entries.into(),
        ..pb::BulkPublishRequest::default()
    }
}

pub(super) fn group() -> Group {
    let mut group = Group::new(setup("publishing"));
    for (about, pubsub, topic) in [
        ("unknown pubsub", "nobody", "t"),
        ("empty pubsub", "", "t"),
        ("empty topic", "bus", ""),
        ("both empty", "", ""),
        ("no pubsub", "memory", "t"),
        ("not allowed", "narrow", "other"),
        ("allowed", "narrow", "open"),
        ("protected", "narrow", "kept"),
    ] {
        let with =
            pb::PublishEventRequest { pubsub_name: pubsub.into(), ..event(topic, b"{}", "") };
        group.call("PublishEvent", about, &with);
        let given = pb::PublishEventRequest { metadata: metadata([("a", "b")]), ..with };
        group.call("PublishEvent", about, &given);
        for method in ["BulkPublishEvent", "BulkPublishEventAlpha1"] {
            let with = pb::BulkPublishRequest {
                pubsub_name: pubsub.into(),
                metadata: metadata([("a", "b")]),
                ..several(topic, [entry("1", b"{}", "")])
            };
            group.call(method, about, &with);
        }
    }
    let whole = br#"{"id":"1","specversion":"1.0","source":"s","type":"t","data":1}"#;
    for (about, data, content_type) in [
        ("empty", &b""[..], ""),
        ("empty JSON", b"", "application/json"),
        ("broken JSON", b"{", "application/json"),
        ("text", b"text", "text/plain"),
        ("bytes", b"\xff\x00", "application/octet-stream"),
        ("bytes as text", b"\xff\x00", "text/plain"),
        ("an event", whole, "application/cloudevents+json"),
        ("an event with a charset", whole, "application/cloudevents+json; charset=utf-8"),
        ("an event that is none", b"{}", "application/cloudevents+json"),
        ("a broken event", b"{", "application/cloudevents+json"),
        ("an array for an event", b"[]", "application/cloudevents+json"),
        ("an unknown type", b"x", "no/such"),
        ("no type", b"x", "nonsense"),
    ] {
        group.call("PublishEvent", about, &event("t", data, content_type));
        group.call("BulkPublishEvent", about, &several("t", [entry("1", data, content_type)]));
    }
    for (name, value) in [
        ("rawPayload", "true"),
        ("rawPayload", "nonsense"),
        ("rawPayload", ""),
        ("ttlInSeconds", "10"),
        ("ttlInSeconds", "0"),
        ("ttlInSeconds", "-1"),
        ("ttlInSeconds", "nonsense"),
        ("cloudevent.id", "mine"),
        ("cloudevent.specversion", "0.3"),
    ] {
        let mut with = event("t", b"{}", "application/json");
        with.metadata = metadata([(name, value)]);
        group.call("PublishEvent", "metadata", &with);
        let mut with = several("t", [entry("1", b"{}", "application/json")]);
        with.metadata = metadata([(name, value)]);
        group.call("BulkPublishEvent", "metadata", &with);
        let mut of = entry("1", b"{}", "application/json");
        of.metadata = metadata([(name, value)]);
        group.call("BulkPublishEvent", "metadata of an entry", &several("t", [of]));
    }
    group.call("BulkPublishEvent", "no entries", &several("t", []));
    group.call("BulkPublishEvent", "no id", &several("t", [entry("", b"1", "")]));
    let twice = several("t", [entry("1", b"1", ""), entry("1", b"2", "")]);
    group.call("BulkPublishEvent", "the same id", &twice);
    let second =
        several("t", [entry("1", b"1", ""), entry("2", b"{", "application/cloudevents+json")]);
    group.call("BulkPublishEvent", "the second is broken", &second);
    group.measured = true;
    group
}
