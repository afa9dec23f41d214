//! What is measured of calls over gRPC: those that applications make, and those that are made to the
//! application.

use std::time::Duration;

use super::Telemetry;
use super::http::whole_milliseconds;
use super::maker::{Counters, Histograms, Maker};

#[derive(Debug)]
pub(super) struct Grpc {
    server: Side,
    client: Side,
    probe_latency: Histograms,
    probes: Counters,
}

/// One side of calls.
#[derive(Debug)]
struct Side {
    received: Histograms,
    sent: Histograms,
    latency: Histograms,
    completed: Counters,
}

/// A call over gRPC that is over.
#[derive(Debug, Clone, Copy)]
pub struct GrpcCall<'c> {
    /// The whole method, with a slash before it.
    pub method: &'c str,
    /// Go's name for its status.
    pub status: &'c str,
    /// How long it took.
    pub took: Duration,
    /// How large the messages that came and that went are, in bytes; none where that is not known.
    pub sizes: Option<(usize, usize)>,
}

// === impl Grpc ===

impl Grpc {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        let probes = "dapr_grpc_io_healthprobes";
        let status = ["grpc_client_status"];
        Self {
            server: Side::new(make, "server", "server_latency"),
            client: Side::new(make, "client", "roundtrip_latency"),
            probe_latency: make.latencies(&format!("{probes}_roundtrip_latency"), &status),
            probes: make.counter(&format!("{probes}_completed_count"), &status),
        }
    }
}

impl Side {
    fn new(make: &Maker<'_>, side: &str, latency: &str) -> Self {
        let name = |metric: &str| format!("dapr_grpc_io_{side}_{metric}");
        let method = format!("grpc_{side}_method");
        let status = format!("grpc_{side}_status");
        let call = [method.as_str(), status.as_str()];
        Self {
            received: make.sizes(&name("received_bytes_per_rpc"), &[&method]),
            sent: make.sizes(&name("sent_bytes_per_rpc"), &[&method]),
            latency: make.latencies(&name(latency), &call),
            completed: make.counter(&name("completed_rpcs"), &call),
        }
    }

    fn add(&self, call: &GrpcCall<'_>) {
        let labels = [call.method, call.status];
        if let Some((received, sent)) = call.sizes {
            #[allow(clippy::cast_precision_loss)] // No message is that large.
            let (received, sent) = (received as f64, sent as f64);
            self.received.of(&labels[..1]).observe(received);
            self.sent.of(&labels[..1]).observe(sent);
        }
        self.latency.of(&labels).observe(whole_milliseconds(call.took));
        self.completed.of(&labels).inc();
    }
}

// === impl Telemetry ===

impl Telemetry {
    /// A call over gRPC has been answered.
    pub fn grpc(&self, call: &GrpcCall<'_>) {
        self.grpc.server.add(call);
    }

    /// The application has answered a call over gRPC.
    pub(crate) fn app_grpc(&self, call: &GrpcCall<'_>) {
        self.grpc.client.add(call);
    }

    /// A health check of the application over gRPC is over.
    pub(crate) fn app_grpc_probe(&self, status: &str, took: Duration) {
        self.grpc.probe_latency.of(&[status]).observe(whole_milliseconds(took));
        self.grpc.probes.of(&[status]).inc();
    }
}
