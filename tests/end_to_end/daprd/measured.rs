//! What is measured of calls to the application, by the rules of a configuration.

use crate::rig::http::request;
use crate::rig::{Called, Ports};

use super::{home, start};

const FILES: &str = "
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: bus}
spec: {type: pubsub.in-memory, version: v1}
---
apiVersion: dapr.io/v1alpha1
kind: Subscription
metadata: {name: orders}
spec: {pubsubname: bus, topic: orders, route: /orders/new}
";

// What a group of the expression has found cannot be named here: daprd, and replug with it, takes `$1`
// in this file for a variable of the environment.
const RULES: &str = r"
kind: Configuration
spec:
  metrics:
    rules:
    - name: dapr_http_server_request_count
      labels:
      - {name: path, regex: {/v1.0/publish: '^/v1.0/publish/.*'}}
    - name: dapr_http_server_latency
      labels:
      - {name: path, regex: {'': '('}}
";

#[tokio::test]
async fn calls_to_the_application_are_measured_and_rules_change_their_labels() {
    let home = home("", &[("a.yaml", FILES)]);
    std::fs::write(home.path("config.yaml"), RULES).unwrap();
    let called = Called::start(&["/healthz"], |_| (200, String::from("{}"))).await;
    let ports = Ports::free();
    let port = format!("--app-port={}", called.port);
    let config = format!("--config={}", home.path("config.yaml").display());
    let more = [&*port, "--enable-app-health-check", "--app-health-probe-interval=1", &config];
    let replug = start(&home, &ports, &more).await;
    replug.line("the rule of the metric http_server_latency with the expression \\\"(\\\"").await;
    let published = request(ports.http, "POST", "/v1.0/publish/bus/orders", "1").await;
    assert_eq!(published.status.as_u16(), 204);
    // It is asked for its configuration after its first health check.
    replug.line("Application configuration loaded").await;
    let text = request(ports.metrics, "GET", "/metrics", "").await.body;
    for line in [
        r#"dapr_http_server_request_count{app_id="shop",method="POST",path="/v1.0/publish",status="204"} 1"#,
        r#"dapr_http_server_response_count{app_id="shop",method="POST",path="/v1.0/publish/bus/orders",status="204"} 1"#,
        r#"dapr_http_client_completed_count{app_id="shop",method="GET",path="/dapr/config",status="404"} 1"#,
        r#"dapr_http_client_sent_bytes_count{app_id="shop",method="GET",path="/dapr/config",status=""} 1"#,
        r#"dapr_http_healthprobes_completed_count{app_id="shop",status="200"} "#,
    ] {
        assert!(text.lines().any(|shown| shown.starts_with(line)), "{line} is not in\n{text}");
    }
    replug.stop(&home).await;
}
