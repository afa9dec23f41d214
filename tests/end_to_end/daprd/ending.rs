//! How it ends: put off for a while, with what is delivered meanwhile, and what ends it at once.

use std::time::Duration;

use super::*;
use crate::rig::{Called, Hearer, post, text};

const SUBSCRIPTION: &str = "
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: {name: orders}
spec:
  pubsubname: bus
  topic: orders
  routes:
    rules: [{match: 'event.type == \"x\"', path: /x}]
    default: /orders
";

/// The sample broker, as plugins.toml declares it, and the component over it.
fn broker(home: &Home, more: &str) -> (String, String) {
    let folder = text(&home.path("messages"));
    let component = format!(
        "apiVersion: dapr.io/v1alpha1\n\
         kind: Component\n\
         metadata: {{name: bus}}\n\
         spec:\n  type: pubsub.post\n  version: v1\n  \
         metadata: [{{name: folder, value: {folder:?}}}{more}]\n"
    );
    (format!("[plugins.post]\ncommand = [{:?}]\n", post()), component)
}

fn with_broker(more: &str, subscription: &str) -> Home {
    let home = home("", &[]);
    let (plan, component) = broker(&home, more);
    home.write_plan(&plan);
    write(&home, "a.yaml", &component);
    write(&home, "b.yaml", subscription);
    home
}

async fn publish(address: SocketAddr, data: &str) {
    let answer = request(address, "POST", "/v1.0/publish/bus/orders", data).await;
    assert_eq!(answer.status.as_u16(), 204, "{}", answer.body);
}

async fn next(called: &mut Called) -> Value {
    let post = called.post().await;
    assert_eq!(post.path, "/orders");
    serde_json::from_str::<Value>(&post.body).unwrap()["data"].clone()
}

#[tokio::test]
async fn an_application_is_not_asked_what_it_is_not_to_be_asked() {
    let (home, ports) = (home("", &[]), Ports::free());
    let called = Called::start(&[], |_| (200, "{}".to_owned())).await;
    let port = format!("--app-port={}", called.port);
    let replug = start(&home, &ports, &[&port, "--disable-init-endpoints=config"]).await;
    replug.line("Skipping programmatic dapr configuration loading").await;
    replug.line("dapr initialized. Status: Running.").await;
    assert!(!replug.log().contains("Application configuration loaded"), "{}", replug.log());
    replug.stop(&home).await;
}

#[tokio::test]
async fn an_end_that_is_put_off_delivers_nothing_and_comes_when_the_application_is_unhealthy() {
    let home = with_broker("", SUBSCRIPTION);
    let mut called = Called::start(&["/health"], |_| (200, String::new())).await;
    let ports = Ports::free();
    let port = format!("--app-port={}", called.port);
    let flags = [
        &*port,
        "--enable-app-health-check",
        "--app-health-check-path=/health",
        "--app-health-probe-interval=1",
        "--app-health-threshold=1",
        "--dapr-block-shutdown-duration=10m",
    ];
    let mut replug = start(&home, &ports, &flags).await;
    replug.line("shop is a new consumer of orders").await;
    publish(ports.http, "1").await;
    assert_eq!(next(&mut called).await, 1);

    replug.signal(Signal::TERM);
    replug.line("Blocking graceful shutdown for 10m0s or until app reports unhealthy...").await;
    replug.line("nothing more is delivered to the application").await;
    let (status, body) = get(ports.http, "/v1.0/healthz").await;
    assert_eq!((status, &body["errorCode"]), (500, &"ERR_HEALTH_NOT_READY".into()));
    publish(ports.http, "2").await;
    assert!(called.has_nothing(), "what is published now is for the next one");
    let metrics = request(ports.metrics, "GET", "/metrics", "").await;
    assert!(metrics.body.contains("dapr_component_pubsub_ingress_count"), "{}", metrics.body);
    // Nobody answers the health checks any more.
    drop(called);
    replug.line("App reported unhealthy, entering shutdown...").await;
    assert_eq!(replug.ended().await.code(), Some(0));
    replug.line("Daprd shutdown gracefully").await;
    replug.assert_nothing_left();

    // Whoever comes next gets what was published meanwhile.
    let mut called = Called::start(&[], |_| (200, String::new())).await;
    let ports = Ports::free();
    let port = format!("--app-port={}", called.port);
    let replug = start(&home, &ports, &[&port]).await;
    assert_eq!(next(&mut called).await, 2);
    replug.stop(&home).await;
}

