//! What is delivered from the moment on at which it says that it is there, and what no more.

use super::*;
use crate::rig::Called;

/// A clock of this name that ticks ten times a second.
fn clock(name: &str) -> String {
    format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {{name: {name}}}\n\
         spec:\n  type: bindings.cron\n  version: v1\n  metadata:\n  \
         - {{name: schedule, value: '@every 100ms'}}\n  - {{name: direction, value: input}}\n"
    )
}

#[tokio::test]
async fn what_is_published_once_it_is_healthy_is_delivered() {
    let (home, ports) = (home("", &[("a.yaml", &bus_to("/orders"))]), Ports::free());
    let mut called = Called::start(&[], |_| (200, String::new())).await;
    let flag = format!("--app-port={}", called.port);
    let replug = start(&home, &ports, &[&flag, "--disable-init-endpoints=subscribe"]).await;
    assert_eq!(get(ports.http, "/v1.0/healthz").await.0, 204);
    let published = request(ports.http, "POST", "/v1.0/publish/bus/orders", "7").await;
    assert_eq!(published.status.as_u16(), 204, "{}", published.body);
    let post = called.post().await;
    assert_eq!(post.path, "/orders");
    assert_eq!(serde_json::from_str::<Value>(&post.body).unwrap()["data"], 7);
    let skipped = "level=warning msg=\"Skipping programmatic subscription loading";
    replug.line(skipped).await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_clock_that_is_taken_out_ticks_no_more() {
    let (home, ports) = (home("", &[("a.yaml", &*clock("tick"))]), Ports::free());
    let mut called = Called::start(&[], |_| (200, String::new())).await;
    let flag = format!("--app-port={}", called.port);
    let replug = start(&home, &ports, &[&flag]).await;
    assert_eq!(called.post().await.path, "/tick");
    std::fs::remove_file(home.path("components").join("a.yaml")).unwrap();
    replug.line("component tick: removed").await;
    // Another tick would come before the other clock's second.
    write(&home, "b.yaml", &clock("tock"));
    while called.post().await.path != "/tock" {}
    for _ in 0..3 {
        assert_eq!(called.post().await.path, "/tock");
    }
    replug.stop(&home).await;
}
