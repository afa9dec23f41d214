//! What is measured: of calls and plugins, and by the rules of a configuration.

use super::*;
use crate::rig::Called;

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
    let home = home("", &[("a.yaml", &bus_to("/orders/new"))]);
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

#[tokio::test]
async fn calls_and_plugins_are_measured_on_the_metrics_port() {
    let plan = format!("[plugins.misbehave]\ncommand = [{:?}, \"well\"]\n", misbehave());
    let kv = IN_MEMORY.replace("in-memory", "misbehave").replace("orders", "kv");
    let files = [("a.yaml", IN_MEMORY), ("b.yaml", &*kv)];
    let (home, ports) = (home(&plan, &files), Ports::free());
    let mut replug = start(&home, &ports, &[]).await;
    get(ports.http, "/v1.0/state/orders/1").await;
    replug.kill_plugin("misbehave").await;
    let text = request(ports.metrics, "GET", "/any", "").await.body;
    for line in [
        r#"dapr_http_server_request_count{app_id="shop",method="GET",path="/v1.0/state/orders",status="204"} 1"#,
        r#"dapr_component_state_count{app_id="shop",component="orders",namespace="",operation="get",success="true"} 1"#,
        r#"dapr_runtime_component_loaded{app_id="shop"} 2"#,
        r#"replug_plugin_state{plugin="misbehave",state="ready"} 1"#,
        r#"replug_plugin_generation{plugin="misbehave"} 2"#,
        r#"replug_component_ready{component="kv",plugin="misbehave",type="state.misbehave"} 1"#,
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
    }
    replug.stop(&home).await;
}
