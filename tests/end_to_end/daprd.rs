//! `replug daprd` where daprd would stand: flags, log, exit codes, resource files, metrics.

mod configured;
mod dapr_run;
mod ending;
mod measured;
mod reloaded;
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
async fn what_cannot_be_ends_with_daprds_words_and_codes() {
    const TWICE: &str = "fatal msg=\"Fatal error from runtime: failed to load components: duplicate \
                         definition of Component name orders (state.in-memory/v1) with existing \
                         orders (state.in-memory/v1)\"";
    let unknown =
        IN_MEMORY.replace("in-memory", "nowhere").replace("spec:", "spec:\n  initTimeout: 50ms");
    let version = IN_MEMORY.replace("v1\n", "v7\n");
    let block = IN_MEMORY.replace("state.in-memory", "middleware.http.oauth2");
    let broken_store = "
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: vault}
spec: {type: secretstores.local.file, version: v1, metadata: [{name: secretsFile, value: /nowhere.json}]}
";
    for (files, more, says) in [
        (&[("a.yaml", IN_MEMORY), ("b.yaml", IN_MEMORY)][..], &[][..], TWICE),
        (
            &[("a.yaml", &unknown)],
            &[],
            "Fatal error from runtime: process component orders error: [INIT_COMPONENT_FAILURE]: initialization error occurred for orders (state.nowhere/v1): [CREATE_COMPONENT_FAILURE]: initialization error occurred for orders (state.nowhere/v1): couldn't find state store state.nowhere/v1",
        ),
        (
            &[("a.yaml", &version)],
            &[],
            "[CREATE_COMPONENT_FAILURE]: initialization error occurred for orders (state.in-memory/v7): couldn't find state store state.in-memory/v7",
        ),
        (
            &[("a.yaml", &block)],
            &[],
            "process component orders error: incorrect type middleware.http.oauth2",
        ),
        (
            &[("a.yaml", broken_store)],
            &[],
            "Failed to init component vault (secretstores.local.file/v1)",
        ),
        (
            &[],
            &["--config=/nowhere.yaml"],
            "Fatal error from runtime: error loading configuration: cannot read /nowhere.yaml",
        ),
        (
            &[],
            &["--resources-path=/nowhere"],
            "Fatal error from runtime: failed to load components: open /nowhere",
        ),
        (&[], &["--app-port=x"], "Failed to parse flags: error parsing app-port flag"),
        (&[], &["--log-level=loud"], "invalid value for --log-level: loud"),
    ] {
        let (home, ports) = (home("", files), Ports::free());
        let mut replug = spawn(&home, &ports, more);
        assert_eq!(replug.ended().await.code(), Some(1), "{says}");
        replug.line(says).await;
        replug.assert_nothing_left();
    }
    let home = home("", &[]);
    for (flag, code) in [("--nope", 2), ("--help", 0), ("--version", 0), ("--build-info", 0)] {
        let mut replug = Replug::spawn_daprd(&home, &[flag.to_owned()]);
        assert_eq!(replug.ended().await.code(), Some(code), "{flag}");
    }
}

/// A built-in that waits for a server which says nothing is late, and not unknown.
#[tokio::test]
async fn a_built_in_that_is_not_there_in_time_is_called_late() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = silent.local_addr().unwrap();
    let late =
        IN_MEMORY.replace("in-memory", "redis").replace("spec:", "spec:\n  initTimeout: 50ms");
    let late = format!("{late}  metadata: [{{name: redisHost, value: \"{host}\"}}]\n");
    let (home, ports) = (home("", &[("a.yaml", &late)]), Ports::free());
    let mut replug = spawn(&home, &ports, &[]);
    assert_eq!(replug.ended().await.code(), Some(1));
    replug
        .line("orders (state.redis/v1): [INIT_COMPONENT_FAILURE]: initialization error occurred for orders (state.redis/v1): init timeout for component orders (state.redis/v1)")
        .await;
}

#[tokio::test]
async fn a_component_that_may_fail_ends_nothing() {
    let may_fail = IN_MEMORY
        .replace("in-memory", "nowhere")
        .replace("orders", "other")
        .replace("spec:", "spec:\n  ignoreErrors: true\n  initTimeout: 50ms");
    let files = [("a.yaml", &*may_fail), ("b.yaml", IN_MEMORY)];
    let (home, ports) = (home("", &files), Ports::free());
    let replug = start(&home, &ports, &[]).await;
    replug.line("Ignoring error processing component: process component other error:").await;
    let (_, metadata) = get(ports.http, "/v1.0/metadata").await;
    assert_eq!(metadata["components"].as_array().unwrap().len(), 1);
    replug.stop(&home).await;
}

