//! A message of a broker, read as an event.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use replug_component::Metadata;
use replug_component::pubsub::Message;
use serde_json::{Map, Value};

use super::cloud_event as field;
use super::content_type::is_binary;
use crate::api::json::{to_bytes, whole_value};

/// The entry of a message's metadata that has its content type.
const CONTENT_TYPE: &str = "content-type";

/// The entry that has the component's name.
pub(super) const PUBSUB_NAME: &str = "pubsubName";

/// What begins the metadata that are fields of an event in binary mode.
const BINARY_MODE: &str = "ce_";

/// An event, with what applications get of it and what is known beside it.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// Its attributes, data included.
    pub(crate) fields: Map<String, Value>,
    /// Its data, where it came in binary mode.
    pub(crate) data: Option<Bytes>,
    /// What applications get over HTTP.
    pub(crate) body: Bytes,
    /// The component.
    pub(crate) pubsub: String,
    /// The topic that the component reports, by the name it has for applications.
    pub(crate) topic: String,
    /// What came with the message, and the component's name.
    pub(crate) metadata: Metadata,
}

/// How a message is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// To be delivered by itself. A `raw` one is in no envelope and gets one here.
    Alone { raw: bool },
    /// To be delivered with others, as it is: a `raw` one gets no envelope, and what came with it
    /// neither makes an event nor adds a trace.
    OneOfSeveral { raw: bool },
}

impl Event {
    /// The event that a message is. The error says why it is none.
    pub(crate) fn read(
        message: &Message,
        form: Form,
        pubsub: &str,
        topic: &str,
    ) -> Result<Self, String> {
        let metadata = metadata(message, pubsub);
        let content_type = metadata.get(CONTENT_TYPE).cloned().unwrap_or_default();
        let (pubsub, topic) = (pubsub.to_owned(), topic.to_owned());
        let mut event = Self {
            fields: Map::new(),
            data: None,
            body: message.data.clone(),
            pubsub,
            topic,
            metadata,
        };
        match form {
            Form::OneOfSeveral { raw: true } => {}
            Form::OneOfSeveral { raw: false } => event.fields = fields(&message.data)?,
            Form::Alone { raw: true } => {
                event.fields = wrapped(&message.data, &event.pubsub, &event.topic);
                event.add_trace(true);
                event.body = to_bytes(&event.fields);
            }
            Form::Alone { raw: false } if is_binary(&content_type) => {
                event.read_binary(content_type, &message.data);
            }
            Form::Alone { raw: false } => {
                event.fields = fields(&message.data)?;
                event.add_trace(false);
            }
        }
        Ok(event)
    }

    /// Binary mode: its attributes came beside the data.
    fn read_binary(&mut self, content_type: String, data: &Bytes) {
        let attributes = self.metadata.iter().filter_map(|(name, value)| {
            let name = name.to_lowercase();
            Some((name.strip_prefix(BINARY_MODE)?.to_owned(), Value::from(value.as_str())))
        });
        let mut fields: Map<String, Value> = attributes.collect();
        fields.insert(field::CONTENT_TYPE.into(), content_type.into());
        self.fields = fields;
        self.data = Some(data.clone());
    }

    /// A text among its attributes; empty where there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether it is worth nothing any more. What cannot be read does not expire.
    pub(crate) fn has_expired(&self) -> bool {
        let at = DateTime::parse_from_rfc3339(self.text(field::EXPIRATION));
        at.is_ok_and(|at| at < Utc::now())
    }

    /// Takes trace fields from the message's metadata, in place of those that are there or where
    /// there are none. `traceparent` counts more than `traceid`.
    fn add_trace(&mut self, replace: bool) {
        for name in [field::TRACE_ID, field::TRACE_PARENT, field::TRACE_STATE] {
            if !replace && self.fields.contains_key(name) {
                continue;
            }
            let Some(value) = self.metadata.get(name) else { continue };
            self.fields.insert(name.into(), value.as_str().into());
            if name == field::TRACE_PARENT {
                self.fields.insert(field::TRACE_ID.into(), value.as_str().into());
            }
        }
    }
}

/// The attributes of an event in its envelope, read as Go does: `null` has none.
fn fields(text: &[u8]) -> Result<Map<String, Value>, String> {
    if let Ok(fields) = serde_json::from_slice(text) {
        return Ok(fields);
    }
    match whole_value(text).map_err(|error| error.to_string())? {
        Value::Object(fields) => Ok(fields),
        Value::Null => Ok(Map::new()),
        _ => Err("it is no object".to_owned()),
    }
}

