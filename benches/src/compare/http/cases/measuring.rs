//! How calls are counted where the Configuration says so.

use super::usual;
use crate::compare::http::call::Group;

/// What the Configuration says of the metrics, by the names of groups.
const CONFIGURED: &[(&str, &str)] = &[
    ("paths not told", "http: {increasedCardinality: false}"),
    ("methods not told", "http: {increasedCardinality: true, excludeVerbs: true}"),
    ("patterns", "http: {increasedCardinality: false, pathMatching: [PATTERNS]}"),
    ("patterns and paths", "http: {increasedCardinality: true, pathMatching: [PATTERNS]}"),
    ("root pattern", "http: {increasedCardinality: true, pathMatching: [/, /v1.0/state/memory]}"),
    ("error codes", "recordErrorCodes: true"),
    ("bounds", "latencyDistributionBuckets: [5, 50, 5000000]"),
    (
        "rules",
        "rules: [{name: dapr_http_server_request_count, labels: [{name: path, regex: \
         {/v1.0/orders: '/v1.0/publish/bus/.+', /x: '^/nothing.*$'}}]}, {name: \
         component_state_count, labels: [{name: component, regex: {store: '^mem.*'}}]}]",
    ),
];

/// Patterns of several kinds, which fit some of the calls.
const PATTERNS: &str = "'/v1.0/state/{store}/{key}', /v1.0/state/memory, /v1.0/publish/bus/, \
    '/v1.0/bindings/{name...}', /nothing/x, 'no-slash', '/v1.0/secrets/{store}/{key}/{$}', \
    '//double//slash'";

/// A group for each.
pub(super) fn groups() -> Vec<Group> {
    CONFIGURED.iter().map(|(name, metrics)| group(name, metrics)).collect()
}

fn group(name: &'static str, metrics: &str) -> Group {
    let metrics = metrics.replace("PATTERNS", PATTERNS);
    let configuration = format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {{name: c}}\nspec:\n  metrics: \
         {{enabled: true, {metrics}}}\n"
    );
    let mut g = Group::new(usual(name).file("config.yaml", configuration));
    for path in [
        "/v1.0/state/memory/a",
        "/v1.0/state/memory/a/b",
        "/v1.0/state/sqlite/a%20b",
        "/v1.0//state/memory/a",
        "/v1.0/secrets/vault/plain",
        "/v1.0/secrets/vault/plain/",
        "/v1.0/healthz",
        "/healthz",
        "/dapr/config",
        "/nothing",
        "/nothing/x",
        "/no-slash",
        "/double/slash",
        "/",
        "/v1.0/publish/bus",
        "/actors/kind/1/method/m",
        "/v1.0/orders/kind/1/2/3/4",
    ] {
        g.get(path);
    }
    for topic in ["t", "t%2Fu", "t/u", "%C3%BC", &"l".repeat(300)] {
        g.post(&format!("/v1.0/publish/bus/{topic}"), "{}");
    }
    g.post("/v1.0/state/memory", r#"[{"key":"a","value":1}]"#);
    g.post("/v1.0/bindings/web", r#"{"operation":"get"}"#);
    g.post("/v1.0/bindings/web/x", "{}");
    g.post("/v1.0/bindings/web", r#"{"operation":"get","metadata":{"path":"/slow"}}"#);
    g
}
