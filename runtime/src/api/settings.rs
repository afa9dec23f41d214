//! What the APIs are told before they start.

use std::sync::Arc;

use super::access::ApiAccess;
use super::listener::ListenAddress;
use super::token::ApiToken;
use crate::app::AppSettings;
use crate::resources::SecretScope;
use crate::subscriptions::Subscriptions;
use crate::telemetry::Telemetry;

/// The largest request or answer, in bytes, unless the settings say otherwise.
pub const DEFAULT_MAX_BODY: usize = 4 << 20;

/// How many bytes the head of an HTTP request may have, unless the settings say otherwise. The
/// server adds as much again before it refuses one, as Dapr does.
pub const DEFAULT_READ_BUFFER: usize = 4 << 10;

/// How many connections one listener holds at a time, unless the settings say otherwise.
pub const DEFAULT_MAX_CONNECTIONS: usize = 10_000;

/// How the APIs are served.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// The name of the application that this runtime stands beside.
    pub app_id: String,
    /// What the runtime calls its own version, shown by the metadata API.
    pub runtime_version: String,
    /// Where Dapr and Layotto are served over gRPC.
    pub grpc: Vec<ListenAddress>,
    /// Where Dapr is served over HTTP.
    pub http: Vec<ListenAddress>,
    /// Where health and metadata alone are served, to everybody.
    pub public: Vec<ListenAddress>,
    /// What callers have to show; none: everybody may call.
    pub token: Option<ApiToken>,
    /// The largest request or answer in bytes; zero: as large as one likes.
    pub max_body: usize,
    /// The largest head of an HTTP request in bytes, without the slack.
    pub read_buffer: usize,
    /// How many connections one listener holds at a time; the next ones wait to be accepted.
    pub max_connections: usize,
    /// Whether the HTTP port speaks cleartext HTTP/2 beside HTTP/1.1.
    pub h2c: bool,
    /// How the application is reached, shown by the metadata API.
    pub app: AppSettings,
    /// What the runtime can do beyond what it always does, shown by the metadata API.
    pub features: Vec<String>,
    /// Which parts of Dapr's API can be called.
    pub access: ApiAccess,
    /// Which secrets can be had, a store each; of stores that none is about, all.
    pub secret_scopes: Vec<SecretScope>,
    /// What becomes of the traces that calls are part of.
    pub traces: Traces,
    /// The origins whose pages may call over HTTP, `*` for all; none: CORS is off.
    pub cors: Vec<String>,
    /// Whether calls are logged; none: they are not.
    pub call_log: Option<ApiCallLog>,
    /// Whether stores answer queries of which Dapr's components of their types answer none.
    pub more_queries: bool,
    /// What the application subscribes to, shown by the metadata API.
    pub subscriptions: Subscriptions,
    /// Where calls are measured; none: they are not.
    pub telemetry: Option<Arc<Telemetry>>,
}

/// What becomes of the trace that a call is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traces {
    /// Nobody looks at it.
    Ignored,
    /// What is published, and what bindings are given, belongs to it.
    Passed,
    /// The same, and answers have its headers, whose requests are refused where they are none.
    Told,
}

/// How calls are logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ApiCallLog {
    /// The operation is shown in the place of the path.
    pub operations: bool,
    /// Health checks are not shown.
    pub omit_health_checks: bool,
}

impl ApiSettings {
    /// The settings of an application, with nothing to listen on yet and no token.
    #[must_use]
    pub fn new(app_id: &str, runtime_version: &str) -> Self {
        Self {
            app_id: app_id.to_owned(),
            runtime_version: runtime_version.to_owned(),
            grpc: Vec::new(),
            http: Vec::new(),
            public: Vec::new(),
            token: None,
            max_body: DEFAULT_MAX_BODY,
            read_buffer: DEFAULT_READ_BUFFER,
            max_connections: DEFAULT_MAX_CONNECTIONS,
            h2c: true,
            app: AppSettings::default(),
            features: Vec::new(),
            access: ApiAccess::default(),
            secret_scopes: Vec::new(),
            traces: Traces::Passed,
            cors: Vec::new(),
            call_log: None,
            more_queries: true,
            subscriptions: Subscriptions::default(),
            telemetry: None,
        }
    }

    /// The bound on messages and bodies as one number.
    pub(super) fn body_limit(&self) -> usize {
        if self.max_body == 0 { usize::MAX } else { self.max_body }
    }
}
