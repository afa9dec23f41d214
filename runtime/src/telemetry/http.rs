//! What is measured of calls over HTTP: those that applications make, and those that are made to the
//! application.

use std::time::Duration;

use super::Telemetry;
use super::maker::{Counters, Histograms, Maker};
use super::path_labels::PathLabels;
use crate::resources::HttpMetrics;

/// Where the path stands among the labels of a call.
const PATH: &[usize] = &[1];

#[derive(Debug)]
pub(super) struct Http {
    /// Else all count as one without a name.
    tells_methods: bool,
    paths: PathLabels,
    request_bytes: Histograms,
    response_bytes: Histograms,
    latency: Histograms,
    requests: Counters,
    responses: Counters,
    client_sent: Histograms,
    client_received: Histograms,
    client_latency: Histograms,
    client_completed: Counters,
    probe_latency: Histograms,
    probes: Counters,
}

/// A call over HTTP that has been answered.
#[derive(Debug, Clone, Copy)]
pub struct HttpCall<'c> {
    /// Its method.
    pub method: &'c str,
    /// Its path, as it came.
    pub path: &'c str,
    /// The answer's status.
    pub status: &'c str,
    /// How long it took.
    pub took: Duration,
    /// The request's body, in bytes, where it said how long it is.
    pub received: u64,
    /// The answer's body, in bytes.
    pub sent: u64,
}

/// A call over HTTP that the application has answered, or could not be made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AppHttpCall<'c> {
    /// Its method.
    pub(crate) method: &'c str,
    /// Its path.
    pub(crate) path: &'c str,
    /// The answer's status; where there was none, 500.
    pub(crate) status: &'c str,
    /// How long it took.
    pub(crate) took: Duration,
    /// The request's body, in bytes.
    pub(crate) sent: usize,
    /// The answer's body, in bytes.
    pub(crate) received: usize,
}

// === impl Http ===

impl Http {
    pub(super) fn new(make: &Maker<'_>, settings: &HttpMetrics) -> Self {
        let call = ["method", "path", "status"];
        Self {
            tells_methods: !settings.exclude_verbs,
            paths: PathLabels::new(settings),
            request_bytes: make.sizes("dapr_http_server_request_bytes", &[]),
            response_bytes: make.sizes("dapr_http_server_response_bytes", &[]),
            latency: make.latencies("dapr_http_server_latency", &call).open(PATH),
            requests: make.counter("dapr_http_server_request_count", &call).open(PATH),
            responses: make.counter("dapr_http_server_response_count", &call).open(PATH),
            client_sent: make.sizes("dapr_http_client_sent_bytes", &call).open(PATH),
            client_received: make.sizes("dapr_http_client_received_bytes", &[]),
            client_latency: make.latencies("dapr_http_client_roundtrip_latency", &call).open(PATH),
            client_completed: make.counter("dapr_http_client_completed_count", &call).open(PATH),
            probe_latency: make.latencies("dapr_http_healthprobes_roundtrip_latency", &["status"]),
            probes: make.counter("dapr_http_healthprobes_completed_count", &["status"]),
        }
    }

    fn method<'m>(&self, method: &'m str) -> &'m str {
        if self.tells_methods { known_method(method) } else { "" }
    }
}

// === impl Telemetry ===

impl Telemetry {
    /// A call over HTTP has been answered.
    pub fn http(&self, call: &HttpCall<'_>) {
        let http = &self.http;
        let path = http.paths.called(call.path);
        let labels = [http.method(call.method), &*path, call.status];
        #[allow(clippy::cast_precision_loss)] // No body is that large.
        let (received, sent) = (call.received as f64, call.sent as f64);
        http.request_bytes.of(&[]).observe(received);
        http.response_bytes.of(&[]).observe(sent);
        http.latency.of(&labels).observe(whole_milliseconds(call.took));
        http.requests.of(&labels).inc();
        if http.paths.tells() {
            http.responses.of(&labels).inc();
        }
    }

    /// The application has answered a call over HTTP. What it was sent has no status, as in Dapr.
    pub(crate) fn app_http(&self, call: &AppHttpCall<'_>) {
        let http = &self.http;
        let (method, path) = (http.method(call.method), http.paths.asked(call.path));
        let labels = [method, &*path, call.status];
        #[allow(clippy::cast_precision_loss)] // No body is that large.
        let (received, sent) = (call.received as f64, call.sent as f64);
        http.client_sent.of(&[method, &*path, ""]).observe(sent);
        http.client_received.of(&[]).observe(received);
        http.client_latency.of(&labels).observe(whole_milliseconds(call.took));
        http.client_completed.of(&labels).inc();
    }

    /// A health check of the application over HTTP is over; without an answer its status is 500.
    pub(crate) fn app_http_probe(&self, status: &str, took: Duration) {
        self.http.probe_latency.of(&[status]).observe(whole_milliseconds(took));
        self.http.probes.of(&[status]).inc();
    }
}

/// Whole milliseconds, as Dapr measures calls.
pub(super) fn whole_milliseconds(took: Duration) -> f64 {
    #[allow(clippy::cast_precision_loss)] // No call takes that long.
    let whole = took.as_millis() as f64;
    whole
}

fn known_method(method: &str) -> &str {
    const KNOWN: [&str; 9] =
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"];
    if KNOWN.contains(&method) { method } else { "UNKNOWN" }
}
