//! The built-in state stores: what both do, against each other's model, and what is SQLite's own.

mod conformance;
#[path = "state_stores/model.rs"]
mod model;
#[path = "state_stores/sqlite.rs"]
mod sqlite;

use std::sync::Arc;

use replug_component::state::StateStore;
use replug_component::{Error, Metadata};
use replug_runtime::builtin::{Builtin, find};

/// A store of a built-in type.
async fn open(kind: &str, settings: &[(&str, &str)]) -> Result<Arc<dyn StateStore>, Error> {
    let metadata: Metadata =
        settings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    match find(&kind.parse().unwrap()) {
        Some(Builtin::State(_, kind)) => kind.open(metadata).await,
        _ => panic!("{kind} is no built-in state store"),
    }
}

#[tokio::test]
async fn the_in_memory_store_conforms() {
    conformance::all(&*open("state.in-memory", &[]).await.unwrap()).await;
}

#[tokio::test]
async fn the_sqlite_store_conforms_in_a_file_with_a_wal() {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite::open_in(&folder, &[]).await.unwrap();
    conformance::all(&*store).await;
}

#[tokio::test]
async fn the_sqlite_store_conforms_in_a_file_without_a_wal() {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite::open_in(&folder, &[("disableWAL", "true")]).await.unwrap();
    conformance::all(&*store).await;
    assert!(!folder.path().join("data.db-wal").exists());
}

#[tokio::test]
async fn the_sqlite_store_conforms_in_memory() {
    let store = open("state.sqlite", &[("connectionString", ":memory:")]).await.unwrap();
    conformance::all(&*store).await;
}

#[tokio::test]
async fn each_in_memory_store_has_entries_of_its_own() {
    for kind in
        [("state.in-memory", &[][..]), ("state.sqlite", &[("connectionString", ":memory:")])]
    {
        let one = open(kind.0, kind.1).await.unwrap();
        let other = open(kind.0, kind.1).await.unwrap();
        one.set(&conformance::cx(), conformance::set("key", "value")).await.unwrap();
        assert_eq!(conformance::get(&*other, "key").await.etag, None);
    }
}
