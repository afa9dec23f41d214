//! State stores whose values are encrypted: what reaches the store, over every way that there is, and
//! what is read of it.

mod support;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use replug_component::state::{Operation, SetRequest, TransactRequest};
use replug_proto::dapr::common::v1::{Etag, StateItem, StateOptions};
use replug_proto::dapr::runtime::v1 as dapr;
use replug_proto::dapr::runtime::v1::dapr_client::DaprClient;
use replug_runtime::api::Phase;
use replug_runtime::component::{ComponentSpec, MetadataValue, SecretReference};
use replug_runtime::plugin::Seat;
use replug_runtime::registry::{ComponentState, Registry};
use support::life::{CX, Life, get, store};
use support::{Api, settings, spec};
use tempfile::TempDir;
use tonic::Code;
use tonic::transport::Channel;

const PRIMARY: &str = "primaryEncryptionKey";
const SECONDARY: &str = "secondaryEncryptionKey";

const K16: &str = "000102030405060708090a0b0c0d0e0f";
const K32: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// A store's value as daprd 1.18 has written it, with the key `first`… of 16 bytes, named `k16`.
const OF_DAPRD: &str = "fj/zM8omE8a0GRJ+2P/b8UGlHUU/LGB3QezXzBIVnymhlwf89U8q||k16";

/// A folder with the secrets that the component `vault` keeps.
fn secrets() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let secrets = serde_json::json!({ "k16": K16, "k32": K32, "word": "no key", "short": "0011" });
    fs::write(folder.path().join("secrets.json"), secrets.to_string()).unwrap();
    folder
}

fn vault(folder: &Path) -> ComponentSpec {
    let path = folder.join("secrets.json");
    spec("vault", "secretstores.local.file", &[("secretsFile", path.to_str().unwrap())])
}

/// The component with these encryption keys, by the names of their secrets.
fn with_keys(mut component: ComponentSpec, keys: &[(&str, &str)]) -> ComponentSpec {
    for (field, name) in keys {
        let (store, name) = ("vault".to_owned(), (*name).to_owned());
        let reference = SecretReference { store, name, key: None };
        component.metadata.insert((*field).to_owned(), MetadataValue::Reference(reference));
    }
    component
}

/// A component over the one table of the folder.
fn table(name: &str, folder: &Path) -> ComponentSpec {
    let file = folder.join("state.db");
    let metadata = [("connectionString", file.to_str().unwrap()), ("keyPrefix", "none")];
    spec(name, "state.sqlite", &metadata)
}

/// The component `plug`, of a plugin.
fn plug(keys: &[(&str, &str)]) -> ComponentSpec {
    let metadata = [("keyPrefix", "none"), ("dsn", "db")];
    with_keys(spec("plug", "state.plug", &metadata), keys)
}

/// The store `orders`, encrypted with the key `k16`, and the same in the clear as `kept`.
async fn api(folder: &Path) -> Api {
    let registry = Arc::new(Registry::new("shop", ""));
    registry.declare(vault(folder)).await.unwrap();
    let orders = with_keys(table("orders", folder), &[(PRIMARY, "k16")]);
    registry.declare(orders).await.unwrap();
    registry.declare(table("kept", folder)).await.unwrap();
    let api = Api::serve(registry, settings()).await;
    api.health.reached(Phase::Ready);
    api
}

fn item(key: &str, value: impl Into<Bytes>) -> StateItem {
    StateItem { key: key.into(), value: value.into(), ..StateItem::default() }
}

async fn save(client: &mut DaprClient<Channel>, store: &str, states: Vec<StateItem>) {
    let store_name = store.to_owned();
    client.save_state(dapr::SaveStateRequest { store_name, states }).await.unwrap();
}

fn to_read(store: &str, key: &str) -> dapr::GetStateRequest {
    let (store_name, key) = (store.to_owned(), key.to_owned());
    dapr::GetStateRequest { store_name, key, ..Default::default() }
}

async fn read(client: &mut DaprClient<Channel>, store: &str, key: &str) -> dapr::GetStateResponse {
    client.get_state(to_read(store, key)).await.unwrap().into_inner()
}

/// How the component stands.
fn state(registry: &Registry, name: &str) -> ComponentState {
    registry.components().into_iter().find(|it| it.name == name).unwrap().state
}

/// Whether these are all values that are encrypted with the key of this name.
fn are_encrypted(given: &[Bytes], key: &str) -> bool {
    let end = format!("||{key}");
    given.iter().all(|value| value.ends_with(end.as_bytes()))
}

