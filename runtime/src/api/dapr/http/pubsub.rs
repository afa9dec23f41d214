//! The publish routes over HTTP.

use base64::prelude::BASE64_STANDARD;
use base64::{DecodeError, Engine as _};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use replug_component::Metadata;
use replug_component::pubsub::{BulkEntry, FailedEntry};
use serde_json::Value;

use super::answer::{Answer, add_metadata, no_content, with_status};
use super::body::Unread;
use super::params::Params;
use super::{CX, Failure};
use crate::api::Traces;
use crate::api::dapr::Dapr;
use crate::api::dapr::error::{ApiError, Front};
use crate::api::dapr::json::{self, JsonError};
use crate::api::dapr::pubsub::{
    BulkPublished, EVENTS, PUBLISH, Topic, bulk_malformed, entry_malformed,
};
use crate::messaging::cloud_event::Trace;
use crate::messaging::content_type::{is_binary, is_cloud_event, is_json, is_text};

/// What Dapr calls an entry, in errors.
const ENTRY: &str = "http.bulkPublishMessageEntry";

/// An event is not what its content type says.
const MISMATCH: &str = "error: mismatch between contentType and event";

impl Dapr {
    pub(super) async fn http_publish(
        &self,
        pubsub: &str,
        topic_name: &str,
        params: &Params,
        headers: &HeaderMap,
        body: &mut Unread,
    ) -> Result<Answer, Failure> {
        let topic = self.topic(pubsub, topic_name, params.metadata(), Front::Http)?;
        let failing = topic.failing();
        let data = body.read(PUBLISH, "").await.map_err(|failure| {
            let error = failing.unread(topic_name, failure.error.message());
            Failure::from(error)
        })?;
        let content_type = headers.get(header::CONTENT_TYPE).map_or(&[][..], HeaderValue::as_bytes);
        let content_type = json::readable(content_type);
        topic.publish(&CX, data, &content_type, &self.http_trace(headers)).await?;
        Ok(no_content())
    }

    pub(super) async fn http_bulk_publish(
        &self,
        pubsub: &str,
        topic_name: &str,
        params: &Params,
        headers: &HeaderMap,
        body: &mut Unread,
    ) -> Result<Answer, Failure> {
        let topic = self.topic(pubsub, topic_name, params.metadata(), Front::Http)?;
        let decoded = body.decoded(EVENTS, "", |body| decoded(body, &topic)).await;
        let decoded = decoded.map_err(|failure| {
            let error = bulk_malformed(topic.failing(), topic_name, failure.error.message());
            Failure::from(error)
        })?;
        let entries = entries(decoded, &topic, topic_name)?;
        match topic.publish_all(&CX, entries, &self.http_trace(headers)).await? {
            BulkPublished::But(_) => Ok(no_content()),
            BulkPublished::Failed(error, failed) => Ok(told(&error, &failed)),
        }
    }

    /// The trace that the caller stands in; none where traces are not looked at.
    pub(super) fn http_trace(&self, headers: &HeaderMap) -> Trace {
        if self.settings.traces == Traces::Ignored {
            return Trace::default();
        }
        let header = |name| headers.get(name).map(HeaderValue::as_bytes);
        Trace::of_headers(header("traceparent"), header("tracestate"))
    }
}

/// Entries with events that are to be encoded by their content types.
fn decoded(body: &[u8], topic: &Topic<'_>) -> Result<Vec<(BulkEntry, Value)>, JsonError> {
    let entry = |item: Value| {
        let own = item.as_object().is_some_and(|fields| {
            let is_it = |(name, value): (&String, &Value)| {
                name.eq_ignore_ascii_case("metadata") && value.is_object()
            };
            fields.iter().any(is_it)
        });
        let mut object = json::Object::from(item, ENTRY)?;
        let entry_id = object.text("entryid")?.unwrap_or_default();
        let content_type = object.text("contenttype")?.unwrap_or_default();
        let mut metadata: Metadata = object.metadata("metadata")?;
        if own {
            topic.complete(&mut metadata);
        }
        let event = object.take("event").unwrap_or(Value::Null);
        Ok((BulkEntry { entry_id, content_type, metadata, event: Bytes::new() }, event))
    };
    let items = json::items(json::first_value(body)?, "[]http.bulkPublishMessageEntry")?;
    items.into_iter().map(entry).collect()
}

fn entries(
    decoded: Vec<(BulkEntry, Value)>,
    topic: &Topic<'_>,
    topic_name: &str,
) -> Result<Vec<BulkEntry>, ApiError> {
    let mut entries: Vec<BulkEntry> = Vec::with_capacity(decoded.len());
    for (entry, event) in decoded {
        let event = event_bytes(event, &entry.content_type);
        let event = match event {
            Ok(event) => event,
            Err(cause) => {
                // What is wrong with the first that is wrong is told.
                topic.check_ids(&entries).map_err(|(_, error)| error)?;
                return Err(entry_malformed(topic.failing(), topic_name, &cause));
            }
        };
        entries.push(BulkEntry { event, ..entry });
    }
    Ok(entries)
}

/// The bytes of an event, by its content type.
fn event_bytes(event: Value, content_type: &str) -> Result<Bytes, String> {
    match event {
        Value::String(text) if is_binary(content_type) => {
            BASE64_STANDARD.decode(&text).map(Bytes::from).map_err(|error| {
                let at = illegal_at(&text, &error);
                format!(
                    "error: unable to decode base64 application/octect-stream data: illegal \
                     base64 data at input byte {at}"
                )
            })
        }
        Value::String(text) if is_text(content_type) => Ok(text.into()),
        event if is_json(content_type) || is_cloud_event(content_type) => {
            Ok(json::to_bytes(&event))
        }
        _ => Err(MISMATCH.to_owned()),
    }
}

/// Where Go finds the first byte that is wrong: in a text that ends too soon, where its last group
/// of four begins.
fn illegal_at(text: &str, error: &DecodeError) -> usize {
    let padding = text.len() - text.trim_end_matches('=').len();
    match error {
        DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _) => *at,
        DecodeError::InvalidLength(_) | DecodeError::InvalidPadding if padding == 0 => {
            text.len() / 4 * 4
        }
        DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => text.len(),
    }
}

/// The answer that names what was not published.
fn told(error: &ApiError, failed: &[FailedEntry]) -> Answer {
    let entries = failed.iter().map(|failed| {
        let mut entry = json::Fields::new();
        entry.field("entryId", &failed.entry_id);
        if !failed.error.is_empty() {
            entry.field("error", &failed.error);
        }
        entry.end()
    });
    let mut body = json::Fields::new();
    body.text("failedEntries", &json::list(entries));
    body.field("errorCode", PUBLISH.code);
    let body = body.end();
    let data = String::from_utf8_lossy(&body).into_owned();
    let mut answer = with_status(error.http_status(), body);
    let facts = [("responsedata".to_owned(), data), ("error".to_owned(), error.in_go())];
    add_metadata(&mut answer, facts.into());
    answer
}
