//! What an application over gRPC is called with.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use prost::Message as _;
use replug_proto::dapr::runtime::v1 as pb;
use replug_proto::dapr::runtime::v1::topic_event_bulk_request_entry::Event as Carried;
use tokio::time::{Instant, timeout_at};

use super::application::{Application, Received};
use super::call::Call;
use super::{said, shown};
use crate::compare::comparison::Said;
use crate::compare::sidecar::Sidecar;

/// How long nothing may come before it is taken that nothing comes any more.
const QUIET: Duration = Duration::from_millis(700);

/// How long deliveries are listened to, at the most.
const LONGEST: Duration = Duration::from_secs(6);

/// What was asked before anything was published.
pub(super) async fn first(sidecar: &Sidecar) -> Said {
    let mut said = Vec::new();
    if let Some(app) = &sidecar.called {
        received(sidecar, app, &mut said).await;
    }
    said
}

/// What came of a call: its answer and its deliveries.
pub(super) async fn of(sidecar: &Sidecar, call: &Call) -> Said {
    let mut answer = said(sidecar, call, &mut String::new()).await;
    for (name, _) in &mut answer {
        *name = format!("answer {name}");
    }
    if let Some(app) = &sidecar.called {
        received(sidecar, app, &mut answer).await;
    }
    answer
}

/// What came as the time went by, however often.
pub(super) fn by_time(sidecar: &Sidecar) -> Said {
    let calls = sidecar.called.as_ref().map(Application::take_by_time).unwrap_or_default();
    let shown: BTreeSet<_> = calls.iter().flat_map(|call| shown_call(sidecar, call)).collect();
    numbered(shown)
}

/// Whatever comes until it is quiet, in an order of its own: deliveries have none.
async fn received(sidecar: &Sidecar, app: &Application, said: &mut Said) {
    let end = Instant::now() + LONGEST;
    while timeout_at(end.min(Instant::now() + QUIET), app.called()).await.is_ok() {}
    let mut shown: Vec<_> = app.take().iter().flat_map(|call| shown_call(sidecar, call)).collect();
    shown.sort();
    // Batches part where they like, and what all of them have comes as often as there are batches.
    shown.dedup_by(|one, other| one == other && one.1.contains("/OnBulkTopicEvent"));
    said.push(("deliveries".to_owned(), shown.len().to_string()));
    said.extend(numbered(shown));
}

/// The pieces of deliveries, counted by their kind.
fn numbered(shown: impl IntoIterator<Item = (&'static str, String)>) -> Said {
    let mut counts = BTreeMap::<_, usize>::new();
    let pieces = shown.into_iter().map(|(kind, text)| {
        let count = counts.entry(kind).or_default();
        *count += 1;
        (format!("{kind} {count}"), text)
    });
    pieces.collect()
}

/// A call in pieces: its head and message, the data of each event, and each entry of a batch.
fn shown_call(sidecar: &Sidecar, call: &Received) -> Vec<(&'static str, String)> {
    let message = call.message.clone();
    let (mut entries, mut data) = (Vec::new(), Vec::new());
    let message = match call.path.rsplit('/').next().unwrap_or_default() {
        "OnTopicEvent" => match pb::TopicEventRequest::decode(message) {
            Ok(mut event) => {
                data.push(std::mem::take(&mut event.data));
                shown::stable(&format!("{event:#?}"))
            }
            Err(error) => format!("not decoded: {error}"),
        },
        "OnBulkTopicEvent" | "OnBulkTopicEventAlpha1" => {
            match pb::TopicEventBulkRequest::decode(message) {
                Ok(mut batch) => {
                    for mut entry in std::mem::take(&mut batch.entries) {
                        if let Some(Carried::CloudEvent(event)) = &mut entry.event {
                            data.push(std::mem::take(&mut event.data));
                        }
                        entries.push(shown::stable(&format!("{entry:#?}")));
                    }
                    shown::stable(&format!("{batch:#?}"))
                }
                Err(error) => format!("not decoded: {error}"),
            }
        }
        "OnBindingEvent" => shown::decoded::<pb::BindingEventRequest>(message),
        _ => message.escape_ascii().to_string(),
    };
    let mut parts = vec![call.path.clone()];
    // Of a batch each event has a trace, alike for all of these.
    let mut part = |name: String, value: String| {
        let line = format!("{name}: {value}");
        if !parts.contains(&line) {
            parts.push(line);
        }
    };
    let mut head = call.head.clone();
    // What the library takes says nothing of the runtime.
    head.remove("grpc-accept-encoding");
    shown::fields("head", &head, &mut part);
    part("message".to_owned(), message);
    let mut pieces = vec![("delivery", parts.join("\n"))];
    pieces.extend(entries.into_iter().map(|entry| ("entry", entry)));
    pieces.extend(data.into_iter().map(|data| ("data", data.escape_ascii().to_string())));
    pieces.into_iter().map(|(kind, text)| (kind, sidecar.mask.hide(&text))).collect()
}
