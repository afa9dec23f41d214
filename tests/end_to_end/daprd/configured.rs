//! A Configuration that changes while it runs counts at once, and takes nothing with it.

use rustix::process::Signal;

use crate::rig::http::request;
use crate::rig::{Hearer, Ports, misbehave};

use super::{IN_MEMORY, get, home, start, write};

/// A Configuration with this `spec`.
fn configuration(spec: &str) -> String {
    format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {{name: c}}\nspec: {spec}\n"
    )
}

/// What is said where the APIs are served anew.
const ANEW: &str = "the Configuration has changed: the APIs are served anew";

/// How often the log says so.
fn times(log: &str) -> usize {
    log.lines().filter(|line| line.contains(ANEW)).count()
}

#[tokio::test]
async fn a_changed_configuration_counts_from_sighup_on_and_nothing_is_lost() {
    let plugin = format!("[plugins.p]\ncommand = [{:?}, \"well\"]\n", misbehave());
    let (home, ports) = (home(&plugin, &[("a.yaml", IN_MEMORY)]), Ports::free());
    let file = home.path("c.yaml");
    std::fs::write(&file, configuration("{metrics: {http: {increasedCardinality: false}}}"))
        .unwrap();
    let flag = format!("--config={}", file.display());
    let mut replug = start(&home, &ports, &[&flag]).await;
    replug
        .line(
            "metric spec: {\\\"enabled\\\":true,\\\"http\\\":{\\\"increasedCardinality\\\":false}}",
        )
        .await;
    let generation = replug.until_ready("p").await.plugin("p").unwrap().generation;
    let saved = request(ports.http, "POST", "/v1.0/state/orders", r#"[{"key":"k","value":1}]"#);
    assert_eq!(saved.await.status, 204);

    let spec = "{metrics: {http: {increasedCardinality: true}}, logging: {apiLogging: {enabled: true}}, \
                api: {denied: [{name: secrets, version: v1.0, protocol: http}]}, \
                features: [{name: Shiny, enabled: true}]}";
    std::fs::write(&file, configuration(spec)).unwrap();
    replug.signal(Signal::HUP);
    replug.line("Received signal 'hangup'").await;
    // Who connects while the APIs are ended and begun anew is served.
    replug.line("increasedCardinality\\\":true").await;
    assert_eq!(get(ports.http, "/v1.0/state/orders/k").await, (200, 1.into()));
    replug.line("method=\"GET /v1.0/state/orders/k\"").await;
    assert_eq!(get(ports.http, "/v1.0/secrets/s/k").await.0, 404);
    let (_, metadata) = get(ports.http, "/v1.0/metadata").await;
    assert!(metadata["enabledFeatures"].as_array().unwrap().contains(&"Shiny".into()));
    assert_eq!(get(ports.http, "/v1.0/healthz").await.0, 204);
    let text = request(ports.metrics, "GET", "/metrics", "").await.body;
    assert!(text.contains("path=\"/v1.0/state/orders\""), "{text}");
    assert!(text.contains("dapr_runtime_component_loaded{app_id=\"shop\"} 1"), "{text}");
    let status = replug.status().await;
    assert_eq!(status.plugin("p").unwrap().generation, generation);

    // What is not acted on, and what has not changed, ends nothing.
    std::fs::write(&file, configuration(&spec.replace("{metrics", "{other: 1, metrics"))).unwrap();
    let reloaded = replug.command(&["reload"]).await;
    assert!(
        reloaded.code == Some(0) && !reloaded.stdout.contains("configuration"),
        "{}",
        reloaded.stdout
    );
    assert_eq!(times(&replug.log()), 1);
    // What is wrong changes nothing.
    std::fs::write(&file, configuration("[")).unwrap();
    assert_ne!(replug.command(&["reload"]).await.code, Some(0));
    assert_eq!(get(ports.http, "/v1.0/state/orders/k").await, (200, 1.into()));
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_component_type_that_is_denied_from_now_on_goes() {
    let (home, ports) = (home("", &[("a.yaml", IN_MEMORY)]), Ports::free());
    let file = home.path("c.yaml");
    std::fs::write(&file, configuration("{}")).unwrap();
    let replug = start(&home, &ports, &[&format!("--config={}", file.display())]).await;
    assert_eq!(get(ports.http, "/v1.0/state/orders/k").await.0, 204);
    std::fs::write(&file, configuration("{components: {deny: [state.in-memory]}}")).unwrap();
    let reloaded = replug.command(&["reload"]).await;
    let told = format!("configuration {}: changed\n", file.display());
    assert!(reloaded.stdout.contains(&told), "{}", reloaded.stdout);
    assert_eq!(get(ports.http, "/v1.0/state/orders/k").await.0, 500);
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_configuration_among_the_resources_has_everything_read_again() {
    let (home, ports) = (home("", &[("a.yaml", IN_MEMORY)]), Ports::free());
    let file = home.path("c.yaml");
    std::fs::write(&file, configuration("{}")).unwrap();
    let replug = start(&home, &ports, &[&format!("--config={}", file.display())]).await;
    let spec = "{features: [{name: Shiny, enabled: true}], logging: {apiLogging: {enabled: true}}}";
    let said = |what: &str| {
        format!("Received Configuration {what} event: mine - triggering SIGHUP reload")
    };
    std::fs::write(&file, configuration(spec)).unwrap();
    let mine = configuration("{}").replace("name: c", "name: mine");
    write(&home, "mine.yaml", &mine);
    replug.line(&said("CREATED")).await;
    // That much is told when the APIs have ended.
    replug.line("WorkflowsRemoteActivityReminder Shiny").await;
    assert_eq!(get(ports.http, "/v1.0/state/orders/k").await.0, 204);
    replug.line("method=\"GET /v1.0/state/orders/k\"").await;
    write(&home, "mine.yaml", &mine.replace("spec: {}", "spec: {tracing: {samplingRate: '1'}}"));
    replug.line(&said("UPDATED")).await;
    std::fs::remove_file(home.path("components").join("mine.yaml")).unwrap();
    replug.line(&said("DELETED")).await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn messages_go_on_over_a_changed_configuration() {
    const BUS: &str = "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: bus}\n\
                       spec: {type: pubsub.in-memory, version: v1}\n";
    let (home, ports) = (home("", &[("a.yaml", BUS)]), Ports::free());
    let file = home.path("c.yaml");
    std::fs::write(&file, configuration("{}")).unwrap();
    let replug = start(&home, &ports, &[&format!("--config={}", file.display())]).await;
    let mut hearer = Hearer::open(&replug.status().await, "bus", "t").await;
    assert_eq!(request(ports.http, "POST", "/v1.0/publish/bus/t", "0").await.status, 204);
    assert_eq!(hearer.next().await, "0");
    std::fs::write(&file, configuration("{features: [{name: Shiny, enabled: true}]}")).unwrap();
    replug.signal(Signal::HUP);
    // A stream of messages is asked to be opened again.
    hearer.ended().await;
    let mut hearer = Hearer::open(&replug.status().await, "bus", "t").await;
    assert_eq!(request(ports.http, "POST", "/v1.0/publish/bus/t", "1").await.status, 204);
    assert_eq!(hearer.next().await, "1");
    replug.stop(&home).await;
}
