//! `CloudEvents` 1.0, as Dapr wraps what applications publish.
//!
//! Fields come sorted, `<`, `>` and `&` escaped, numbers as they were written.

mod exact;
mod trace;
mod ttl;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use chrono::{Local, SecondsFormat, Utc};
use replug_component::Metadata;
use uuid::Uuid;

pub(crate) use self::exact::NoJson;
pub(crate) use self::trace::{Trace, binary_trace, is_parent};
pub(crate) use self::ttl::ttl;
use super::content_type::{is_binary, is_cloud_event, is_cloud_event_protobuf, is_json};
use crate::api::json::{Fields, readable, to_bytes};

pub(crate) const DATA: &str = "data";
pub(crate) const DATA_BASE64: &str = "data_base64";
pub(crate) const CONTENT_TYPE: &str = "datacontenttype";
pub(crate) const EXPIRATION: &str = "expiration";
pub(crate) const ID: &str = "id";
pub(crate) const PUBSUB: &str = "pubsubname";
pub(crate) const SOURCE: &str = "source";
pub(crate) const SPEC_VERSION: &str = "specversion";
const SUBJECT: &str = "subject";
const TIME: &str = "time";
pub(crate) const TOPIC: &str = "topic";
pub(crate) const TRACE_ID: &str = "traceid";
pub(crate) const TRACE_PARENT: &str = "traceparent";
pub(crate) const TRACE_STATE: &str = "tracestate";
pub(crate) const TYPE: &str = "type";

pub(crate) const DEFAULT_SOURCE: &str = "Dapr";
pub(crate) const DEFAULT_TYPE: &str = "com.dapr.event.sent";
pub(crate) const VERSION: &str = "1.0";
const DEFAULT_CONTENT_TYPE: &str = "text/plain";

/// What begins the names of metadata that replace a field.
const OVERRIDE: &str = "cloudevent.";

/// What is to be wrapped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Published<'a> {
    /// The application that publishes.
    pub(crate) app_id: &'a str,
    pub(crate) pubsub: &'a str,
    pub(crate) topic: &'a str,
    /// Empty where there is none.
    pub(crate) content_type: &'a str,
    pub(crate) data: &'a [u8],
    pub(crate) trace: &'a Trace,
    /// What came with it; may replace fields.
    pub(crate) metadata: &'a Metadata,
    /// The broker does not see to a time to live, so the event has to.
    pub(crate) expires: bool,
}

/// The event that subscribers get. Data that is an event already keeps its fields.
pub(crate) fn wrap(published: &Published<'_>) -> Result<Bytes, NoJson> {
    if is_cloud_event(published.content_type) {
        return passed_through(published);
    }
    let Published { app_id, pubsub, topic, content_type, data, trace, metadata, .. } = *published;
    let replaced = |field: &str| replaced(metadata, field);
    let not_empty = |text: &&str| !text.is_empty();
    let content_type = if content_type.is_empty() { DEFAULT_CONTENT_TYPE } else { content_type };
    let parent = replaced(TRACE_PARENT).filter(not_empty).or_else(|| replaced(TRACE_ID));
    let parent = parent.unwrap_or(&trace.parent);
    let state = replaced(TRACE_STATE).unwrap_or(&trace.state);
    let source = Some(replaced(SOURCE).unwrap_or(app_id)).filter(not_empty);

    let mut event = Fields::new();
    let json = is_json(content_type).then(|| exact::rewritten(data).ok()).flatten();
    if let Some(json) = json {
        event.text(DATA, json.as_bytes());
    } else if is_binary(content_type) || is_cloud_event_protobuf(content_type, data) {
        event.field(DATA_BASE64, &BASE64_STANDARD.encode(data));
    } else {
        event.field(DATA, &*readable(data));
    }
    event.field(CONTENT_TYPE, content_type);
    if let Some(expiration) = expiration(published) {
        event.field(EXPIRATION, &expiration);
    }
    match replaced(ID).filter(not_empty) {
        Some(id) => event.field(ID, id),
        None => event.field(ID, &new_id()),
    }
    event.field(PUBSUB, pubsub);
    event.field(SOURCE, source.unwrap_or(DEFAULT_SOURCE));
    event.field(SPEC_VERSION, VERSION);
    if let Some(subject) = replaced(SUBJECT).filter(not_empty) {
        event.field(SUBJECT, subject);
    }
    event.field(TIME, &now());
    event.field(TOPIC, topic);
    event.field(TRACE_ID, parent);
    event.field(TRACE_PARENT, parent);
    event.field(TRACE_STATE, state);
    event.field(TYPE, replaced(TYPE).filter(not_empty).unwrap_or(DEFAULT_TYPE));
    Ok(event.end().into())
}

/// What metadata put in the place of a field. Of names that differ in their case the one as Dapr
/// writes it counts more.
fn replaced<'m>(metadata: &'m Metadata, field: &str) -> Option<&'m str> {
    let find = |same: fn(&str, &str) -> bool| {
        let is_it = |name: &str| {
            let parts = name.split_at_checked(OVERRIDE.len());
            parts.is_some_and(|(start, end)| same(start, OVERRIDE) && same(end, field))
        };
        metadata.iter().find(|(name, _)| is_it(name)).map(|(_, value)| value.as_str())
    };
    find(|one, other| one == other).or_else(|| find(str::eq_ignore_ascii_case))
}

/// An event as it is, with what Dapr adds and sets.
fn passed_through(published: &Published<'_>) -> Result<Bytes, NoJson> {
    let mut fields = exact::fields(published.data)?;
    let text = |text: &str| String::from_utf8_lossy(&to_bytes(&text)).into_owned();
    let Trace { parent, state } = published.trace;
    if !fields.contains_key(TRACE_ID) {
        fields.insert(TRACE_ID.into(), text(parent));
        fields.insert(TRACE_PARENT.into(), text(parent));
    }
    fields.entry(TRACE_STATE.into()).or_insert_with(|| text(state));
    fields.entry(TIME.into()).or_insert_with(|| text(&now()));
    fields.insert(TOPIC.into(), text(published.topic));
    fields.insert(PUBSUB.into(), text(published.pubsub));
    for (name, default) in [(SOURCE, DEFAULT_SOURCE), (TYPE, DEFAULT_TYPE), (SPEC_VERSION, VERSION)]
    {
        if fields.get(name).is_none_or(|value| value == "null") {
            fields.insert(name.into(), text(default));
        }
    }
    if let Some(expiration) = expiration(published) {
        fields.insert(EXPIRATION.into(), text(&expiration));
    }
    Ok(object(&fields).into())
}

/// An object whose names and values are these; values are JSON text.
fn object(fields: &BTreeMap<String, String>) -> String {
    let mut text = String::from("{");
    for (index, (name, value)) in fields.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let name = to_bytes(name);
        // Writing into a string cannot fail.
        let _ = write!(text, "{comma}{}:{value}", String::from_utf8_lossy(&name));
    }
    text.push('}');
    text
}

/// When the message is worth nothing any more, where the event has to say it.
fn expiration(published: &Published<'_>) -> Option<String> {
    let ttl = published.expires.then(|| ttl(published.metadata)).flatten()?;
    let at = Utc::now().checked_add_signed(chrono::Duration::from_std(ttl).ok()?)?;
    Some(at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// A random id.
pub(crate) fn new_id() -> String {
    Uuid::new_v4().to_string()
}

fn now() -> String {
    Local::now().to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests;
