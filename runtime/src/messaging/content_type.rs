//! Content types, compared as Dapr compares them: in any case, up to a semicolon.

/// A whole event as JSON.
pub(crate) const CLOUD_EVENT: &str = "application/cloudevents+json";
const JSON: &str = "application/json";
const BINARY: &str = "application/octet-stream";
const XML: &str = "application/xml";
const PROTOBUF: &str = "application/x-protobuf";
const CLOUD_EVENT_PROTOBUF: &str = "application/cloudevents+protobuf";

fn is(content_type: &str, expected: &str) -> bool {
    let (essence, _) = content_type.split_once(';').unwrap_or((content_type, ""));
    essence.eq_ignore_ascii_case(expected)
}

pub(crate) fn is_cloud_event(content_type: &str) -> bool {
    is(content_type, CLOUD_EVENT)
}

pub(crate) fn is_json(content_type: &str) -> bool {
    is(content_type, JSON)
}

pub(crate) fn is_binary(content_type: &str) -> bool {
    is(content_type, BINARY)
}

/// Whether data of this type is text.
pub(crate) fn is_text(content_type: &str) -> bool {
    let text = content_type.get(..5).is_some_and(|from| from.eq_ignore_ascii_case("text/"));
    text || is(content_type, XML)
}

/// Whether `data` is a whole event as protobuf.
pub(crate) fn is_cloud_event_protobuf(content_type: &str, data: &[u8]) -> bool {
    let plain = || <ProtobufEvent as prost::Message>::decode(data).is_ok();
    is(content_type, CLOUD_EVENT_PROTOBUF) || (is(content_type, PROTOBUF) && plain())
}

/// What the wire format of a `CloudEvent` has for texts; the rest is passed over.
#[derive(Clone, PartialEq, prost::Message)]
struct ProtobufEvent {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    source: String,
    #[prost(string, tag = "3")]
    spec_version: String,
    #[prost(string, tag = "4")]
    kind: String,
}
