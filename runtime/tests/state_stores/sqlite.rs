//! What is `state.sqlite`'s own: files, processes, locks, disks.

use std::io::{BufRead as _, BufReader};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::join_all;
use replug_component::Error;
use replug_component::state::{Page, SetRequest, StateStore};
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use crate::conformance::{cx, delete, etag, first, get, query, set, set_for, set_with};
use crate::open;

/// A store in `data.db` of the folder. The setting `options` is appended to the connection string.
pub async fn open_in(
    folder: &TempDir,
    settings: &[(&str, &str)],
) -> Result<Arc<dyn StateStore>, Error> {
    let mut file = path(folder);
    let mut all = Vec::new();
    for (name, value) in settings {
        if *name == "options" {
            file = format!("{file}?{value}");
        } else {
            all.push((*name, *value));
        }
    }
    all.push(("connectionString", file.as_str()));
    open("state.sqlite", &all).await
}

fn path(folder: &TempDir) -> String {
    folder.path().join("data.db").to_str().unwrap().to_owned()
}

/// Somebody else's connection to the database.
fn other_connection(folder: &TempDir) -> Connection {
    Connection::open(path(folder)).unwrap()
}

/// Polls once.
async fn is_pending(future: &mut (impl Future + Unpin)) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_pending())).await
}

fn rows(folder: &TempDir) -> u32 {
    let count = "SELECT count(*) FROM state";
    other_connection(folder).query_row(count, [], |row| row.get(0)).unwrap()
}