/// A component that needs a secret which it does not get is made without it; one whose store is not
/// there, or failed, is made when that is.
#[tokio::test]
async fn what_a_secret_store_does_not_give_ends_nothing() {
    let keeper = "
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: keeper}
spec: {type: secretstores.local.env, version: v1}
";
    let failing = "
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: failing}
spec:
  ignoreErrors: true
  type: secretstores.local.file
  version: v1
  metadata: [{name: secretsFile, value: /nowhere.json}]
";
    let of = |name: &str, store: &str| {
        let named = IN_MEMORY.replace("orders", name);
        let secret = "{name: unused, secretKeyRef: {name: NOT_IN_THE_ENVIRONMENT, key: key}}";
        format!("{named}  metadata: [{secret}]\nauth: {{secretStore: {store}}}\n")
    };
    let (one, two, three) = (of("one", "keeper"), of("two", "nobody"), of("three", "failing"));
    let files = [
        ("a.yaml", keeper),
        ("b.yaml", failing),
        ("c.yaml", &one),
        ("d.yaml", &two),
        ("e.yaml", &three),
    ];
    let (home, ports) = (home("", &files), Ports::free());
    let mut replug = start(&home, &ports, &[]).await;
    replug.line("Component two references a secret store that isn't loaded: nobody").await;
    replug.line("Component three references a secret store that isn't loaded: failing").await;
    replug.line("Component loaded: one (state.in-memory/v1)").await;
    replug.line("dapr initialized. Status: Running.").await;
    assert_eq!(get(ports.http, "/v1.0/state/one/1").await.0, 204);
    let (status, refused) = get(ports.http, "/v1.0/state/two/1").await;
    assert_eq!(status, 503, "{refused}");
    assert!(refused["message"].as_str().unwrap().contains("there is no secret store `nobody`"));
    write(&home, "f.yaml", &keeper.replace("keeper", "nobody"));
    replug.until_usable("two").await;
    assert_eq!(get(ports.http, "/v1.0/state/two/1").await.0, 204);
    replug.stop(&home).await;
}

