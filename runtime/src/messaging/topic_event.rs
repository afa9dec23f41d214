//! An event as applications get it over gRPC.
//!
//! Unlike Dapr's, data of any content type come along: Dapr leaves out those that are neither text
//! nor JSON nor base64.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use replug_proto::dapr::runtime::v1 as pb;

use super::cloud_event as field;
use super::content_type::{is_cloud_event, is_json};
use super::{Event, RETRIABLE};
use crate::api::json::to_bytes;

/// The attributes that have a field of their own.
const OWN: [&str; 7] = [
    field::ID,
    field::SOURCE,
    field::TYPE,
    field::SPEC_VERSION,
    field::CONTENT_TYPE,
    field::DATA,
    field::DATA_BASE64,
];

/// The event for a handler's `path`. The error says what of it cannot be told.
pub(crate) fn topic_event(event: &Event, path: &str) -> Result<pb::TopicEventRequest, String> {
    let attributes = event.fields.iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
    let attributes = attributes.map(|(name, value)| (name.clone(), value_of(value)));
    Ok(pb::TopicEventRequest {
        id: event.text(field::ID).to_owned(),
        source: event.text(field::SOURCE).to_owned(),
        r#type: event.text(field::TYPE).to_owned(),
        spec_version: event.text(field::SPEC_VERSION).to_owned(),
        data_content_type: event.text(field::CONTENT_TYPE).to_owned(),
        data: data(event)?,
        topic: event.topic.clone(),
        pubsub_name: event.pubsub.clone(),
        path: path.to_owned(),
        extensions: Some(Struct { fields: attributes.collect() }),
    })
}

fn data(event: &Event) -> Result<Bytes, String> {
    use serde_json::Value;

    if let Some(data) = &event.data {
        return Ok(data.clone());
    }
    match event.fields.get(field::DATA_BASE64) {
        Some(Value::String(text)) => {
            return BASE64_STANDARD.decode(text).map(Bytes::from).map_err(|error| {
                format!(
                    "error returned from app while processing pub/sub event: {RETRIABLE}: {error}"
                )
            });
        }
        Some(Value::Null) | None => {}
        Some(_) => return Err("data_base64 of the event is no text".to_owned()),
    }
    let content_type = event.text(field::CONTENT_TYPE);
    Ok(match event.fields.get(field::DATA) {
        None | Some(Value::Null) => Bytes::new(),
        Some(value) if is_json(content_type) || is_cloud_event(content_type) => to_bytes(value),
        Some(Value::String(text)) => Bytes::copy_from_slice(text.as_bytes()),
        Some(value) => to_bytes(value),
    })
}

fn value_of(value: &serde_json::Value) -> Value {
    use serde_json::Value as Json;

    let kind = match value {
        Json::Null => Kind::NullValue(0),
        Json::Bool(truth) => Kind::BoolValue(*truth),
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Kind::StringValue(text.clone()),
        Json::Array(items) => {
            Kind::ListValue(ListValue { values: items.iter().map(value_of).collect() })
        }
        Json::Object(fields) => Kind::StructValue(Struct {
            fields: fields.iter().map(|(name, value)| (name.clone(), value_of(value))).collect(),
        }),
    };
    Value { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use replug_component::pubsub::Message;

    use super::*;
    use crate::messaging::Form;

    fn of(text: &'static str) -> pb::TopicEventRequest {
        let message = Message { data: text.into(), ..Message::default() };
        topic_event(
            &Event::read(&message, Form::Alone { raw: false }, "bus", "orders").unwrap(),
            "/x",
        )
        .unwrap()
    }

    #[test]
    fn attributes_have_fields_or_are_extensions() {
        let event = of(
            r#"{"id":"7","source":"s","type":"t","specversion":"1.0","datacontenttype":"text/plain",
                "data":"hi","topic":"published","n":[1,{"a":null}]}"#,
        );
        assert_eq!((event.id.as_str(), event.path.as_str()), ("7", "/x"));
        assert_eq!((event.topic.as_str(), event.data), ("orders", Bytes::from("hi")));
        let extensions = event.extensions.unwrap().fields;
        assert_eq!(extensions.keys().collect::<Vec<_>>(), ["n", "topic"]);
    }

    #[test]
    fn data_is_what_was_published() {
        let json = of(r#"{"datacontenttype":"application/json","data":{"b":"<","a":1}}"#);
        assert_eq!(json.data, "{\"a\":1,\"b\":\"\\u003c\"}");
        assert_eq!(of(r#"{"datacontenttype":"x/y","data_base64":"aGk="}"#).data, "hi");
        assert_eq!(of(r#"{"datacontenttype":"x/y","data":"hi"}"#).data, "hi");
        assert_eq!(of(r#"{"data":null}"#).data, "");
    }
}
