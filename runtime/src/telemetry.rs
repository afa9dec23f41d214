//! What is measured of calls, under Dapr's names and labels, in Prometheus's text form.
//!
//! The crate `prometheus` keeps the series: it gives counters the names that they are given, where
//! others append `_total`, and finds a series by its labels' texts without making any. A call costs
//! a look-up for each metric; a series is made once, by the first call that has its labels. Where
//! nothing is measured there is no `Telemetry`, and a call costs a look at that.

mod bindings;
mod paths;
mod pubsub;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prometheus::{
    CounterVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, TextEncoder,
};

use self::bindings::Bindings;
use self::paths::Patterns;
use self::pubsub::PubSub;
pub(crate) use self::pubsub::{BulkIngress, Ingress, Processed};
use crate::resources::MetricsSettings;

/// Upper bounds of latencies in milliseconds, as Dapr has them.
const LATENCIES: [f64; 33] = [
    1., 2., 3., 4., 5., 6., 8., 10., 13., 16., 20., 25., 30., 40., 50., 65., 80., 100., 130., 160.,
    200., 250., 300., 400., 500., 650., 800., 1e3, 2e3, 5e3, 1e4, 2e4, 5e4,
];

/// Upper bounds of sizes in bytes.
const KIB: f64 = 1024.0;

/// Different paths that are told apart. Whoever calls paths that are not there could otherwise fill
/// the memory: what comes beyond counts as the empty path.
const MOST_PATHS: usize = 10_000;

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
    namespace: String,
    http: Http,
    grpc: Grpc,
    state: Operations,
    secret: Operations,
    pubsub: PubSub,
    bindings: Bindings,
    loaded: IntCounter,
    init: IntCounterVec,
    init_failed: IntCounterVec,
    error_codes: Option<IntCounterVec>,
}

#[derive(Debug)]
struct Http {
    tells_paths: bool,
    patterns: Patterns,
    tells_methods: bool,
    paths: AtomicUsize,
    seen: parking_lot::RwLock<std::collections::HashSet<String>>,
    request_bytes: HistogramVec,
    response_bytes: HistogramVec,
    latency: HistogramVec,
    requests: IntCounterVec,
    responses: IntCounterVec,
}

#[derive(Debug)]
struct Grpc {
    latency: HistogramVec,
    completed: IntCounterVec,
}

/// Calls of the components of one block.
#[derive(Debug)]
struct Operations {
    latencies: HistogramVec,
    count: CounterVec,
}

/// How often something has happened, and how long it took.
#[derive(Debug)]
struct Counted {
    latencies: HistogramVec,
    count: IntCounterVec,
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

/// Makes metrics of one application.
struct Maker<'m> {
    registry: &'m Registry,
    app_id: &'m str,
    latencies: Vec<f64>,
    sizes: Vec<f64>,
}

// === impl Telemetry ===

