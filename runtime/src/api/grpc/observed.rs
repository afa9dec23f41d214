//! A call over gRPC as it is measured and logged, where one of the two is asked for.

use std::sync::Arc;
use std::time::Instant;

use http::{Request, Response, header};
use hyper::body::Incoming;
use replug_component::code_name;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::telemetry::Telemetry;

/// What is known of a call before it is answered.
pub(super) struct Observed {
    begun: Instant,
    /// The whole method, with a slash before it.
    method: String,
    /// None where calls are not logged.
    agent: Option<String>,
    telemetry: Option<Arc<Telemetry>>,
}

impl Observed {
    pub(super) fn begin(
        request: &Request<Incoming>,
        telemetry: Option<Arc<Telemetry>>,
        logged: bool,
    ) -> Self {
        let agent = request.headers().get(header::USER_AGENT);
        let agent = agent.and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        Self {
            begun: Instant::now(),
            method: request.uri().path().to_owned(),
            agent: logged.then(|| agent.to_owned()),
            telemetry,
        }
    }

    /// Tells of the call.
    pub(super) fn answered(self, answer: &Response<Body>) {
        let took = self.begun.elapsed();
        // A status in the head is that of a call without an answer; all others are well.
        let status = Status::from_header_map(answer.headers());
        let code = status.map_or(Code::Ok, |status| status.code());
        if let Some(telemetry) = &self.telemetry {
            telemetry.grpc(&self.method, code_name(code), took);
        }
        if let Some(agent) = self.agent {
            tracing::info!(
                target: "dapr.runtime.grpc.api-info",
                code = code as i32,
                duration = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                method = self.method,
                useragent = agent,
                "gRPC API Called"
            );
        }
    }
}