#[tokio::test]
async fn no_way_leads_a_value_to_the_store_in_the_clear_and_each_reads_it() {
    let folder = secrets();
    let api = api(folder.path()).await;
    let mut client = DaprClient::new(api.channel());
    save(&mut client, "orders", vec![item("grpc", "word grpc")]).await;
    let json = HashMap::from([("contentType".to_owned(), "application/json".to_owned())]);
    let json = StateItem { metadata: json, ..item("grpc-json", r#"{"word":"grpc-json"}"#) };
    save(&mut client, "orders", vec![item("grpc-several", "word grpc-several"), json]).await;
    let upsert = |key: &str, value| dapr::TransactionalStateOperation {
        operation_type: "upsert".to_owned(),
        request: Some(item(key, value)),
    };
    let transaction = dapr::ExecuteStateTransactionRequest {
        store_name: "orders".to_owned(),
        operations: vec![
            upsert("grpc-transaction", "word grpc-transaction"),
            upsert("grpc-transaction-2", "word grpc-transaction-2"),
        ],
        ..Default::default()
    };
    client.execute_state_transaction(transaction).await.unwrap();
    let path = "/v1.0/state/orders";
    for (path, body) in [
        (path, r#"[{"key":"http","value":"word http"}]"#),
        (
            path,
            r#"[{"key":"http-json","value":{"word":"http-json"}},{"key":"http-several","value":"word http-several"}]"#,
        ),
        // An option that is none goes another way.
        (
            path,
            r#"[{"key":"http-eventual","value":"word http-eventual","options":{"consistency":"eventual"}}]"#,
        ),
        (
            "/v1.0/state/orders/transaction",
            r#"{"operations":[{"operation":"upsert","request":{"key":"http-transaction","value":"word http-transaction"}}]}"#,
        ),
    ] {
        let saved = api.http("POST", path, body).await;
        assert_eq!((saved.status, saved.body.as_str()), (204, ""), "{body}");
    }

    let keys = [
        "grpc",
        "grpc-json",
        "grpc-several",
        "grpc-transaction",
        "grpc-transaction-2",
        "http",
        "http-json",
        "http-several",
        "http-eventual",
        "http-transaction",
    ];
    for key in keys {
        let kept = read(&mut client, "kept", key).await;
        assert!(are_encrypted(std::slice::from_ref(&kept.data), "k16"), "{key}: {kept:?}");
        assert!(!String::from_utf8_lossy(&kept.data).contains("word"), "{key}: {kept:?}");
        let value = if key.ends_with("json") {
            format!(r#"{{"word":"{key}"}}"#)
        } else {
            format!("word {key}")
        };
        let got = read(&mut client, "orders", key).await;
        assert_eq!((&*got.data, got.etag), (value.as_bytes(), kept.etag));
        let got = api.http("GET", &format!("{path}/{key}"), "").await;
        assert_eq!((got.status, got.body), (200, value));
    }
    let bulk = dapr::GetBulkStateRequest {
        store_name: "orders".to_owned(),
        keys: keys.map(str::to_owned).to_vec(),
        ..Default::default()
    };
    let got = client.get_bulk_state(bulk).await.unwrap().into_inner();
    assert_eq!(got.items.len(), keys.len());
    for item in got.items {
        assert_eq!(item.error, "");
        assert!(String::from_utf8_lossy(&item.data).contains(&item.key), "{item:?}");
    }
    let got = api.http("POST", &format!("{path}/bulk"), r#"{"keys":["http-json","none"]}"#).await;
    let got = got.json();
    assert_eq!(got[0]["data"], serde_json::json!({ "word": "http-json" }));
    assert_eq!((&got[1]["data"], &got[1]["error"]), (&serde_json::Value::Null, &got[1]["data"]));
    assert_eq!(api.http("GET", &format!("{path}/none"), "").await.status, 204);
}

#[tokio::test]
async fn etags_and_deletes_are_the_stores_own_and_nothing_can_be_searched() {
    let folder = secrets();
    let api = api(folder.path()).await;
    let mut client = DaprClient::new(api.channel());
    save(&mut client, "orders", vec![item("k", "one")]).await;
    let etag = read(&mut client, "orders", "k").await.etag;
    let first_write = |etag: &str, value| dapr::SaveStateRequest {
        store_name: "orders".to_owned(),
        states: vec![StateItem {
            etag: Some(Etag { value: etag.to_owned() }),
            options: Some(StateOptions { concurrency: 1, consistency: 0 }),
            ..item("k", value)
        }],
    };
    client.save_state(first_write(&etag, "two")).await.unwrap();
    let stale = client.save_state(first_write(&etag, "three")).await.unwrap_err();
    assert_eq!(stale.code(), Code::Aborted);
    assert_eq!(read(&mut client, "orders", "k").await.data, "two");
    let etag = read(&mut client, "orders", "k").await.etag;
    let headers = [&*format!("If-Match: {etag}")];
    let deleted = api.http_with("DELETE", "/v1.0/state/orders/k", &headers, "").await;
    assert_eq!(deleted.status, 204);
    assert_eq!(api.http("GET", "/v1.0/state/orders/k", "").await.status, 204);

    let failed = "state store orders query failed: cannot query encrypted store";
    for query in ["{}", r#"{"filter":{"EQ":{"a":1}}}"#, "no query"] {
        let refused = api.http("POST", "/v1.0-alpha1/state/orders/query", query).await;
        assert_eq!(refused.status, 500);
        assert_eq!(refused.json()["errorCode"], "ERR_STATE_QUERY");
        assert_eq!(refused.json()["message"], failed);
        let (store_name, query) = ("orders".to_owned(), query.to_owned());
        let request = dapr::QueryStateRequest { store_name, query, ..Default::default() };
        let refused = client.query_state_alpha1(request).await.unwrap_err();
        assert_eq!((refused.code(), refused.message()), (Code::Internal, failed));
    }
}

#[tokio::test]
async fn what_was_stored_in_the_clear_is_an_error_and_what_daprd_stored_is_read() {
    let folder = secrets();
    let api = api(folder.path()).await;
    let mut client = DaprClient::new(api.channel());
    save(&mut client, "orders", vec![item("own", "[1]")]).await;
    let foreign = OF_DAPRD.replace("k16", "other");
    let items =
        vec![item("clear", "word"), item("daprd", OF_DAPRD), item("other", foreign), item("e", "")];
    save(&mut client, "kept", items).await;
    assert_eq!(read(&mut client, "orders", "daprd").await.data, "word of k16");
    assert_eq!(read(&mut client, "orders", "e").await.data, "");

    let got = api.http("GET", "/v1.0/state/orders/clear", "").await;
    let message = "fail to get clear from state store orders: the value is not encrypted";
    assert_eq!((got.status, &got.json()["message"]), (500, &message.into()));
    assert_eq!(got.json()["errorCode"], "ERR_STATE_GET");
    let refused = client.get_state(to_read("orders", "other")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Internal);
    let unknown = "the value is encrypted with the key `other`, which the component does not have";
    assert_eq!(refused.message(), format!("fail to get other from state store orders: {unknown}"));
    let got = api.http("POST", "/v1.0/state/orders/bulk", r#"{"keys":["clear","own"]}"#).await;
    let got = got.json();
    assert_eq!(got[0]["error"], "the value is not encrypted");
    assert_eq!(got[0].get("data"), None);
    assert_eq!(got[1]["data"], serde_json::json!([1]));
}

#[tokio::test]
async fn a_key_is_rotated_while_the_runtime_runs() {
    let folder = secrets();
    let api = api(folder.path()).await;
    let mut client = DaprClient::new(api.channel());
    save(&mut client, "orders", vec![item("old", "one")]).await;
    let rotated = [(PRIMARY, "k32"), (SECONDARY, "k16")];
    let rotated = with_keys(table("orders", folder.path()), &rotated);
    assert_eq!(api.registry.redeclare(rotated).await.unwrap(), None);
    assert_eq!(read(&mut client, "orders", "old").await.data, "one");
    save(&mut client, "orders", vec![item("new", "two")]).await;
    assert_eq!(read(&mut client, "orders", "new").await.data, "two");
    assert!(read(&mut client, "kept", "new").await.data.ends_with(b"||k32"));
    // What is stored again is encrypted anew.
    save(&mut client, "orders", vec![item("old", "three")]).await;
    let only = with_keys(table("orders", folder.path()), &[(PRIMARY, "k32")]);
    assert_eq!(api.registry.redeclare(only).await.unwrap(), None);
    assert_eq!(read(&mut client, "orders", "old").await.data, "three");

    // Without keys, what is kept is what is read.
    assert_eq!(api.registry.redeclare(table("orders", folder.path())).await.unwrap(), None);
    assert!(read(&mut client, "orders", "new").await.data.ends_with(b"||k32"));
}

#[tokio::test]
async fn a_plugin_is_given_neither_a_value_nor_a_key_in_any_of_its_lives() {
    let folder = secrets();
    let registry = Arc::new(Registry::new("shop", ""));
    registry.declare(vault(folder.path())).await.unwrap();
    registry.declare(plug(&[(PRIMARY, "k16")])).await.unwrap();
    for generation in [1, 2] {
        // Who comes before the plugin waits until its keys are known.
        let early = tokio::spawn({
            let registry = registry.clone();
            async move {
                let request = set("early");
                store(&registry).await.set(&CX, request).await
            }
        });
        let services = ["StateStore", "TransactionalStateStore"];
        let life = Life::begin_serving(generation, &services).await;
        assert_eq!(life.attach(&registry).await.failed, []);
        early.await.unwrap().unwrap();
        let store = store(&registry).await;
        assert!(store.encrypts());
        store.set(&CX, set("a")).await.unwrap();
        store.bulk_set(&CX, vec![set("b"), set("c")], None).await.unwrap();
        let operations = vec![Operation::Set(set("d")), Operation::Set(set("e"))];
        store.transact(&CX, TransactRequest { operations, ..Default::default() }).await.unwrap();
        let given = life.fake.given.lock().clone();
        assert_eq!(given.len(), 6);
        assert!(are_encrypted(&given, "k16"), "{given:?}");
        let made_with = life.fake.made_with.lock().clone();
        let expected = [("keyPrefix", "none"), ("dsn", "db")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(made_with, HashMap::from(expected));
        // The plugin answers with what it likes: that is not given as the value.
        let error = store.get(&CX, get("a")).await.unwrap_err().to_string();
        assert_eq!(error, "the value is not encrypted");
        life.kill().await;
        registry.suspend("fake", Seat::default(), "it was killed");
    }
    assert!(!format!("{registry:?}").contains(K16));
}

#[tokio::test]
async fn keys_that_come_later_count_from_their_declaration_on() {
    let folder = secrets();
    let registry = Arc::new(Registry::new("shop", ""));
    registry.declare(vault(folder.path())).await.unwrap();
    registry.declare(plug(&[])).await.unwrap();
    let life = Life::begin(1).await;
    life.attach(&registry).await;
    store(&registry).await.set(&CX, set("clear")).await.unwrap();
    assert_eq!(*life.fake.given.lock(), ["word"]);

    // It cannot be initialised: nothing goes to it in the clear.
    let failed = registry.redeclare(plug(&[(PRIMARY, "word")])).await.unwrap().unwrap();
    assert_eq!(failed, "`primaryEncryptionKey` is no key: write its bytes in hexadecimal");
    let slot = &registry.state("plug").unwrap().slot;
    let error = slot.component(&CX).await.err().unwrap().to_string();
    assert!(error.contains(&failed), "{error}");

    let redeclared = registry.redeclare(plug(&[(PRIMARY, "k32")]));
    assert_eq!(redeclared.await.unwrap(), None);
    store(&registry).await.set(&CX, set("k")).await.unwrap();
    let given = life.fake.given.lock().split_off(1);
    assert!(given.len() == 1 && are_encrypted(&given, "k32"), "{given:?}");

    assert_eq!(registry.redeclare(plug(&[])).await.unwrap(), None);
    assert!(!store(&registry).await.encrypts());
}

#[tokio::test]
async fn without_a_key_there_is_no_component_and_nothing_tells_the_text() {
    let folder = secrets();
    let registry = Arc::new(Registry::new("shop", ""));
    registry.declare(vault(folder.path())).await.unwrap();
    let size = "`primaryEncryptionKey` is no key: it has 2 bytes, and has to have 16, 24 or 32";
    let hex = "`primaryEncryptionKey` is no key: write its bytes in hexadecimal";
    let none = "the secret store `vault` does not give `none`: ";
    for (secret, reason) in [("short", size), ("word", hex), ("none", none)] {
        for component_type in ["state.in-memory", "state.plug"] {
            let name = format!("{secret}-{component_type}");
            let mut declared =
                with_keys(spec(&name, component_type, &[("dsn", "db")]), &[(PRIMARY, secret)]);
            // As YAML says it, where other metadata may be missing.
            if let Some(MetadataValue::Reference(reference)) = declared.metadata.remove(PRIMARY) {
                declared.metadata.insert(
                    PRIMARY.to_owned(),
                    MetadataValue::Wish {
                        reference,
                        instead: Some("0f".into()),
                        names: Arc::default(),
                    },
                );
            }
            registry.declare(declared).await.unwrap();
            if component_type == "state.in-memory" {
                let ComponentState::Failed(told) = state(&registry, &name) else {
                    panic!("{:?}", state(&registry, &name));
                };
                assert!(told.contains(reason), "{told}");
                assert!(!told.contains("no key\"") && !told.contains("0011"), "{told}");
            }
            registry.undeclare(&name, "it is over");
        }
    }

    let plain = spec("plain", "state.in-memory", &[(PRIMARY, K16)]);
    let refused = registry.declare(plain).await.unwrap_err().to_string();
    let expected = "component `plain`: `primaryEncryptionKey` has to be kept by a secret store, \
                    whose secret's name is the key's";
    assert_eq!(refused, expected);
    let alone = with_keys(spec("alone", "state.in-memory", &[]), &[(SECONDARY, "k16")]);
    assert!(registry.declare(alone).await.is_err());
}

fn set(key: &str) -> SetRequest {
    SetRequest { value: "word".into(), ..support::life::set(key) }
}