/// What comes with a message wherever it goes.
pub(super) fn metadata(message: &Message, pubsub: &str) -> Metadata {
    let mut metadata = message.metadata.clone();
    if let Some(content_type) = &message.content_type {
        metadata.insert(CONTENT_TYPE.into(), content_type.clone());
    }
    metadata.insert(PUBSUB_NAME.into(), pubsub.into());
    metadata
}

/// The envelope of what came in none.
fn wrapped(data: &[u8], pubsub: &str, topic: &str) -> Map<String, Value> {
    let fields = [
        (field::ID, field::new_id()),
        (field::SPEC_VERSION, field::VERSION.into()),
        (field::CONTENT_TYPE, "application/octet-stream".into()),
        (field::SOURCE, field::DEFAULT_SOURCE.into()),
        (field::TYPE, field::DEFAULT_TYPE.into()),
        (field::TOPIC, topic.into()),
        (field::PUBSUB, pubsub.into()),
        (field::DATA_BASE64, BASE64_STANDARD.encode(data)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(data: &'static str, metadata: &[(&str, &str)]) -> Message {
        let metadata = metadata.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Message { data: data.into(), metadata, ..Message::default() }
    }

    #[test]
    fn an_envelope_is_read_and_passed_on_unchanged() {
        let text = r#"{"z": 1, "id":"7","data":{"n":1.0}}"#;
        let message = message(text, &[("traceparent", "00-1")]);
        let event = Event::read(&message, Form::Alone { raw: false }, "bus", "orders").unwrap();
        assert_eq!(event.body, text);
        assert_eq!((event.text("id"), event.text("traceid")), ("7", "00-1"));
        assert_eq!(event.metadata["pubsubName"], "bus");
    }

    #[test]
    fn a_raw_message_gets_an_envelope() {
        let message = message(r#"{"id":"7"}"#, &[("traceid", "00-1")]);
        let event = Event::read(&message, Form::Alone { raw: true }, "bus", "orders").unwrap();
        let body: Value = serde_json::from_slice(&event.body).unwrap();
        assert_eq!(body["data_base64"], "eyJpZCI6IjcifQ==");
        assert_eq!(body["source"], "Dapr");
        assert_eq!((body["traceid"].as_str(), body.get("time")), (Some("00-1"), None));
        assert_ne!(body["id"], "7");
    }

    #[test]
    fn an_event_in_binary_mode_has_its_attributes_in_metadata() {
        let metadata = [("CE_id", "7"), ("content-type", "application/octet-stream")];
        let event =
            Event::read(&message("\x01", &metadata), Form::Alone { raw: false }, "bus", "orders")
                .unwrap();
        assert_eq!((event.text("id"), event.data.as_deref()), ("7", Some(&b"\x01"[..])));
    }

    #[test]
    fn with_others_a_message_is_what_is_in_its_envelope() {
        let metadata = [("content-type", "application/octet-stream"), ("traceparent", "00-1")];
        let read = |raw| {
            let message = message(r#"{"id":"7"}"#, &metadata);
            Event::read(&message, Form::OneOfSeveral { raw }, "bus", "orders").unwrap()
        };
        assert_eq!(Value::from(read(false).fields), serde_json::json!({ "id": "7" }));
        assert!(read(true).fields.is_empty());
    }

    #[test]
    fn an_event_is_read_as_go_reads_it() {
        let read = |data: &'static [u8]| {
            let message = Message { data: data.into(), ..Message::default() };
            Event::read(&message, Form::Alone { raw: false }, "bus", "orders").unwrap()
        };
        assert_eq!(read(b"{\"id\":\"\xe2\xad\"}").text("id"), "\u{fffd}\u{fffd}");
        assert_eq!(read(br#"{"id":"\ud800"}"#).text("id"), "\u{fffd}");
        let none = read(b"null");
        assert_eq!((none.fields.len(), &none.body[..]), (0, &b"null"[..]));
    }

    #[test]
    fn what_is_no_object_is_no_event() {
        for text in ["", "[]", "7", "{"] {
            assert!(
                Event::read(&message(text, &[]), Form::Alone { raw: false }, "bus", "orders")
                    .is_err(),
                "{text}"
            );
        }
    }

    #[test]
    fn an_event_expires_at_its_time() {
        let expired = |at| {
            let message = message(at, &[]);
            Event::read(&message, Form::Alone { raw: false }, "bus", "orders")
                .unwrap()
                .has_expired()
        };
        assert!(expired(r#"{"expiration":"2020-01-01T00:00:00Z"}"#));
        assert!(!expired(r#"{"expiration":"2999-01-01T00:00:00Z"}"#));
        assert!(!expired(r#"{"expiration":"soon"}"#));
    }
}
