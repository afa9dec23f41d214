//! A call over HTTP as it is measured and logged, where one of the two is asked for.

use std::time::Instant;

use http::{Method, Request, header};
use hyper::body::{Body as _, Incoming};

use super::answer::Answer;
use super::path::segments;
use crate::api::dapr::error::Told;
use crate::api::settings::ApiSettings;
use crate::telemetry::HttpCall;

/// What is known of a call before it is answered.
pub(super) struct Observed {
    begun: Instant,
    method: Method,
    path: String,
    agent: String,
    received: u64,
}

impl Observed {
    /// None where nobody wants to know.
    pub(super) fn begin(settings: &ApiSettings, request: &Request<Incoming>) -> Option<Self> {
        if settings.telemetry.is_none() && settings.call_log.is_none() {
            return None;
        }
        let agent =
            request.headers().get(header::USER_AGENT).filter(|_| settings.call_log.is_some());
        Some(Self {
            begun: Instant::now(),
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            agent: agent.and_then(|agent| agent.to_str().ok()).unwrap_or_default().to_owned(),
            received: request.body().size_hint().exact().unwrap_or_default(),
        })
    }

    /// Tells of the call. `refused` says that it was turned away for its token.
    pub(super) fn answered(self, settings: &ApiSettings, answer: &Answer, refused: bool) {
        let took = self.begun.elapsed();
        let sent = answer.body().size_hint().exact().unwrap_or_default();
        if let Some(telemetry) = &settings.telemetry {
            if let Some(told) = answer.extensions().get::<Told>() {
                telemetry.error(told.code(), told.category());
            }
            telemetry.http(&HttpCall {
                method: self.method.as_str(),
                path: &self.path,
                status: answer.status().as_str(),
                took,
                received: self.received,
                sent,
            });
        }
        let Some(log) = settings.call_log.filter(|_| !refused) else { return };
        if log.omit_health_checks && self.path.starts_with("/v1.0/healthz") {
            return;
        }
        let method = if log.operations {
            operation(&self.method, &self.path)
        } else {
            format!("{} {}", self.method, self.path)
        };
        tracing::info!(
            target: "dapr.runtime.http-info",
            code = answer.status().as_u16(),
            duration = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            method,
            size = sent,
            useragent = self.agent,
            "HTTP API Called"
        );
    }
}

/// What Dapr calls what is asked for, without names of the application's own.
fn operation(method: &Method, path: &str) -> String {
    let segments = segments(path).unwrap_or_default();
    let known = match (method.as_str(), segments.as_slice()) {
        ("GET", [_, "state", _, _]) => "GetState",
        ("DELETE", [_, "state", _, _]) => "DeleteState",
        (_, [_, "state", _, "bulk"]) => "GetBulkState",
        (_, [_, "state", _, "transaction"]) => "ExecuteStateTransaction",
        (_, [_, "state", _, "query"]) => "QueryState",
        (_, [_, "state", _]) => "SaveState",
        (_, [_, "publish", "bulk", ..]) => "BulkPublishEvent",
        (_, [_, "publish", ..]) => "PublishEvent",
        (_, [_, "bindings", ..]) => "InvokeBinding",
        (_, [_, "secrets", _, "bulk"]) => "GetBulkSecret",
        (_, [_, "secrets", ..]) => "GetSecret",
        ("PUT", [_, "metadata", ..]) => "PutMetadata",
        (_, [_, "metadata"]) => "GetMetadata",
        (_, [_, "healthz", "outbound"]) => "HealthzOutbound",
        (_, [_, "healthz"]) => "Healthz",
        (_, [_, "shutdown"]) => "Shutdown",
        (_, [_, "invoke", app, ..]) => return format!("InvokeService/{app}"),
        _ => "",
    };
    known.to_owned()
}
