//! The built-in state stores: what all do, and what is one's own.

mod conformance;
#[path = "state_stores/etcd.rs"]
mod etcd;
#[path = "state_stores/model.rs"]
mod model;
#[path = "state_stores/postgresql.rs"]
mod postgresql;
#[path = "state_stores/redis.rs"]
mod redis;
mod servers;
#[path = "state_stores/sqlite.rs"]
mod sqlite;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conformance::{cx, get, set};
use futures_util::{StreamExt as _, stream};

use replug_component::state::{GetRequest, StateStore};
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
    let features = &["ETAG", "TRANSACTIONAL", "TTL", "DELETE_WITH_PREFIX", "KEYS_LIKE"];
    let kind = conformance::Store { features, ..conformance::Store::LIKE_MOST };
    conformance::all_of(&*open("state.in-memory", &[]).await.unwrap(), kind).await;
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
        one.set(&cx(), set("key", "value")).await.unwrap();
        assert_eq!(get(&*other, "key").await.etag, None);
    }
}

/// Takes a store's server away in the middle of writes, and gives it back: meanwhile calls fail with
/// the cause, afterwards they work, and every write that was answered is there.
async fn assert_gone_and_back(store: &dyn StateStore, kill: impl Fn(), start: impl Fn()) {
    let key = |number: u32| format!("gone-{number}");
    let mut answered = 0;
    for number in 0..50 {
        store.set(&cx(), set(&key(number), number.to_string())).await.unwrap();
        answered = number;
    }
    {
        let cx = cx();
        let writes = (50..5000).map(|number| {
            let write = store.set(&cx, set(&key(number), number.to_string()));
            async move { write.await.map(|()| number) }
        });
        // In the middle of these.
        let mut writes = pin!(stream::iter(writes).buffered(8));
        let mut killed = false;
        while let Some(result) = writes.next().await {
            match result {
                Ok(number) => answered = number,
                Err(_) => break,
            }
            if answered == 200 && !killed {
                kill();
                killed = true;
            }
        }
        assert!(killed, "no write has failed");
    }
    let begun = Instant::now();
    for _ in 0..3 {
        let error = store.set(&cx(), set("gone", "value")).await.unwrap_err().to_string();
        assert!(!error.is_empty());
        let request = GetRequest { key: key(0), ..GetRequest::default() };
        store.get(&cx(), request).await.unwrap_err();
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    start();
    store.set(&cx(), set("back", "value")).await.unwrap();
    assert_eq!(get(store, "back").await.data, "value");
    for number in 0..=answered {
        assert_eq!(get(store, &key(number)).await.data, number.to_string());
    }
}