#[tokio::test]
async fn an_end_that_is_put_off_ends_streams_serves_calls_and_comes_in_time() {
    let home = with_broker("", "");
    write(&home, "b.yaml", IN_MEMORY);
    let ports = Ports::free();
    let mut replug = start(&home, &ports, &["--dapr-block-shutdown-duration=3s"]).await;
    let status = replug.until_usable("bus").await;
    let mut hearer = Hearer::open(&status, "bus", "orders").await;
    publish(ports.http, "1").await;
    assert_eq!(hearer.next().await, "1");
    replug.signal(Signal::TERM);
    replug.line("Blocking graceful shutdown for 3s or until app reports unhealthy...").await;
    hearer.ended().await;
    assert_eq!(get(ports.http, "/v1.0/state/orders/1").await.0, 204);
    replug.line("Block shutdown period expired, entering shutdown...").await;
    assert_eq!(replug.ended().await.code(), Some(0));
    replug.line("Daprd shutdown gracefully").await;
    replug.assert_nothing_left();
}

#[tokio::test]
async fn a_routing_rule_that_cannot_be_read_ends_it_and_changes_nothing_later() {
    let broken = SUBSCRIPTION.replace("event.type ==", "event.type ===");
    let home = with_broker("", &broken);
    let ports = Ports::free();
    let mut replug = spawn(&home, &ports, &[]);
    assert_eq!(replug.ended().await.code(), Some(1));
    replug.line("level=fatal msg=\"Fatal error from runtime: ").await;
    let log = replug.log();
    assert!(log.contains("event.type ==="), "it says which rule:\n{log}");
    replug.assert_nothing_left();

    // While it runs the subscription stays what it was.
    write(&home, "b.yaml", SUBSCRIPTION);
    let mut called = Called::start(&[], |_| (200, String::new())).await;
    let ports = Ports::free();
    let port = format!("--app-port={}", called.port);
    let replug = start(&home, &ports, &[&port]).await;
    replug.line("shop is a new consumer of orders").await;
    write(&home, "b.yaml", &broken);
    replug.line("event.type ===").await;
    publish(ports.http, "1").await;
    assert_eq!(next(&mut called).await, 1);
    replug.stop(&home).await;
}

#[tokio::test]
async fn names_in_braces_are_replaced_in_metadata_and_the_namespace_keeps_topics_apart() {
    let named = ", {name: consumerID, value: \"{namespace}-{podName}\"}";
    let home = with_broker(named, SUBSCRIPTION);
    let mut called = Called::start(&[], |_| (200, String::new())).await;
    let ports = Ports::free();
    let flags = flags(&home, &ports, &[&format!("--app-port={}", called.port)]);
    let variables = [("NAMESPACE", "shops"), ("POD_NAME", "pod-1")];
    let replug = Replug::spawn_daprd_with(&home, &flags, &variables);
    replug.line("shops.shop-pod-1 is a new consumer of shopsorders").await;
    publish(ports.http, "1").await;
    let post = tokio::time::timeout(Duration::from_secs(60), called.post()).await.unwrap();
    let event: Value = serde_json::from_str(&post.body).unwrap();
    assert_eq!((&event["topic"], &event["data"]), (&"orders".into(), &1.into()));
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let (home, ports) = (home("", &[]), Ports::free());
    let mut replug = start(&home, &ports, &["--dapr-block-shutdown-duration=60s"]).await;
    replug.signal(Signal::TERM);
    replug.line("Blocking graceful shutdown for 1m").await;
    let (status, body) = get(ports.http, "/v1.0/healthz").await;
    assert_eq!((status, &body["errorCode"]), (500, &"ERR_HEALTH_NOT_READY".into()));
    replug.signal(Signal::INT);
    assert_eq!(replug.ended().await.code(), Some(1));
    replug
        .line(
            "level=fatal msg=\"Received signal 'interrupt' during shutdown; exiting immediately\"",
        )
        .await;
    replug.assert_nothing_left();
}

#[tokio::test]
async fn an_application_has_it_shut_down() {
    for (force, code, said, last) in [
        (false, 0, "Shutdown requested via API", "Daprd shutdown gracefully"),
        (true, 1, "Force shutdown requested, exiting immediately", "level=fatal"),
    ] {
        let (home, ports) = (home("", &[]), Ports::free());
        let mut replug = start(&home, &ports, &[]).await;
        let headers: &[(&str, &str)] = if force { &[("dapr-force-shutdown", "true")] } else { &[] };
        let answer =
            crate::rig::http::request_with(ports.http, "POST", "/v1.0/shutdown", headers).await;
        assert_eq!(answer.status.as_u16(), 204);
        assert_eq!(replug.ended().await.code(), Some(code));
        replug.line(said).await;
        replug.line(last).await;
        replug.assert_nothing_left();
    }
}