impl Telemetry {
    /// Nothing counted yet, of the application `app_id` in `namespace`, as the environment has it.
    #[must_use]
    pub fn new(app_id: &str, namespace: &str, settings: &MetricsSettings) -> Self {
        let registry = Registry::new();
        #[allow(clippy::cast_precision_loss)] // Milliseconds as people write them are exact.
        let mut latencies: Vec<f64> =
            settings.latency_buckets.iter().map(|bound| *bound as f64).collect();
        if latencies.is_empty() {
            latencies = LATENCIES.into_iter().chain([1e5]).collect();
        }
        let sizes = [1., 2., 4., 16., 64., 256.].map(|size| size * KIB);
        let mib = [1., 4., 16., 64., 256.].map(|size| size * KIB * KIB);
        let gib = [1., 4.].map(|size| size * KIB * KIB * KIB);
        let sizes = sizes.into_iter().chain(mib).chain(gib).collect();
        let make = Maker { registry: &registry, app_id, latencies, sizes };
        let call = ["method", "path", "status"];
        let http = Http {
            tells_paths: settings.http.increased_cardinality,
            patterns: Patterns::new(app_id, &settings.http.path_matching),
            tells_methods: !settings.http.exclude_verbs,
            paths: AtomicUsize::new(0),
            seen: parking_lot::RwLock::default(),
            request_bytes: make.sizes("dapr_http_server_request_bytes", &[]),
            response_bytes: make.sizes("dapr_http_server_response_bytes", &[]),
            latency: make.latencies("dapr_http_server_latency", &call),
            requests: make.counter("dapr_http_server_request_count", &call),
            responses: make.counter("dapr_http_server_response_count", &call),
        };
        let rpc = ["grpc_server_method", "grpc_server_status"];
        let grpc = Grpc {
            latency: make.latencies("dapr_grpc_io_server_server_latency", &rpc),
            completed: make.counter("dapr_grpc_io_server_completed_rpcs", &rpc),
        };
        let state = make.operations("dapr_component_state");
        let secret = make.operations("dapr_component_secret");
        let pubsub = PubSub::new(&make);
        let bindings = Bindings::new(&make);
        let loaded = make.counter("dapr_runtime_component_loaded", &[]);
        let init = make.counter("dapr_runtime_component_init_total", &["component"]);
        let failed = ["component", "reason", "componentName"];
        let init_failed = make.counter("dapr_runtime_component_init_fail_total", &failed);
        let codes = settings.record_error_codes;
        let error_codes =
            codes.then(|| make.counter("dapr_error_code_total", &["error_code", "category"]));
        let loaded = loaded.with_label_values::<&str>(&[]);
        let namespace = namespace.to_owned();
        Self {
            registry,
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

    /// A call over HTTP has been answered.
    pub fn http(&self, call: &HttpCall<'_>) {
        let http = &self.http;
        let method = if http.tells_methods { known_method(call.method) } else { "" };
        let path = match http.patterns.of(call.path) {
            Some(pattern) => pattern,
            None if http.tells_paths => http.path(cut(call.path)),
            None => "",
        };
        let labels = [method, path, call.status];
        let whole = call.took.as_millis();
        #[allow(clippy::cast_precision_loss)] // No call takes that long, no body is that large.
        let (took, received, sent) = (whole as f64, call.received as f64, call.sent as f64);
        http.request_bytes.with_label_values::<&str>(&[]).observe(received);
        http.response_bytes.with_label_values::<&str>(&[]).observe(sent);
        http.latency.with_label_values(&labels).observe(took);
        http.requests.with_label_values(&labels).inc();
        if http.tells_paths {
            http.responses.with_label_values(&labels).inc();
        }
    }

    /// A call over gRPC has been answered. `method` is the whole one, `status` Go's name for it.
    pub fn grpc(&self, method: &str, status: &str, took: Duration) {
        let labels = [method, status];
        #[allow(clippy::cast_precision_loss)] // No call takes that long.
        self.grpc.latency.with_label_values(&labels).observe(took.as_millis() as f64);
        self.grpc.completed.with_label_values(&labels).inc();
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
        operations.count.with_label_values(&labels).inc();
        let milliseconds = took.as_secs_f64() * 1e3;
        if milliseconds > 0.0 {
            operations.latencies.with_label_values(&labels).observe(milliseconds);
        }
    }

    /// A component of this type is about to be made.
    pub fn component_init(&self, component_type: &str) {
        self.init.with_label_values(&[component_type]).inc();
    }

    /// It could not be made.
    pub fn component_init_failed(&self, component_type: &str, reason: &str, name: &str) {
        self.init_failed.with_label_values(&[component_type, reason, name]).inc();
    }

    /// It has been made.
    pub fn component_loaded(&self) {
        self.loaded.inc();
    }

    /// An error of this code has been told, where these are counted.
    pub fn error(&self, code: &str, category: &str) {
        if let Some(codes) = &self.error_codes {
            codes.with_label_values(&[code, category]).inc();
        }
    }

    /// All of it in Prometheus's text form.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // It writes to a text, which takes every write; what it gathers is well-formed.
        let _ = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text);
        text
    }
}

impl Maker<'_> {
    fn histogram(&self, name: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
        let options = HistogramOpts::new(name, name)
            .const_label("app_id", self.app_id)
            .buckets(buckets.to_vec());
        let made = HistogramVec::new(options, labels).expect("names and bounds are well-formed");
        self.registry.register(Box::new(made.clone())).expect("no two have one name");
        made
    }

    fn latencies(&self, name: &str, labels: &[&str]) -> HistogramVec {
        self.histogram(name, labels, &self.latencies)
    }

    fn sizes(&self, name: &str, labels: &[&str]) -> HistogramVec {
        self.histogram(name, labels, &self.sizes)
    }

    fn counter(&self, name: &str, labels: &[&str]) -> IntCounterVec {
        let options = Opts::new(name, name).const_label("app_id", self.app_id);
        let made = IntCounterVec::new(options, labels).expect("names are well-formed");
        self.registry.register(Box::new(made.clone())).expect("no two have one name");
        made
    }

    fn counted(&self, name: &str, labels: &[&str]) -> Counted {
        Counted {
            latencies: self.latencies(&format!("{name}_latencies"), labels),
            count: self.counter(&format!("{name}_count"), labels),
        }
    }

    fn operations(&self, prefix: &str) -> Operations {
        let labels = ["component", "namespace", "operation", "success"];
        let name = format!("{prefix}_count");
        let options = Opts::new(&name, &name).const_label("app_id", self.app_id);
        let count = CounterVec::new(options, &labels).expect("names are well-formed");
        self.registry.register(Box::new(count.clone())).expect("no two have one name");
        Operations { latencies: self.latencies(&format!("{prefix}_latencies"), &labels), count }
    }
}

impl Counted {
    /// Once more. What took no time at all has no latency, as in Dapr.
    fn add(&self, labels: &[&str], took: Duration) {
        self.count.with_label_values(labels).inc();
        if !took.is_zero() {
            self.latencies.with_label_values(labels).observe(took.as_secs_f64() * 1e3);
        }
    }
}

