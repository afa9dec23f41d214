//! `replug daprd` where daprd would stand: flags, log, exit codes, resource files, metrics.

mod configured;
mod dapr_run;
mod ending;
mod failing;
mod measured;
mod reloaded;
mod secrets;
mod served;
mod subscribed;
mod traced;

use std::net::SocketAddr;

use rustix::process::Signal;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::rig::http::request;
use crate::rig::{Home, Led, Ports, Replug, Sdk, misbehave};

const IN_MEMORY: &str = "
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: orders
spec:
  type: state.in-memory
  version: v1
";

/// A bus in memory, whose messages of the topic `orders` go to this path of the application.
fn bus_to(path: &str) -> String {
    format!(
        "apiVersion: dapr.io/v1alpha1\n\
         kind: Component\n\
         metadata: {{name: bus}}\n\
         spec: {{type: pubsub.in-memory, version: v1}}\n\
         ---\n\
         apiVersion: dapr.io/v1alpha1\n\
         kind: Subscription\n\
         metadata: {{name: orders}}\n\
         spec: {{pubsubname: bus, topic: orders, route: {path}}}\n"
    )
}

/// A home with these files in its `components`.
pub(crate) fn home(plan: &str, files: &[(&str, &str)]) -> Home {
    let home = Home::new(plan);
    std::fs::create_dir(home.path("components")).unwrap();
    for (name, text) in files {
        write(&home, name, text);
    }
    home
}

/// Writes a file of `components` as editors do, so that nobody reads half of it.
fn write(home: &Home, name: &str, text: &str) {
    let beside = home.path(name);
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, home.path("components").join(name)).unwrap();
}

/// daprd's flags for this home, and then some.
pub(crate) fn flags(home: &Home, ports: &Ports, more: &[&str]) -> Vec<String> {
    let mut flags = vec![
        "--app-id=shop".to_owned(),
        "-dapr-listen-addresses=127.0.0.1".to_owned(),
        format!("--dapr-http-port={}", ports.http.port()),
        "--dapr-grpc-port".to_owned(),
        ports.grpc.port().to_string(),
        format!("--metrics-port={}", ports.metrics.port()),
        "--metrics-listen-address=127.0.0.1".to_owned(),
        format!("--resources-path={}", home.path("components").display()),
        format!("--plugins={}", home.plan().display()),
    ];
    flags.extend(more.iter().map(|&flag| flag.to_owned()));
    flags
}

fn spawn(home: &Home, ports: &Ports, more: &[&str]) -> Replug {
    Replug::spawn_daprd(home, &flags(home, ports, more))
}

/// Started, and everything there.
pub(crate) async fn start(home: &Home, ports: &Ports, more: &[&str]) -> Replug {
    let replug = spawn(home, ports, more);
    replug.line("dapr initialized. Status: Running. Init Elapsed ").await;
    replug
}

async fn get(address: SocketAddr, path: &str) -> (u16, Value) {
    let answer = request(address, "GET", path, "").await;
    (answer.status.as_u16(), serde_json::from_str(&answer.body).unwrap_or(Value::Null))
}

#[tokio::test]
async fn it_says_what_tools_wait_for_and_of_itself_what_daprd_would() {
    let (home, ports) = (home("", &[("a.yaml", IN_MEMORY)]), Ports::free());
    let mut replug = start(&home, &ports, &[]).await;
    for line in [
        "msg=\"Component loaded: orders (state.in-memory/v1)\"".to_owned(),
        format!("msg=\"API gRPC server is running on port {}\"", ports.grpc.port()),
        format!("msg=\"HTTP server is running on port {}\"", ports.http.port()),
        "scope=dapr.runtime type=log ver=1.18.3".to_owned(),
        "msg=\"All outstanding components processed\"".to_owned(),
        "level=warning msg=\"App channel is not initialized. Did you configure an app-port?\""
            .to_owned(),
        "level=info msg=\"app id: shop\" app_id=shop instance=".to_owned(),
        format!("msg=\"gRPC server listening on TCP address: {}\"", ports.grpc),
        format!("msg=\"HTTP server listening on TCP address: {}\"", ports.http),
        "msg=\"Loading Declarative Subscriptions…\"".to_owned(),
        "msg=\"Hot reloading enabled. Daprd will reload ".to_owned(),
    ] {
        replug.line(&line).await;
    }
    assert_eq!(get(ports.http, "/v1.0/healthz").await.0, 204);
    let (_, metadata) = get(ports.http, "/v1.0/metadata").await;
    assert_eq!(metadata["id"], "shop");
    assert_eq!(metadata["runtimeVersion"], "1.18.3");
    assert_eq!(metadata["extended"]["daprRuntimeVersion"], "1.18.3");
    assert_eq!(metadata["components"][0]["name"], "orders");
    let features = metadata["enabledFeatures"].as_array().unwrap();
    assert!(features.contains(&"HotReload".into()));
    assert_eq!(metadata["actorRuntime"]["runtimeStatus"], "DISABLED");

    replug.signal(Signal::TERM);
    assert_eq!(replug.ended().await.code(), Some(0));
    replug.line("msg=\"Received signal 'terminated'; beginning shutdown\"").await;
    replug.line("msg=\"Shutting down component orders (state.in-memory/v1)\"").await;
    replug.line("msg=\"Daprd shutdown gracefully\"").await;
    replug.assert_nothing_left();
}

