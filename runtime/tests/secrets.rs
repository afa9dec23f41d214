//! Components that refer to what secret stores keep.

mod support;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use replug_component::{ComponentType, Error};
use replug_runtime::component::{ComponentSpec, MetadataValue, SecretReference};
use replug_runtime::registry::{ComponentState, Registry};
use replug_runtime::resources::Names;
use support::life::{CX, Life, get, store};
use support::spec;

fn reference(name: &str, key: Option<&str>) -> SecretReference {
    SecretReference {
        store: "vault".to_owned(),
        name: name.to_owned(),
        key: key.map(str::to_owned),
    }
}

/// The component `plug`, whose `dsn` a secret store keeps.
fn referring(reference: SecretReference) -> ComponentSpec {
    let mut spec = spec("plug", "state.plug", &[("keyPrefix", "none")]);
    spec.metadata.insert("dsn".to_owned(), MetadataValue::Reference(reference));
    spec
}

/// The component `vault`, which keeps what is in a file.
fn vault(folder: &Path, more: &[(&str, &str)]) -> ComponentSpec {
    let path = folder.join("secrets.json");
    let metadata = [more, &[("secretsFile", path.to_str().unwrap())]].concat();
    spec("vault", "secretstores.local.file", &metadata)
}

/// How the component `plug` stands.
fn state(registry: &Registry) -> ComponentState {
    registry.components().into_iter().find(|it| it.name == "plug").unwrap().state
}

#[tokio::test]
async fn a_component_is_initialised_with_what_its_store_gives_at_that_moment() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("secrets.json"), r#"{"pg": {"user": "u", "dsn": "word-1"}}"#)
        .unwrap();
    let registry = Arc::new(Registry::new("shop", ""));
    let several = vault(folder.path(), &[("multiValued", "true")]);
    registry.declare(several.clone()).await.unwrap();
    registry.declare(referring(reference("pg", Some("dsn")))).await.unwrap();
    let first = Life::begin(1).await;
    assert_eq!(first.attach(&registry).await.failed, []);
    assert_eq!(first.calls(), ["init word-1"]);
    assert!(!format!("{registry:?}").contains("word-1"));

    // The store has another value by the next life.
    fs::write(folder.path().join("secrets.json"), r#"{"pg": {"user": "u", "dsn": "word-2"}}"#)
        .unwrap();
    registry.redeclare(several).await.unwrap();
    let second = Life::begin(2).await;
    second.attach(&registry).await;
    assert_eq!(second.calls(), ["init word-2"]);

    // Which of several values is meant has to be said.
    let failed = registry.redeclare(referring(reference("pg", None))).await.unwrap().unwrap();
    assert_eq!(failed, "the secret vault/pg has several values: name one by its key, of dsn, user");
}

#[tokio::test]
async fn callers_wait_while_the_store_is_away_and_go_when_it_has_come() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("secrets.json"), r#"{"dsn": "word-1"}"#).unwrap();
    let registry = Arc::new(Registry::new("shop", ""));
    let keeper = "secretstores.local.file".parse::<ComponentType>().unwrap();
    registry.reserve(keeper.clone(), "keeper");
    registry.declare(vault(folder.path(), &[])).await.unwrap();
    registry.declare(referring(reference("dsn", None))).await.unwrap();
    let life = Life::begin(1).await;
    let failures = registry.failures();
    let attached = life.attach(&registry).await;
    let waits = "waits for the secret store `vault`: plugin keeper is not ready yet";
    assert_eq!(attached.failed, [("plug".to_owned(), waits.to_owned())]);
    assert_eq!(state(&registry), ComponentState::Suspended(format!("component plug {waits}")));
    assert_eq!(registry.failed(), ["plug"]);
    assert!(failures.has_changed().unwrap());
    assert!(life.calls().is_empty());

    let caller = tokio::spawn({
        let store = store(&registry).await;
        async move { store.get(&CX, get("k")).await }
    });
    while registry.components().iter().all(|component| component.calls.held == 0) {
        tokio::task::yield_now().await;
    }
    let mut stores = registry.stores();
    registry.unreserve(&keeper, "keeper").await;
    stores.changed().await.unwrap();
    assert!(registry.init_again("plug").await);
    assert_eq!(caller.await.unwrap().unwrap().data, "of generation 1");
    assert_eq!(life.calls(), ["init word-1", "get k"]);
    assert!(registry.failed().is_empty());
}