async fn refused(settings: &[(&str, &str)]) -> String {
    match open("state.sqlite", settings).await {
        Ok(_) => panic!("{settings:?} must not open"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_was_written_is_there_when_the_store_is_opened_again() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = runtime.block_on(open_in(&folder, &[])).unwrap();
    runtime.block_on(store.set(&cx(), set("key", "value"))).unwrap();
    let before = runtime.block_on(etag(&*store, "key"));
    assert!(folder.path().join("data.db-wal").exists());
    // Outside of a runtime this waits for the threads; the last connection removes the WAL.
    drop(store);
    assert!(!folder.path().join("data.db-wal").exists());

    let store = runtime.block_on(open_in(&folder, &[])).unwrap();
    assert_eq!(runtime.block_on(get(&*store, "key")).data, "value");
    assert_eq!(runtime.block_on(etag(&*store, "key")), before);
}

/// The process that [`acknowledged_writes_survive_a_kill`] kills.
#[tokio::test]
#[ignore = "is started by acknowledged_writes_survive_a_kill"]
async fn writes_until_it_is_killed() {
    let database = std::env::var("REPLUG_TEST_DATABASE").unwrap();
    let store = open("state.sqlite", &[("connectionString", &database)]).await.unwrap();
    for number in 0.. {
        let writes = (0..10).map(async |writer| {
            store.set(&cx(), set(&format!("{number}-{writer}"), "value")).await
        });
        join_all(writes).await.into_iter().for_each(Result::unwrap);
        println!("acknowledged {number}");
    }
}

#[tokio::test]
async fn acknowledged_writes_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sqlite::writes_until_it_is_killed", "--ignored", "--nocapture"])
        .env("REPLUG_TEST_DATABASE", path(&folder))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = output.by_ref().map(Result::unwrap).filter_map(|line| {
        line.split_once("acknowledged ").map(|(_, number)| number.parse::<u32>().unwrap())
    });
    acknowledged.find(|number| *number == 20).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let last = acknowledged.last().unwrap_or(20);

    let store = open_in(&folder, &[]).await.unwrap();
    for number in 0..=last {
        for writer in 0..10 {
            assert_eq!(get(&*store, &format!("{number}-{writer}")).await.data, "value");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_stores_can_open_one_new_file_at_once() {
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let stores = join_all((0..6).map(|_| open_in(&folder, &[]))).await;
        let stores: Vec<_> = stores.into_iter().map(Result::unwrap).collect();
        stores[0].set(&cx(), set("key", "value")).await.unwrap();
        for store in &stores {
            assert_eq!(get(&**store, "key").await.data, "value");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_writers_in_two_stores_with_one_etag_exactly_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let stores = [open_in(&folder, &[]).await.unwrap(), open_in(&folder, &[]).await.unwrap()];
    stores[0].set(&cx(), set("key", "0")).await.unwrap();
    for _ in 0..10 {
        let etag = etag(&*stores[0], "key").await;
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..16 {
            let (store, etag) = (stores[writer % 2].clone(), etag.clone());
            writers.spawn(async move {
                let value = writer.to_string();
                let request = SetRequest { etag: Some(etag), ..set("key", value.clone()) };
                store.set(&cx(), request).await.map(|()| value)
            });
        }
        let winners: Vec<String> = writers.join_all().await.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1);
        assert_eq!(get(&*stores[1], "key").await.data, winners[0]);
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_says_which_file_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "this is no database, and long enough to be taken for one".repeat(20))
        .unwrap();
    let file = file.to_str().unwrap();
    let text = refused(&[("connectionString", file)]).await;
    assert!(text.contains(file) && text.contains("file is not a database"), "{text}");

    for place in [format!("{file}/data.db"), format!("{}/none/data.db", folder.path().display())] {
        let text = refused(&[("connectionString", &place)]).await;
        assert!(text.contains(&place) && text.contains("does its folder exist"), "{text}");
    }

    other_connection(&folder).execute_batch("CREATE TABLE state (id INTEGER)").unwrap();
    let text = refused(&[("connectionString", &path(&folder))]).await;
    assert!(text.contains("`tableName`"), "{text}");
    let store = open_in(&folder, &[("tableName", "other")]).await.unwrap();
    store.set(&cx(), set("key", "value")).await.unwrap();
}

#[tokio::test]
async fn a_read_only_database_is_read_and_refuses_writes() {
    let folder = tempfile::tempdir().unwrap();
    let writable = open_in(&folder, &[]).await.unwrap();
    writable.set(&cx(), set("key", "value")).await.unwrap();
    let store = open_in(&folder, &[("options", "mode=ro")]).await.unwrap();
    assert_eq!(get(&*store, "key").await.data, "value");
    let error = store.set(&cx(), set("key", "new")).await.unwrap_err();
    assert!(error.to_string().contains("readonly database"), "{error}");
    assert_eq!(get(&*store, "key").await.data, "value");
}

#[tokio::test]
async fn a_lock_of_somebody_else_fails_writes_until_it_is_gone_and_no_reads() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_in(&folder, &[("busyTimeout", "50ms")]).await.unwrap();
    store.set(&cx(), set("key", "value")).await.unwrap();
    let other = other_connection(&folder);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.set(&cx(), set("key", "new")).await.unwrap_err().to_string();
    assert!(error.contains(&path(&folder)) && error.contains("`busyTimeout` (50ms)"), "{error}");
    assert_eq!(get(&*store, "key").await.data, "value");
    other.execute_batch("COMMIT").unwrap();
    store.set(&cx(), set("key", "new")).await.unwrap();
}

#[tokio::test]
async fn a_call_that_is_given_up_before_its_turn_does_not_happen() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_in(&folder, &[("busyTimeout", "10s"), ("timeout", "20s")]).await.unwrap();
    let other = other_connection(&folder);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let cx = cx();
    let waiting = store.set(&cx, set("waiting", "value"));
    let given_up = store.set(&cx, set("given-up", "value"));
    let (mut waiting, mut given_up) = (Box::pin(waiting), Box::pin(given_up));
    // Both are sent now; the writer waits for the lock with the first, or with both.
    assert!(is_pending(&mut waiting).await);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(is_pending(&mut given_up).await);
    drop(given_up);
    other.execute_batch("COMMIT").unwrap();
    waiting.await.unwrap();
    store.set(&cx, set("after", "value")).await.unwrap();
    assert_eq!(get(&*store, "waiting").await.data, "value");
    assert_eq!(get(&*store, "given-up").await.etag, None);
}

#[tokio::test]
async fn a_call_that_gets_no_answer_in_time_fails_by_the_name_of_the_setting() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_in(&folder, &[("busyTimeout", "3s"), ("timeout", "1s")]).await.unwrap();
    let other = other_connection(&folder);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.set(&cx(), set("key", "value")).await.unwrap_err();
    assert!(error.to_string().contains("no answer within 1s (`timeout`)"), "{error}");
    other.execute_batch("COMMIT").unwrap();
}

#[tokio::test]
async fn a_full_disk_fails_the_write_that_does_not_fit_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_in(&folder, &[("options", "_pragma=max_page_count(40)")]).await.unwrap();
    let large = "x".repeat(1 << 20);
    // They reach the writer together.
    let writes = vec![set("a", "small"), set("large", large.clone()), set("b", "small")];
    let results =
        join_all(writes.into_iter().map(async |write| store.set(&cx(), write).await)).await;
    let error = results[1].as_ref().unwrap_err().to_string();
    assert!(error.contains(&path(&folder)) && error.contains("full"), "{error}");
    assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
    assert_eq!(get(&*store, "a").await.data, "small");
    assert_eq!(get(&*store, "b").await.data, "small");
    assert_eq!(get(&*store, "large").await.etag, None);

    // Once there is room again, so is the store.
    let mut filled = 0;
    while store.set(&cx(), set(&filled.to_string(), "x".repeat(10_000))).await.is_ok() {
        filled += 1;
    }
    assert!(filled > 0);
    store.delete(&cx(), delete("0", None)).await.unwrap();
    store.set(&cx(), set("0", "x".repeat(9_000))).await.unwrap();
}

