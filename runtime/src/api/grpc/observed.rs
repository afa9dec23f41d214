//! A call over gRPC as it is measured and logged, where one of the two is asked for.

use std::sync::Arc;
use std::time::Instant;

use http::{Request, Uri, header};
use replug_component::code_name;
use tonic::Code;

use super::dapr_method;
use crate::api::dapr::grpc::Unary;
use crate::telemetry::{GrpcCall, Telemetry};

/// What is known of a call before it is answered.
pub(super) struct Observed {
    begun: Instant,
    /// Its path is the whole method, with a slash before it.
    uri: Uri,
    /// None where calls are not logged.
    agent: Option<String>,
    telemetry: Option<Arc<Telemetry>>,
}

impl Observed {
    pub(super) fn begin<B>(
        request: &Request<B>,
        telemetry: Option<Arc<Telemetry>>,
        logged: bool,
    ) -> Self {
        let agent = request.headers().get(header::USER_AGENT);
        let agent = agent.and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        Self {
            begun: Instant::now(),
            uri: request.uri().clone(),
            agent: logged.then(|| agent.to_owned()),
            telemetry,
        }
    }

    /// Tells of the call. `sizes` are those of the request's message and of the answer's, in bytes;
    /// none where nobody has looked.
    pub(super) fn answered(self, code: Code, sizes: Option<(usize, usize)>) {
        let took = self.begun.elapsed();
        if let Some(telemetry) = &self.telemetry {
            // Whoever calls methods that are not there could otherwise fill the memory.
            let path = self.uri.path();
            let unknown = || dapr_method(path).and_then(Unary::of).is_none();
            let method = if code == Code::Unimplemented && unknown() { "" } else { path };
            let status = code_name(code);
            telemetry.grpc(&GrpcCall { method, status, took, sizes });
        }
        if let Some(agent) = self.agent {
            tracing::info!(
                target: "dapr.runtime.grpc.api-info",
                code = code as i32,
                duration = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                method = self.uri.path(),
                useragent = agent,
                "gRPC API Called"
            );
        }
    }
}
