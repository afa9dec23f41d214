//! Several events at once: a bulk envelope over HTTP, `OnBulkTopicEvent` over gRPC.

use std::collections::{BTreeMap, HashMap};

use ::http::{HeaderValue, Method, Request, StatusCode, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use replug_component::{Metadata, RemoteError};
use replug_proto::dapr::runtime::v1 as pb;
use replug_proto::dapr::runtime::v1::topic_event_bulk_request_entry::Event as Carried;
use replug_proto::dapr::runtime::v1::topic_event_response::TopicEventResponseStatus as Answer;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tonic::Code;

use super::headers;
use crate::any_case;
use crate::api::json::to_bytes;
use crate::app::{Callbacks, HttpChannel, path};
use crate::messaging::cloud_event::new_id;
use crate::messaging::content_type::CLOUD_EVENT;
use crate::messaging::topic_event::topic_event;
use crate::messaging::{Batch, Entry, Outcome};

/// What kind of event the envelope is.
const TYPE: &str = "com.dapr.event.sent.bulk";

/// The content type of a message without one that is in no envelope.
const BYTES: &str = "application/octet-stream";

/// The entry of the envelope's metadata that has the component's name.
const PUBSUB_NAME: &str = "pubsubName";

#[derive(Serialize)]
struct Envelope<'b> {
    entries: Vec<EnvelopeEntry<'b>>,
    id: String,
    metadata: Metadata,
    pubsubname: &'b str,
    topic: &'b str,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EnvelopeEntry<'b> {
    entry_id: &'b str,
    event: Carrying<'b>,
    metadata: BTreeMap<&'b str, &'b str>,
    content_type: &'b str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Carrying<'b> {
    Event(&'b Map<String, Value>),
    Text(String),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answers {
    statuses: Option<Vec<Option<EntryAnswer>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct EntryAnswer {
    #[serde(rename = "entryid")]
    entry_id: Option<String>,
    status: Option<String>,
}

pub(super) async fn over_http(channel: &HttpChannel, batch: &Batch<'_>) -> Vec<Outcome> {
    let envelope = Envelope {
        entries: batch.entries.iter().map(|entry| carried(batch, entry)).collect(),
        id: new_id(),
        metadata: of_batch(batch),
        pubsubname: batch.pubsub,
        topic: batch.topic,
        kind: TYPE,
    };
    let mut request = Request::new(to_bytes(&envelope));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = path::clean(batch.path).parse().unwrap_or_default();
    *request.headers_mut() = headers::of_metadata(&of_batch(batch));
    request
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let all = |outcome: Outcome| vec![outcome; batch.entries.len()];
    let answer = match channel.send(request).await {
        Ok(answer) => answer,
        Err(error) => {
            return all(Outcome::Failed(format!(
                "error from app channel while sending pub/sub event to app: {error}"
            )));
        }
    };
    let status = answer.status();
    if status == StatusCode::NOT_FOUND {
        tracing::error!(
            "Non-retriable error returned from app while processing bulk pub/sub event. status \
             code returned: 404"
        );
        return all(Outcome::Handled);
    }
    if !status.is_success() {
        return all(Outcome::Failed(format!(
            "Retriable error returned from app while processing bulk pub/sub event, topic: {}. \
             status code returned: {}",
            batch.topic,
            status.as_u16()
        )));
    }
    match any_case::from_slice::<Answers>(answer.body()) {
        Ok(answers) => {
            let statuses = answers.statuses.unwrap_or_default().into_iter().map(|it| {
                let EntryAnswer { entry_id, status } = it.unwrap_or_default();
                (entry_id.unwrap_or_default(), status.unwrap_or_default())
            });
            each(batch, statuses.collect(), |status| match status.as_str() {
                "SUCCESS" => Some(Answer::Success),
                "DROP" => Some(Answer::Drop),
                "" | "RETRY" => Some(Answer::Retry),
                _ => None,
            })
        }
        Err(error) => all(Outcome::Failed(format!(
            "failed unmarshalling app response for bulk subscribe: {error}"
        ))),
    }
}

pub(super) async fn over_grpc(
    callbacks: &Callbacks,
    batch: &Batch<'_>,
    traces: bool,
) -> Vec<Outcome> {
    let mut entries = Vec::new();
    for entry in &batch.entries {
        let event = if batch.raw {
            Carried::Bytes(entry.message.data.clone())
        } else {
            match topic_event(&entry.event, batch.path) {
                Ok(event) => Carried::CloudEvent(pb::TopicEventCeRequest {
                    id: event.id,
                    source: event.source,
                    r#type: event.r#type,
                    spec_version: event.spec_version,
                    data_content_type: event.data_content_type,
                    data: event.data,
                    extensions: event.extensions,
                }),
                // It comes back without an answer, and so to the broker.
                Err(error) => {
                    tracing::error!(id = entry.id, "an event cannot be told: {error}");
                    continue;
                }
            }
        };
        entries.push(pb::TopicEventBulkRequestEntry {
            entry_id: entry.id.clone(),
            // The broker's alone, as in Dapr.
            content_type: told_type(entry).unwrap_or_default().to_owned(),
            metadata: entry.message.metadata.clone(),
            event: Some(event),
        });
    }
    let request = pb::TopicEventBulkRequest {
        id: new_id(),
        entries,
        metadata: of_batch(batch),
        topic: batch.topic.to_owned(),
        pubsub_name: batch.pubsub.to_owned(),
        r#type: TYPE.to_owned(),
        path: batch.path.to_owned(),
    };
    let mut request = tonic::Request::new(request);
    let events = batch.entries.iter().filter(|_| traces && !batch.raw).map(|entry| &entry.event);
    *request.metadata_mut() = headers::grpc_of_batch(&of_batch(batch), events);
    match callbacks.on_bulk_topic_event(request).await {
        Ok(answer) => {
            let statuses = answer.statuses.into_iter().map(|it| (it.entry_id, it.status));
            each(batch, statuses.collect(), |status| Answer::try_from(*status).ok())
        }
        Err(status) if status.code() == Code::Unimplemented => {
            tracing::warn!(
                "non-retriable error returned from app while processing bulk pub/sub event: {}",
                status.message()
            );
            vec![Outcome::Handled; batch.entries.len()]
        }
        Err(status) => {
            let error = RemoteError::from(status);
            let error =
                format!("error returned from app while processing bulk pub/sub event: {error}");
            vec![Outcome::Failed(error); batch.entries.len()]
        }
    }
}

/// What became of each entry, by the statuses that the application gives. One without a status was
/// not handled.
fn each<S>(
    batch: &Batch<'_>,
    mut statuses: HashMap<String, S>,
    read: impl Fn(&S) -> Option<Answer>,
) -> Vec<Outcome> {
    let outcomes = batch.entries.iter().map(|Entry { id, .. }| {
        let Some(status) = statuses.remove(id) else {
            return Outcome::Failed(format!(
                "response not received, RETRY required while processing bulk subscribe event for \
                 entry id: {id}"
            ));
        };
        match read(&status) {
            Some(Answer::Success) => Outcome::Handled,
            Some(Answer::Drop) => {
                tracing::warn!("DROP status returned from app while processing pub/sub event {id}");
                Outcome::Dropped
            }
            Some(Answer::Retry) => Outcome::Failed(format!(
                "RETRY required while processing bulk subscribe event for entry id: {id}"
            )),
            None => Outcome::Failed(format!(
                "unknown status returned from app while processing bulk subscribe event {id}"
            )),
        }
    });
    let outcomes = outcomes.collect();
    for id in statuses.keys() {
        tracing::warn!("Invalid entry id received from app while processing pub/sub event {id}");
    }
    outcomes
}

fn carried<'b>(batch: &Batch<'b>, entry: &'b Entry) -> EnvelopeEntry<'b> {
    EnvelopeEntry {
        entry_id: &entry.id,
        event: if batch.raw {
            Carrying::Text(BASE64_STANDARD.encode(&entry.message.data))
        } else {
            Carrying::Event(&entry.event.fields)
        },
        metadata: entry.message.metadata.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect(),
        content_type: content_type(batch, entry),
    }
}

fn content_type<'b>(batch: &Batch<'_>, entry: &'b Entry) -> &'b str {
    told_type(entry).unwrap_or(if batch.raw { BYTES } else { CLOUD_EVENT })
}

/// The content type that the broker has told.
fn told_type(entry: &Entry) -> Option<&str> {
    entry.message.content_type.as_deref().filter(|told| !told.is_empty())
}

fn of_batch(batch: &Batch<'_>) -> Metadata {
    Metadata::from([(PUBSUB_NAME.to_owned(), batch.pubsub.to_owned())])
}