#[tokio::test]
async fn a_database_that_dapr_wrote_is_read_written_and_searched() {
    let folder = tempfile::tempdir().unwrap();
    // The statements are those of Dapr's store: bytes as base64, JSON as text, ends in seconds.
    other_connection(&folder)
        .execute_batch(
            "CREATE TABLE metadata (key text NOT NULL PRIMARY KEY, value text NOT NULL);
             INSERT INTO metadata VALUES ('migrations', '1');
             CREATE TABLE state (
                 key TEXT NOT NULL PRIMARY KEY,
                 value TEXT NOT NULL,
                 is_binary BOOLEAN NOT NULL,
                 etag TEXT NOT NULL,
                 expiration_time TIMESTAMP DEFAULT NULL,
                 update_time TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
             );
             INSERT INTO state (key, value, is_binary, etag, expiration_time) VALUES
                 ('app||http', '{\"city\":\"Seattle\"}', 0, 'etag-1', NULL),
                 ('app||grpc', 'eyJjaXR5IjoiU2VhdHRsZSJ9', 1, 'etag-2', NULL),
                 ('app||bytes', '/wD+', 1, 'etag-3', NULL),
                 ('app||later', '1', 0, 'etag-4', '2093-01-02 03:04:05'),
                 ('app||ended', '1', 0, 'etag-5', '2020-01-02 03:04:05');",
        )
        .unwrap();
    let store = open_in(&folder, &[]).await.unwrap();
    assert_eq!(get(&*store, "app||http").await.data, "{\"city\":\"Seattle\"}");
    assert_eq!(get(&*store, "app||grpc").await.data, "{\"city\":\"Seattle\"}");
    assert_eq!(get(&*store, "app||bytes").await.data, &b"\xff\0\xfe"[..]);
    let later = get(&*store, "app||later").await;
    assert_eq!(later.metadata["ttlExpireTime"], "2093-01-02T03:04:05Z");
    assert_eq!(get(&*store, "app||ended").await.etag, None);

    let filter = json!({"EQ": {"city": "Seattle"}});
    let found = query(&*store, filter, &[], Page::default()).await.unwrap();
    let keys: Vec<_> = found.items.iter().map(|item| item.key.as_str()).collect();
    assert_eq!(keys, ["app||grpc", "app||http"]);
    assert_eq!(found.items[0].data, "{\"city\":\"Seattle\"}");

    store.set(&cx(), set_with("app||grpc", "new", "etag-2")).await.unwrap();
    store.set(&cx(), first("app||ended", "new")).await.unwrap();
    assert_eq!(get(&*store, "app||grpc").await.data, "new");
    // As Dapr reads it: the column is the value.
    let row = "SELECT value, is_binary FROM state WHERE key = 'app||grpc'";
    let row = other_connection(&folder)
        .query_row(row, [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?)));
    assert_eq!(row.unwrap(), ("new".to_owned(), false));
}

#[tokio::test]
async fn expired_rows_are_removed_at_the_interval_and_stay_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_in(&folder, &[]).await.unwrap();
    other_connection(&folder)
        .execute_batch(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
             INSERT INTO state (key, value, is_binary, etag, expiration_time)
             SELECT 'ended-' || i, '1', 0, 'x', '2020-01-02 03:04:05' FROM n",
        )
        .unwrap();
    store.set(&cx(), set_for("alive", "value", "3600")).await.unwrap();
    assert_eq!(get(&*store, "ended-1").await.etag, None);
    assert_eq!(rows(&folder), 2501);

    let cleaning = open_in(&folder, &[("cleanupInterval", "10ms")]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    // Between two requests the writer removes a part, once it is time.
    for _ in 0..5 {
        cleaning.set(&cx(), set("forever", "value")).await.unwrap();
    }
    assert_eq!(rows(&folder), 2);
    assert_eq!(get(&*store, "alive").await.data, "value");
}

#[tokio::test]
async fn pings_fail_when_the_table_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_in(&folder, &[]).await.unwrap();
    store.ping(&cx()).await.unwrap();
    other_connection(&folder).execute_batch("DROP TABLE state").unwrap();
    let error = store.ping(&cx()).await.unwrap_err();
    assert!(error.to_string().contains(&path(&folder)), "{error}");
}
