//! What is measured of calls, under Dapr's names and labels, in Prometheus's text form.
//!
//! The crate `prometheus` keeps the series: it gives counters the names that they are given, where
//! others append `_total`, and finds a series by its labels' texts without making any. A call costs
//! a look-up for each metric; a series is made once, by the first call that has its labels. Where
//! nothing is measured there is no `Telemetry`, and a call costs a look at that.

mod bindings;
mod bounds;
mod grpc;
mod http;
mod maker;
mod open;
mod path_labels;
mod paths;
mod pubsub;
mod rules;

use std::time::Duration;

use prometheus::{IntCounter, Registry, TextEncoder};

use self::bindings::Bindings;
use self::grpc::Grpc;
pub use self::grpc::GrpcCall;
pub(crate) use self::http::AppHttpCall;
use self::http::Http;
pub use self::http::HttpCall;
pub use self::maker::LATENCY_BOUNDS;
use self::maker::{Counters, FloatCounters, Histograms, Maker};
use self::pubsub::PubSub;
pub(crate) use self::pubsub::{BulkIngress, Ingress, Processed};
use self::rules::Rules;
use crate::resources::MetricsSettings;

/// A building block whose calls are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measured {
    /// State stores.
    State,
    /// Secret stores.
    Secret,
}

/// All series of an application.
#[derive(Debug)]
pub struct Telemetry {
    registry: Registry,
    names: Vec<String>,
    namespace: String,
    http: Http,
    grpc: Grpc,
    state: Operations,
    secret: Operations,
    pubsub: PubSub,
    bindings: Bindings,
    loaded: IntCounter,
    init: Counters,
    init_failed: Counters,
    error_codes: Option<Counters>,
}

/// Calls of the components of one block.
#[derive(Debug)]
struct Operations {
    latencies: Histograms,
    count: FloatCounters,
}

/// How often something has happened, and how long it took.
#[derive(Debug)]
struct Counted {
    latencies: Histograms,
    count: Counters,
}

// === impl Telemetry ===

impl Telemetry {
    /// Nothing counted yet, of the application `app_id` in `namespace`, as the environment has it.
    #[must_use]
    pub fn new(app_id: &str, namespace: &str, settings: &MetricsSettings) -> Self {
        let registry = Registry::new();
        let make =
            Maker::new(&registry, app_id, &settings.latency_buckets, Rules::new(&settings.rules));
        let http = Http::new(&make, &settings.http);
        let grpc = Grpc::new(&make);
        let state = Operations::new(&make, "dapr_component_state");
        let secret = Operations::new(&make, "dapr_component_secret");
        let pubsub = PubSub::new(&make);
        let bindings = Bindings::new(&make);
        let loaded = make.counter("dapr_runtime_component_loaded", &[]);
        let init = make.counter("dapr_runtime_component_init_total", &["component"]);
        let failed = ["component", "reason", "componentName"];
        let init_failed = make.counter("dapr_runtime_component_init_fail_total", &failed);
        let codes = settings.record_error_codes;
        let error_codes =
            codes.then(|| make.counter("dapr_error_code_total", &["error_code", "category"]));
        let loaded = loaded.of(&[]);
        let namespace = namespace.to_owned();
        let names = make.names();
        Self {
            registry,
            names,
            namespace,
            http,
            grpc,
            state,
            secret,
            pubsub,
            bindings,
            loaded,
            init,
            init_failed,
            error_codes,
        }
    }

    /// A component has answered.
    pub fn component(
        &self,
        block: Measured,
        component: &str,
        operation: &str,
        took: Duration,
        success: bool,
    ) {
        let operations = match block {
            Measured::State => &self.state,
            Measured::Secret => &self.secret,
        };
        let success = if success { "true" } else { "false" };
        let labels = [component, &*self.namespace, operation, success];
        operations.count.of(&labels).inc();
        let milliseconds = took.as_secs_f64() * 1e3;
        if milliseconds > 0.0 {
            operations.latencies.of(&labels).observe(milliseconds);
        }
    }

    /// A component of this type is about to be made.
    pub fn component_init(&self, component_type: &str) {
        self.init.of(&[component_type]).inc();
    }

    /// It could not be made.
    pub fn component_init_failed(&self, component_type: &str, reason: &str, name: &str) {
        self.init_failed.of(&[component_type, reason, name]).inc();
    }

    /// It has been made.
    pub fn component_loaded(&self) {
        self.loaded.inc();
    }

    /// An error of this code has been told, where these are counted.
    pub fn error(&self, code: &str, category: &str) {
        if let Some(codes) = &self.error_codes {
            codes.of(&[code, category]).inc();
        }
    }

    /// The names of all metrics that there can be; a histogram has several lines after its own.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// All of it in Prometheus's text form.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // It writes to a text, which takes every write; what it gathers is well-formed.
        let _ = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text);
        bounds::in_go(&text)
    }
}

impl Operations {
    fn new(make: &Maker<'_>, prefix: &str) -> Self {
        let labels = ["component", "namespace", "operation", "success"];
        Self {
            count: make.float_counter(&format!("{prefix}_count"), &labels),
            latencies: make.latencies(&format!("{prefix}_latencies"), &labels),
        }
    }
}

impl Counted {
    fn new(make: &Maker<'_>, name: &str, labels: &[&str]) -> Self {
        Self {
            latencies: make.latencies(&format!("{name}_latencies"), labels),
            count: make.counter(&format!("{name}_count"), labels),
        }
    }

    /// As [`maker::Series::open`].
    fn open(self, places: &'static [usize]) -> Self {
        Self { latencies: self.latencies.open(places), count: self.count.open(places) }
    }

    /// Once more. What took no time at all has no latency, as in Dapr.
    fn add(&self, labels: &[&str], took: Duration) {
        self.count.of(labels).inc();
        if !took.is_zero() {
            self.latencies.of(labels).observe(took.as_secs_f64() * 1e3);
        }
    }
}

#[cfg(test)]
mod tests;