#[tokio::test]
async fn stores_that_answer_no_queries_in_daprd_answer_none() {
    let sqlite = IN_MEMORY.replace("orders", "lite").replace("in-memory", "sqlite");
    let sqlite = sqlite + "  metadata:\n  - {name: connectionString, value: ':memory:'}\n";
    let files = [("a.yaml", IN_MEMORY), ("b.yaml", &*sqlite)];
    let (home, ports) = (home("", &files), Ports::free());
    let replug = start(&home, &ports, &[]).await;
    for store in ["orders", "lite"] {
        let path = format!("/v1.0-alpha1/state/{store}/query");
        let answer = request(ports.http, "POST", &path, r#"{"filter":{"EQ":{"n":1}}}"#).await;
        assert_eq!(answer.status, 500);
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["errorCode"], "ERR_STATE_STORE_NOT_SUPPORTED", "{body}");
        assert_eq!(body["message"], "state store does not support querying");
    }
    replug.stop(&home).await;
}

#[tokio::test]
async fn its_log_is_json_where_that_is_asked_for_and_calls_are_in_it() {
    let (home, ports) = (home("", &[("a.yaml", IN_MEMORY)]), Ports::free());
    let replug = start(&home, &ports, &["-log-as-json", "--enable-api-logging"]).await;
    get(ports.http, "/v1.0/state/orders/1").await;
    let line = replug.line("HTTP API Called").await;
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["method"], "GET /v1.0/state/orders/1");
    assert_eq!((&line["code"], &line["level"]), (&204.into(), &"info".into()));
    assert_eq!(line["scope"], "dapr.runtime.http-info");
    assert_eq!((&line["app_id"], &line["type"]), (&"shop".into(), &"log".into()));
    replug.stop(&home).await;
}

#[tokio::test]
async fn it_is_healthy_when_the_application_listens_and_lets_it_call_before() {
    let (home, ports) = (home("", &[]), Ports::free());
    let app = ports.app;
    let flag = format!("--app-port={}", app.port());
    let replug = spawn(&home, &ports, &[&flag]);
    replug.line("This will block until the app is listening on that port.").await;
    assert_eq!(get(ports.http, "/v1.0/healthz/outbound").await.0, 204);
    let (status, body) = get(ports.http, "/v1.0/healthz").await;
    assert_eq!((status, &body["errorCode"]), (500, &"ERR_HEALTH_NOT_READY".into()));

    let _application = TcpListener::bind(app).await.unwrap();
    replug.line(&format!("application discovered on port {}", app.port())).await;
    replug.line("dapr initialized. Status: Running.").await;
    assert_eq!(get(ports.http, "/v1.0/healthz").await.0, 204);
    replug.stop(&home).await;
}

#[tokio::test]
async fn the_dapr_sdk_works_through_kills_of_a_plugin_beside_it() {
    if !Sdk::Python.is_here() {
        return;
    }
    let plan = "[plugins.settings]\nbuiltin = \"state.sqlite\"\nbackoff = { max = \"100ms\" }\n";
    let (home, ports) = (home(plan, &[]), Ports::free());
    let database = home.path("kv.db");
    let kv = format!(
        "{}  metadata: [{{name: connectionString, value: {:?}}}]\n",
        IN_MEMORY.replace("in-memory", "sqlite").replace("orders", "kv"),
        database.display().to_string()
    );
    write(&home, "a.yaml", &kv);
    let mut replug = start(&home, &ports, &[]).await;
    let status = replug.status().await;
    let components = serde_json::json!({ "state": "kv" });
    let mut led = Led::start(Sdk::Python, &status, components, None).await;
    for round in 0..3 {
        let value = format!("value {round}");
        let saved = serde_json::json!({ "key": "tea", "value": value.clone() });
        led.step::<Value>("save", saved).await.unwrap();
        replug.kill_plugin("settings").await;
        let got = led.step::<Value>("get", serde_json::json!({ "key": "tea" })).await.unwrap();
        assert_eq!(got["value"], value);
    }
    replug.stop(&home).await;
}