#[tokio::test]
async fn a_store_or_a_secret_that_is_not_there_is_told_to_callers() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("secrets.json"), r#"{"empty": ""}"#).unwrap();
    let registry = Arc::new(Registry::new("shop", ""));
    registry.declare(referring(reference("dsn", None))).await.unwrap();
    let life = Life::begin(1).await;
    life.attach(&registry).await;
    let Error::Unavailable(why) = store(&registry).await.get(&CX, get("k")).await.unwrap_err()
    else {
        panic!()
    };
    let failed = "initialisation of component plug failed: there is no secret store `vault`";
    assert_eq!(why.reason, failed);

    registry.declare(vault(folder.path(), &[])).await.unwrap();
    assert!(!registry.init_again("plug").await);
    let failed = "initialisation of component plug failed: the secret store `vault` does not give \
                  `dsn`: secret dsn not found";
    assert_eq!(state(&registry), ComponentState::Failed(failed.to_owned()));
    let failed = registry.redeclare(referring(reference("empty", None))).await.unwrap().unwrap();
    assert_eq!(failed, "the secret vault/empty has no value");
}

/// As Dapr takes `secretKeyRef`.
#[tokio::test]
async fn a_component_is_made_without_what_it_only_wishes_for() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("secrets.json"), r#"{"empty": ""}"#).unwrap();
    let registry = Arc::new(Registry::new("shop", ""));
    registry.declare(vault(folder.path(), &[])).await.unwrap();
    let wish = |name: &str, instead: Option<&str>| {
        let mut spec = referring(reference(name, None));
        let wish = MetadataValue::Wish {
            reference: reference(name, None),
            instead: instead.map(str::to_owned),
            names: Arc::default(),
        };
        spec.metadata.insert("dsn".to_owned(), wish);
        spec
    };
    registry.declare(wish("nowhere", Some("instead"))).await.unwrap();
    let life = Life::begin(1).await;
    assert_eq!(life.attach(&registry).await.failed, []);
    registry.redeclare(wish("empty", Some("other"))).await.unwrap();
    assert_eq!(life.calls(), ["init instead", "init other"]);
}

/// As in Dapr, which replaces them when secrets are in place.
#[tokio::test]
async fn templates_in_a_secret_are_replaced_where_a_resource_file_refers_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = r#"{"dsn": "{appID}@{namespace}", "pod": "{podName}"}"#;
    fs::write(folder.path().join("secrets.json"), secrets).unwrap();
    let registry = Arc::new(Registry::new("shop", "ns"));
    registry.declare(vault(folder.path(), &[])).await.unwrap();
    let names = Arc::new(Names {
        app_id: "shop".to_owned(),
        namespace: "ns".to_owned(),
        environment: HashMap::new(),
    });
    let wish = |name: &str| {
        let mut spec = referring(reference(name, None));
        let (reference, names) = (reference(name, None), names.clone());
        let wish = MetadataValue::Wish { reference, instead: None, names };
        spec.metadata.insert("dsn".to_owned(), wish);
        spec
    };
    registry.declare(wish("dsn")).await.unwrap();
    let life = Life::begin(1).await;
    assert_eq!(life.attach(&registry).await.failed, []);
    assert_eq!(life.calls(), ["init shop@ns.shop"]);
    let failed = registry.redeclare(wish("pod")).await.unwrap().unwrap();
    assert_eq!(
        failed,
        "failed to parse metadata: property dsn refers to {podName} but podName is not set"
    );
    // What replug's own file refers to is taken as it is.
    registry.redeclare(referring(reference("dsn", None))).await.unwrap();
    assert_eq!(life.calls(), ["init shop@ns.shop", "init {appID}@{namespace}"]);
}

#[tokio::test]
async fn a_built_in_that_could_not_be_made_is_made_when_it_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::new("shop", "");
    let mut spec = spec("plug", "state.sqlite", &[("connectionString", ":memory:")]);
    let dsn = MetadataValue::Reference(reference("dsn", None));
    spec.metadata.insert("tableName".to_owned(), dsn);
    registry.declare(vault(folder.path(), &[])).await.unwrap();
    registry.declare(spec).await.unwrap();
    assert_eq!(registry.failed(), ["vault", "plug"]);
    fs::write(folder.path().join("secrets.json"), r#"{"dsn": "orders"}"#).unwrap();
    assert!(registry.init_again("vault").await);
    assert!(registry.init_again("plug").await);
    assert_eq!(state(&registry), ComponentState::Ready);
    // What works is left alone.
    assert!(registry.init_again("plug").await);
}
