//! Where it listens, and what a Configuration closes there.

use super::*;

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
        "# Which stands before the document, and is none.
---
apiVersion: dapr.io/v1alpha1
kind: Configuration
spec:
  features: [{name: Own.Feature, enabled: true}]
  secrets: {scopes: [{storeName: env, defaultAccess: deny, allowedSecrets: [APP_ID]}, {storeName: nowhere}]}
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
    replug.line("component 'refused' cannot be loaded because components of type 'refused (state.in-memory/v1)' are not allowed").await;
    replug
        .line("Secrets configuration added for 'nowhere', but no matching secret store was")
        .await;
    assert!(!replug.log().contains("added for 'env'"));
    let (_, metadata) = get(ports.http, "/v1.0/metadata").await;
    assert!(metadata["enabledFeatures"].as_array().unwrap().contains(&"Own.Feature".into()));
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
    assert_eq!(other.headers["x-content-type-options"], "nosniff");
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
