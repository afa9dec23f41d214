//! What an application over gRPC is called with.

use std::time::Duration;

use replug_proto::dapr::runtime::v1 as pb;
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

/// Whatever comes until it is quiet, in an order of its own: deliveries have none.
async fn received(sidecar: &Sidecar, app: &Application, said: &mut Said) {
    let end = Instant::now() + LONGEST;
    while timeout_at(end.min(Instant::now() + QUIET), app.called()).await.is_ok() {}
    let mut calls: Vec<_> =
        app.take().iter().filter_map(|call| shown_call(sidecar, call)).collect();
    calls.sort();
    // What comes again and again comes a number of times that nobody promises.
    calls.dedup_by(|one, other| one == other && one.contains("/OnBindingEvent"));
    said.push(("deliveries".to_owned(), calls.len().to_string()));
    for (at, call) in calls.into_iter().enumerate() {
        said.push((format!("delivery {}", at + 1), call));
    }
}

/// A call as text. None: it is not looked at.
fn shown_call(sidecar: &Sidecar, call: &Received) -> Option<String> {
    let message = call.message.clone();
    let message = match call.path.rsplit('/').next()? {
        "OnTopicEvent" => shown::decoded::<pb::TopicEventRequest>(message),
        "OnBulkTopicEvent" | "OnBulkTopicEventAlpha1" => {
            shown::decoded::<pb::TopicEventBulkRequest>(message)
        }
        "OnBindingEvent" => shown::decoded::<pb::BindingEventRequest>(message),
        "HealthCheck" => return None,
        _ => message.escape_ascii().to_string(),
    };
    let mut parts = vec![call.path.clone()];
    let mut part = |name: String, value: String| parts.push(format!("{name}: {value}"));
    let mut head = call.head.clone();
    // What the library takes says nothing of the runtime.
    head.remove("grpc-accept-encoding");
    shown::fields("head", &head, &mut part);
    part("message".to_owned(), message);
    Some(sidecar.mask.hide(&parts.join("\n")))
}