impl Http {
    /// The path, where there is room for another one.
    fn path<'p>(&self, path: &'p str) -> &'p str {
        if self.seen.read().contains(path) {
            return path;
        }
        if self.paths.load(Ordering::Relaxed) >= MOST_PATHS {
            return "";
        }
        if self.seen.write().insert(path.to_owned()) {
            self.paths.fetch_add(1, Ordering::Relaxed);
        }
        path
    }
}

/// The path without what names a single thing: the key of a state, the name of a secret.
fn cut(path: &str) -> &str {
    for prefix in ["/v1.0/state/", "/v1.0/secrets/"] {
        if let Some(rest) = path.strip_prefix(prefix) {
            let store = rest.find('/').unwrap_or(rest.len());
            return &path[..prefix.len() + store];
        }
    }
    path
}

fn known_method(method: &str) -> &str {
    const KNOWN: [&str; 9] =
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"];
    if KNOWN.contains(&method) { method } else { "UNKNOWN" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::HttpMetrics;

    fn call(path: &str) -> HttpCall<'_> {
        let took = Duration::from_micros(3_900);
        HttpCall { method: "GET", path, status: "200", took, received: 0, sent: 5000 }
    }

    #[test]
    fn a_call_shows_under_daprs_names_with_labels_in_order() {
        let telemetry = Telemetry::new("shop", "", &MetricsSettings::default());
        assert!(!telemetry.text().contains("path="), "nothing is shown before it happens");
        telemetry.http(&call("/v1.0/state/orders/1"));
        telemetry.http(&call("/v1.0/state/orders/2"));
        telemetry.grpc("/dapr.proto.runtime.v1.Dapr/GetState", "OK", Duration::ZERO);
        telemetry.component(Measured::State, "orders", "get", Duration::from_micros(1500), true);
        let text = telemetry.text();
        for line in [
            "# TYPE dapr_http_server_request_count counter",
            r#"dapr_http_server_request_count{app_id="shop",method="GET",path="/v1.0/state/orders",status="200"} 2"#,
            r#"dapr_http_server_latency_bucket{app_id="shop",method="GET",path="/v1.0/state/orders",status="200",le="3"} 2"#,
            r#"dapr_http_server_response_bytes_bucket{app_id="shop",le="4096"} 0"#,
            r#"dapr_grpc_io_server_completed_rpcs{app_id="shop",grpc_server_method="/dapr.proto.runtime.v1.Dapr/GetState",grpc_server_status="OK"} 1"#,
            r#"dapr_component_state_count{app_id="shop",component="orders",namespace="",operation="get",success="true"} 1"#,
            r#"dapr_component_state_latencies_sum{app_id="shop",component="orders",namespace="",operation="get",success="true"} 1.5"#,
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn settings_cut_paths_and_methods_and_give_other_bounds() {
        let settings = MetricsSettings {
            http: HttpMetrics {
                increased_cardinality: false,
                exclude_verbs: true,
                ..HttpMetrics::default()
            },
            latency_buckets: vec![7],
            ..MetricsSettings::default()
        };
        let telemetry = Telemetry::new("shop", "", &settings);
        telemetry.http(&call("/v1.0/healthz"));
        let text = telemetry.text();
        let labels = r#"{app_id="shop",method="",path="",status="200","#;
        assert!(
            text.contains(&format!("dapr_http_server_latency_bucket{labels}le=\"7\"}} 1")),
            "{text}"
        );
        assert!(!text.contains("dapr_http_server_response_count{"), "{text}");
    }

    #[test]
    fn paths_count_by_the_patterns_that_they_match_and_others_as_before() {
        for (increased_cardinality, other) in [(true, "/orders"), (false, "")] {
            let settings = MetricsSettings {
                http: HttpMetrics {
                    increased_cardinality,
                    path_matching: vec!["/orders/{id}".into()],
                    ..HttpMetrics::default()
                },
                ..MetricsSettings::default()
            };
            let telemetry = Telemetry::new("shop", "", &settings);
            for path in ["/orders/1", "/orders/2", "/orders"] {
                telemetry.http(&call(path));
            }
            let text = telemetry.text();
            for (path, count) in [("/orders/{id}", 2), (other, 1)] {
                let line = format!(
                    "dapr_http_server_request_count{{app_id=\"shop\",method=\"GET\",path=\"{path}\",\
                     status=\"200\"}} {count}"
                );
                assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
            }
        }
    }

    #[test]
    fn both_sides_of_bindings_are_counted() {
        let telemetry = Telemetry::new("shop", "", &MetricsSettings::default());
        telemetry.input_binding("clock", Duration::from_millis(2), true);
        telemetry.output_binding("mail", "create", Duration::ZERO, false);
        let text = telemetry.text();
        for line in [
            r#"dapr_component_input_binding_count{app_id="shop",component="clock",namespace="",success="true"} 1"#,
            r#"dapr_component_input_binding_latencies_sum{app_id="shop",component="clock",namespace="",success="true"} 2"#,
            r#"dapr_component_output_binding_count{app_id="shop",component="mail",namespace="",operation="create",success="false"} 1"#,
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("output_binding_latencies_sum{"), "{text}");
    }
}