/// Whatever is made first: a built-in store that is read from a disk takes its time.
#[tokio::test]
async fn a_component_waits_for_the_secret_store_that_is_made_beside_it() {
    let home = home("", &[]);
    let pipe = home.path("secrets.json");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    let file = pipe.display();
    let keeper = format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {{name: keeper}}\n\
         spec:\n  type: secretstores.local.file\n  version: v1\n  \
         metadata: [{{name: secretsFile, value: {file}}}]\n"
    );
    let secret = "{name: unused, secretKeyRef: {name: word, key: word}}";
    let needing = format!("{IN_MEMORY}  metadata: [{secret}]\nauth: {{secretStore: keeper}}\n");
    write(&home, "a.yaml", &keeper);
    write(&home, "b.yaml", &needing);
    let ports = Ports::free();
    let replug = spawn(&home, &ports, &[]);
    replug.line("waits for the secret store `keeper`").await;
    // Opening it waits for the reader.
    let told = tokio::task::spawn_blocking(move || std::fs::write(pipe, r#"{"word": "x"}"#));
    told.await.unwrap().unwrap();
    replug.line("Component loaded: keeper (secretstores.local.file/v1)").await;
    replug.line("Component loaded: orders (state.in-memory/v1)").await;
    assert_eq!(get(ports.http, "/v1.0/state/orders/1").await.0, 204);
    replug.stop(&home).await;
}

/// A Configuration may turn the reading of changed files off.
#[tokio::test]
async fn without_hot_reload_a_changed_file_counts_when_that_is_asked_for() {
    let (home, ports) = (home("", &[("a.yaml", IN_MEMORY)]), Ports::free());
    let cold = home.path("cold.yaml");
    std::fs::write(
        &cold,
        "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: cold}\n\
         spec: {features: [{name: HotReload, enabled: false}]}\n",
    )
    .unwrap();
    let config = format!("--config={}", cold.display());
    let mut replug = start(&home, &ports, &[&config]).await;
    write(&home, "b.yaml", &IN_MEMORY.replace("orders", "more"));
    let (_, metadata) = get(ports.http, "/v1.0/metadata").await;
    assert!(!metadata["enabledFeatures"].to_string().contains("HotReload"), "{metadata}");
    assert_eq!(get(ports.http, "/v1.0/state/more/1").await.0, 400);
    assert!(!replug.log().contains("Watching directories"), "{}", replug.log());
    replug.signal(Signal::HUP);
    replug.until_usable("more").await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn resource_files_are_read_again_when_they_change() {
    let (home, ports) = (home("", &[("a.yaml", IN_MEMORY)]), Ports::free());
    let mut replug = start(&home, &ports, &[]).await;
    write(&home, "b.yaml", &IN_MEMORY.replace("orders", "more"));
    replug.until_usable("more").await;
    assert_eq!(get(ports.http, "/v1.0/state/more/1").await.0, 204);

    // What is wrong changes nothing, and the log says where it is.
    write(
        &home,
        "b.yaml",
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: more}\nscopes: 5\n",
    );
    replug.line("b.yaml:4:1: error: `scopes` is a number; write a list of texts").await;
    assert_eq!(get(ports.http, "/v1.0/state/more/1").await.0, 204);

    // What is for somebody else goes.
    write(
        &home,
        "b.yaml",
        &IN_MEMORY.replace("orders", "more").replace("spec:", "scopes: [else]\nspec:"),
    );
    replug.until("more is gone", |status| status.component("more").is_none()).await;
    std::fs::remove_file(home.path("components").join("a.yaml")).unwrap();
    replug.until("orders is gone", |status| status.component("orders").is_none()).await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_configuration_closes_secrets_and_parts_of_the_api() {
    let store = "
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: env}
spec: {type: secretstores.local.env, version: v1}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: refused}
spec: {type: state.in-memory, version: v1}
";
    let (home, ports) = (home("", &[("a.yaml", store)]), Ports::free());
    std::fs::write(
        home.path("config.yaml"),
        "
apiVersion: dapr.io/v1alpha1
kind: Configuration
spec:
  features: [{name: Own.Feature, enabled: true}]
  secrets: {scopes: [{storeName: env, defaultAccess: deny, allowedSecrets: [APP_ID]}]}
  components: {deny: [state.in-memory]}
  api: {denied: [{name: state, version: v1, protocol: http}]}
",
    )
    .unwrap();
    let config = format!("--config={}", home.path("config.yaml").display());
    let replug = start(&home, &ports, &[&config]).await;
    let (status, body) = get(ports.http, "/v1.0/secrets/env/APP_ID").await;
    assert_eq!((status, &body["APP_ID"]), (200, &"shop".into()), "daprd sets it itself");
    let (status, body) = get(ports.http, "/v1.0/secrets/env/PATH").await;
    assert_eq!((status, &body["errorCode"]), (403, &"ERR_PERMISSION_DENIED".into()));
    assert_eq!(body["message"], "access denied by policy to get \"PATH\" from \"env\"");
    let (_, all) = get(ports.http, "/v1.0/secrets/env/bulk").await;
    assert_eq!(all.as_object().unwrap().keys().collect::<Vec<_>>(), ["APP_ID"]);
    let (status, body) = get(ports.http, "/v1.0/state/refused/1").await;
    assert_eq!((status, &body["errorCode"]), (404, &"ERR_DIRECT_INVOKE".into()));
    replug.line("component 'refused' cannot be loaded because components of type 'state.in-memory' are not allowed").await;
    let (_, metadata) = get(ports.http, "/v1.0/metadata").await;
    assert!(metadata["enabledFeatures"].as_array().unwrap().contains(&"Own.Feature".into()));
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

#[tokio::test]
async fn the_apis_listen_on_sockets_in_a_folder_where_that_is_asked_for() {
    let (home, ports) = (home("", &[]), Ports::free());
    let folder = format!("--unix-domain-socket={}", home.path("").display());
    let replug = start(&home, &ports, &[&folder]).await;
    for api in ["http", "grpc"] {
        let socket = home.path(&format!("dapr-shop-{api}.socket"));
        tokio::net::UnixStream::connect(&socket).await.unwrap();
    }
    replug.stop(&home).await;
    assert!(!home.path("dapr-shop-http.socket").exists());
}

#[tokio::test]
async fn the_public_port_serves_health_and_metadata_alone() {
    let (home, ports) = (home("", &[("a.yaml", IN_MEMORY)]), Ports::free());
    let public = [
        format!("--dapr-public-port={}", ports.app.port()),
        "--dapr-public-listen-address=127.0.0.1".to_owned(),
    ];
    let replug = start(&home, &ports, &[&public[0], &public[1]]).await;
    assert_eq!(get(ports.app, "/v1.0/healthz").await.0, 204);
    assert_eq!(get(ports.app, "/v1.0/metadata").await.1["id"], "shop");
    let other = request(ports.app, "GET", "/v1.0/state/orders/1", "").await;
    assert_eq!((other.status.as_u16(), other.body.as_str()), (404, "404 page not found\n"));
    replug.stop(&home).await;
}

#[tokio::test]
async fn waiting_returns_when_the_sidecar_is_ready() {
    let (home, ports) = (home("", &[]), Ports::free());
    let _replug = start(&home, &ports, &[]).await;
    let port = format!("--dapr-http-port={}", ports.http.port());
    let mut waiting = Replug::spawn_daprd(&home, &["--wait".to_owned(), port]);
    assert_eq!(waiting.ended().await.code(), Some(0));
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
