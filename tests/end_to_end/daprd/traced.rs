//! The trace headers of answers over HTTP, and the traces of what is published.

use serde_json::Value;

use crate::rig::http::{request, request_with};
use crate::rig::{Called, Ports};

use super::{IN_MEMORY, bus_to, home, start};

const NONE: &str = "00-00000000000000000000000000000000-0000000000000000-00";
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test]
async fn answers_have_the_trace_of_their_request_or_say_that_there_is_none() {
    let (home, ports) = (home("", &[("a.yaml", IN_MEMORY)]), Ports::free());
    let replug = start(&home, &ports, &[]).await;
    for path in ["/v1.0/state/orders/1", "/v1.0/nothing", "/v1.0/metadata", "/v1.0/state/x/1"] {
        let answer = request(ports.http, "GET", path, "").await;
        assert_eq!(answer.headers["traceparent"], NONE, "{path}");
    }
    let health = request(ports.http, "GET", "/v1.0/healthz", "").await;
    assert!(!health.headers.contains_key("traceparent"));
    let asked = [("traceparent", TRACE), ("tracestate", "a=b"), ("baggage", "user=ada;vip")];
    let answer = request_with(ports.http, "GET", "/v1.0/state/orders/1", &asked).await;
    for (name, value) in asked {
        assert_eq!(answer.headers[name], value);
    }
    let wrong = [("baggage", "user")];
    let refused = request_with(ports.http, "GET", "/v1.0/state/orders/1", &wrong).await;
    assert_eq!(refused.status.as_u16(), 400);
    assert_eq!(refused.body, "invalid baggage header: invalid baggage list-member: \"user\"\n");
    assert_eq!(refused.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(refused.headers["x-content-type-options"], "nosniff");
    replug.stop(&home).await;
}

#[tokio::test]
async fn where_tracing_is_off_no_trace_is_looked_at() {
    let (home, ports) = (home("", &[("a.yaml", IN_MEMORY)]), Ports::free());
    let off = "kind: Configuration\nspec: {tracing: {samplingRate: '0'}}\n";
    std::fs::write(home.path("config.yaml"), off).unwrap();
    let config = format!("--config={}", home.path("config.yaml").display());
    let replug = start(&home, &ports, &[&config]).await;
    let asked = [("traceparent", TRACE), ("baggage", "user")];
    let answer = request_with(ports.http, "GET", "/v1.0/state/orders/1", &asked).await;
    assert_eq!(answer.status.as_u16(), 204);
    assert!(!answer.headers.contains_key("traceparent"));
    replug.stop(&home).await;
}

#[tokio::test]
async fn where_tracing_is_off_events_belong_to_no_trace() {
    let (home, ports) = (home("", &[("a.yaml", &bus_to("/orders"))]), Ports::free());
    let mut called = Called::start(&[], |_| (200, String::new())).await;
    let off = "kind: Configuration\nspec: {tracing: {samplingRate: '0'}}\n";
    std::fs::write(home.path("config.yaml"), off).unwrap();
    let config = format!("--config={}", home.path("config.yaml").display());
    let flag = format!("--app-port={}", called.port);
    let replug = start(&home, &ports, &[&config, &flag]).await;
    let asked = [("traceparent", TRACE), ("tracestate", "a=b")];
    let answer = request_with(ports.http, "POST", "/v1.0/publish/bus/orders", &asked).await;
    assert_eq!(answer.status.as_u16(), 204);
    let post = called.post().await;
    let event: Value = serde_json::from_str(&post.body).unwrap();
    for field in ["traceid", "traceparent", "tracestate"] {
        assert_eq!(event[field], "", "{field}");
    }
    assert!(!post.headers.contains_key("traceparent"), "{:?}", post.headers);
    replug.stop(&home).await;
}
