//! The secret calls of Dapr's and Layotto's APIs: answers, statuses and words.

mod support;

use std::collections::HashMap;
use std::sync::Arc;

use replug_proto::dapr::runtime::v1 as dapr;
use replug_proto::dapr::runtime::v1::dapr_client::DaprClient;
use replug_proto::layotto::runtime::v1 as layotto;
use replug_proto::layotto::runtime::v1::runtime_client::RuntimeClient;
use replug_runtime::registry::Registry;
use support::{APP_ID, Api, settings, spec};
use tempfile::TempDir;
use tonic::Code;

/// APIs over one secret store, `vault`, whose file holds this.
async fn api(content: &str, multi_valued: &str) -> (Api, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets.json");
    std::fs::write(&path, content).unwrap();
    let metadata = [("secretsFile", path.to_str().unwrap()), ("multiValued", multi_valued)];
    let registry = Arc::new(Registry::new(APP_ID, ""));
    registry.declare(spec("vault", "secretstores.local.file", &metadata)).await.unwrap();
    (Api::serve(registry, settings()).await, folder)
}

const CONTENT: &str = r#"{"b": {"x": "<1>", "w": "2"}, "a": "3"}"#;

#[tokio::test]
async fn a_secret_is_a_map_of_its_values_over_http() {
    let (flat, _folder) = api(CONTENT, "false").await;
    let one = flat.http("GET", "/v1.0/secrets/vault/b:x", "").await;
    assert_eq!((one.status, one.body.as_str()), (200, "{\"b:x\":\"\\u003c1\\u003e\"}\n"));
    assert_eq!(one.header("Content-Type"), Some("application/json"));
    let all = flat.http("GET", "/v1.0/secrets/vault/bulk?metadata.namespace=n", "").await;
    let expected = r#"{"a":{"a":"3"},"b:w":{"b:w":"2"},"b:x":{"b:x":"\u003c1\u003e"}}"#;
    assert_eq!((all.status, all.body.as_str().trim_end()), (200, expected));

    let (several, _folder) = api(CONTENT, "true").await;
    let one = several.http("GET", "/v1.0/secrets/vault/b", "").await;
    assert_eq!(one.body.trim_end(), r#"{"w":"2","x":"\u003c1\u003e"}"#);
    let metadata = several.http("GET", "/v1.0/metadata", "").await.json();
    let capabilities = &metadata["components"][0]["capabilities"];
    assert_eq!(*capabilities, serde_json::json!(["MULTIPLE_KEY_VALUES_PER_SECRET"]));
}

#[tokio::test]
async fn errors_have_daprs_statuses_and_words_over_http() {
    let told = |code: &str, message: &str| {
        serde_json::json!({ "errorCode": code, "message": message }).to_string()
    };
    let (api, _folder) = api(CONTENT, "false").await;
    let unknown = api.http("GET", "/v1.0/secrets/volt/a", "").await;
    let expected = told("ERR_SECRET_STORE_NOT_FOUND", "failed finding secret store with key volt");
    assert_eq!((unknown.status, unknown.body), (401, expected));
    let missing = api.http("GET", "/v1.0/secrets/vault/c", "").await;
    let expected = told(
        "ERR_SECRET_GET",
        "failed getting secret with key c from secret store vault: secret c not found",
    );
    assert_eq!((missing.status, missing.body), (500, expected));

    let none = Api::start().await;
    for path in ["/v1.0/secrets/vault/a", "/v1.0/secrets/vault/bulk"] {
        let answer = none.http("GET", path, "").await;
        let expected = told("ERR_SECRET_STORES_NOT_CONFIGURED", "secret store is not configured");
        assert_eq!((answer.status, answer.body), (500, expected));
    }
}

#[tokio::test]
async fn secrets_and_errors_over_grpc() {
    let (api, _folder) = api(CONTENT, "true").await;
    let mut client = DaprClient::new(api.channel());
    let get = |store: &str, key: &str| dapr::GetSecretRequest {
        store_name: store.into(),
        key: key.into(),
        ..Default::default()
    };
    let got = client.get_secret(get("vault", "b")).await.unwrap().into_inner().data;
    let expected = [("x".to_owned(), "<1>".to_owned()), ("w".to_owned(), "2".to_owned())];
    assert_eq!(got, HashMap::from(expected));
    let bulk = dapr::GetBulkSecretRequest { store_name: "vault".into(), ..Default::default() };
    let all = client.get_bulk_secret(bulk).await.unwrap().into_inner().data;
    assert_eq!(all["a"].secrets["a"], "3");

    let unknown = client.get_secret(get("volt", "b")).await.unwrap_err();
    assert_eq!(unknown.code(), Code::InvalidArgument);
    assert!(unknown.details().is_empty());
    let missing = client.get_secret(get("vault", "c")).await.unwrap_err();
    assert_eq!(missing.code(), Code::Internal);
    assert!(missing.message().ends_with("vault: secret c not found"), "{}", missing.message());
}

#[tokio::test]
async fn layotto_gives_the_same_secrets_with_words_of_its_own() {
    let (api, _folder) = api(CONTENT, "false").await;
    let mut client = RuntimeClient::new(api.channel());
    let get = |store: &str, key: &str| layotto::GetSecretRequest {
        store_name: store.into(),
        key: key.into(),
        ..Default::default()
    };
    let got = client.get_secret(get("vault", "a")).await.unwrap().into_inner().data;
    assert_eq!(got["a"], "3");
    let bulk = layotto::GetBulkSecretRequest { store_name: "vault".into(), ..Default::default() };
    let all = client.get_bulk_secret(bulk).await.unwrap().into_inner().data;
    assert_eq!(all["b:w"].secrets["b:w"], "2");

    let unknown = client.get_secret(get("volt", "a")).await.unwrap_err();
    assert_eq!(unknown.code(), Code::InvalidArgument);
    assert_eq!(unknown.message(), "error when get secret but not find : volt");
    let missing = client.get_secret(get("vault", "c")).await.unwrap_err();
    assert_eq!(missing.code(), Code::Internal);
    assert_eq!(
        missing.message(),
        "error when get secret : secret name => c,store name =>vault,error => secret c not found"
    );
    let none = Api::start().await;
    let mut client = RuntimeClient::new(none.channel());
    let status = client.get_secret(get("vault", "a")).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
}
