//! `state.postgresql` in both versions, over a real server.

use std::cell::RefCell;
use std::io::{BufRead as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use replug_component::Error;
use replug_component::state::{GetRequest, Page, StateStore};
use serde_json::json;

use crate::conformance::{self, cx, etag, first, get, query, set, set_for, set_with};
use crate::servers::postgresql::{PASSWORD, Postgres};
use crate::{assert_gone_and_back, open};

const V1: conformance::Store = conformance::Store::LIKE_MOST;
const V2: conformance::Store = conformance::Store { queries: false, ..V1 };

async fn open_at(
    kind: &str,
    postgres: &Postgres,
    settings: &[(&str, &str)],
) -> Result<Arc<dyn StateStore>, Error> {
    let address = postgres.address();
    let mut all = vec![("connectionString", address.as_str())];
    for (name, value) in settings {
        all.retain(|(other, _)| other != name);
        all.push((name, value));
    }
    open(kind, &all).await
}

#[tokio::test]
async fn both_versions_of_the_postgresql_store_conform() {
    let Some(postgres) = Postgres::start(None) else { return };
    for (kind, of) in [("state.postgresql", V1), ("state.postgresql.v2", V2)] {
        // Both have a table called `state` unless they are told otherwise.
        let named = [("tableName", "one"), ("tablePrefix", "two_"), ("cleanupInterval", "0")];
        let store = open_at(kind, &postgres, &named).await.unwrap();
        conformance::all_of(&*store, of).await;
        store.ping(&cx()).await.unwrap();
    }
}

#[tokio::test]
async fn tables_are_made_as_dapr_makes_them_by_several_stores_at_once() {
    let Some(postgres) = Postgres::start(None) else { return };
    let stores = (0..16).map(|_| open_at("state.postgresql", &postgres, &[]));
    let stores = futures_util::future::join_all(stores).await;
    let stores: Vec<_> = stores.into_iter().map(Result::unwrap).collect();
    stores[0].set(&cx(), set("app||json", "{\"a\":1}")).await.unwrap();
    stores[1].set(&cx(), set("app||bytes", &b"\xff\0"[..])).await.unwrap();
    stores[2].set(&cx(), set_for("app||ends", "1", "100")).await.unwrap();
    let rows = "SELECT key, value, isbinary, expiredate > now() FROM state ORDER BY key";
    let expected = "app||bytes|\"/wA=\"|t|\napp||ends|1|f|t\napp||json|{\"a\": 1}|f|";
    assert_eq!(postgres.sql(rows), expected);
    let steps = "SELECT value FROM dapr_metadata WHERE key = 'migrations'";
    assert_eq!(postgres.sql(steps), "2");
    let xmin = postgres.sql("SELECT xmin FROM state WHERE key = 'app||json'");
    assert_eq!(etag(&*stores[3], "app||json").await, xmin);

    let two = open_at("state.postgresql.v2", &postgres, &[("tablePrefix", "two_")]).await.unwrap();
    two.set(&cx(), set("app||bytes", &b"\xff\0"[..])).await.unwrap();
    assert_eq!(postgres.sql("SELECT key, value FROM two_state"), "app||bytes|\\xff00");
    let uuid = postgres.sql("SELECT etag FROM two_state");
    assert_eq!(etag(&*two, "app||bytes").await, uuid);
    let steps = "SELECT value FROM dapr_metadata WHERE key = 'migrations-state-v2-two_'";
    assert_eq!(postgres.sql(steps), "1");
}

#[tokio::test]
async fn what_dapr_wrote_into_postgresql_is_read_written_and_searched() {
    let Some(postgres) = Postgres::start(None) else { return };
    // As Dapr leaves it: JSON of the HTTP API as it is, bytes of the gRPC API as base64.
    postgres.sql(
        "CREATE TABLE dapr_metadata (key text NOT NULL PRIMARY KEY, value text NOT NULL);
         INSERT INTO dapr_metadata VALUES ('migrations', '2'), ('lock', 'lock');
         CREATE TABLE state (
             key text NOT NULL PRIMARY KEY,
             value jsonb NOT NULL,
             isbinary boolean NOT NULL,
             insertdate TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
             updatedate TIMESTAMP WITH TIME ZONE NULL
         );
         ALTER TABLE state ADD expiredate TIMESTAMP WITH TIME ZONE;
         INSERT INTO state (key, value, isbinary, expiredate) VALUES
             ('app||http', '{\"city\":\"Seattle\"}', false, NULL),
             ('app||grpc', '\"eyJjaXR5IjoiU2VhdHRsZSJ9\"', true, NULL),
             ('app||later', '1', false, '2093-01-02 03:04:05+00'),
             ('app||ended', '1', false, '2020-01-02 03:04:05+00');",
    );
    let store = open_at("state.postgresql", &postgres, &[]).await.unwrap();
    assert_eq!(get(&*store, "app||http").await.data, "{\"city\": \"Seattle\"}");
    assert_eq!(get(&*store, "app||grpc").await.data, "{\"city\":\"Seattle\"}");
    let later = get(&*store, "app||later").await;
    assert_eq!(later.metadata["ttlExpireTime"], "2093-01-02T03:04:05Z");
    assert_eq!(get(&*store, "app||ended").await.etag, None);
    let filter = json!({"EQ": {"city": "Seattle"}});
    let found = query(&*store, filter, &[], Page::default()).await.unwrap();
    assert_eq!(found.items.len(), 1);
    let old = etag(&*store, "app||grpc").await;
    store.set(&cx(), set_with("app||grpc", "new", &old)).await.unwrap();
    store.set(&cx(), first("app||ended", "new")).await.unwrap();
    assert_eq!(get(&*store, "app||ended").await.data, "new");
}

// The test blocks, and the cleaning goes on beside it.
#[tokio::test(flavor = "multi_thread")]
async fn expired_rows_are_removed_at_the_interval_by_one_of_the_stores() {
    let Some(postgres) = Postgres::start(None) else { return };
    let settings = [("cleanupInterval", "300ms")];
    let stores = [
        open_at("state.postgresql", &postgres, &settings).await.unwrap(),
        open_at("state.postgresql", &postgres, &settings).await.unwrap(),
    ];
    stores[0].set(&cx(), set_for("ended", "value", "1")).await.unwrap();
    stores[0].set(&cx(), set("alive", "value")).await.unwrap();
    postgres.sql("UPDATE state SET expiredate = now() - interval '1 hour' WHERE key = 'ended'");
    // PostgreSQL says when the row goes.
    postgres.sql(
        "DO $$ BEGIN
             FOR i IN 1..600 LOOP
                 EXIT WHEN NOT EXISTS (SELECT FROM state WHERE key = 'ended');
                 PERFORM pg_sleep(0.05);
             END LOOP;
         END $$",
    );
    assert_eq!(postgres.sql("SELECT key FROM state"), "alive");
    let last = "SELECT count(*) FROM dapr_metadata WHERE key = 'last-cleanup'";
    assert_eq!(postgres.sql(last), "1");
}

#[tokio::test]
async fn a_database_that_cannot_be_used_is_told_with_its_address_and_without_the_password() {
    let Some(postgres) = Postgres::start(None) else { return };
    let port = postgres.port;
    for (text, why) in [
        (format!("postgres://shop:Wr0ng@127.0.0.1:{port}/postgres"), "password authentication"),
        (format!("postgres://shop:{PASSWORD}@127.0.0.1:{port}/none"), "does not exist"),
        (format!("postgres://shop:Wr0ng@127.0.0.1:{}/x", crate::servers::free_port()), "refused"),
        (format!("postgres://shop:{PASSWORD}@127.0.0.1:{port}/x?sslmode=require"), "TLS"),
    ] {
        let opened = open("state.postgresql", &[("connectionString", &text)]).await;
        let error = opened.err().expect("it is refused").to_string();
        assert!(error.contains("127.0.0.1:") && error.contains(why), "{error}");
        assert!(!error.contains("Wr0ng") && !error.contains(PASSWORD), "{error}");
    }
    let store = open_at("state.postgresql", &postgres, &[]).await.unwrap();
    postgres.sql("DROP TABLE state");
    let request = GetRequest { key: "key".into(), ..GetRequest::default() };
    let error = store.get(&cx(), request).await.unwrap_err().to_string();
    assert!(error.contains("`tableName`"), "{error}");
}

#[tokio::test]
async fn the_unix_socket_and_settings_beside_the_string_reach_it_too() {
    let Some(postgres) = Postgres::start(None) else { return };
    let (folder, port) = (postgres.folder().display().to_string(), postgres.port.to_string());
    let beside = [
        ("connectionString", "sslmode=disable"),
        ("host", folder.as_str()),
        ("port", port.as_str()),
        ("user", "shop"),
        ("password", PASSWORD),
        ("database", "postgres"),
    ];
    let store = open("state.postgresql", &beside).await.unwrap();
    store.set(&cx(), set("key", "value")).await.unwrap();
    assert_eq!(postgres.sql("SELECT count(*) FROM state"), "1");
}

#[tokio::test]
async fn a_postgresql_store_works_again_when_its_server_is_back() {
    let Some(postgres) = Postgres::start(None) else { return };
    let store = open_at("state.postgresql", &postgres, &[]).await.unwrap();
    let postgres = RefCell::new(postgres);
    let kill = || postgres.borrow_mut().kill();
    assert_gone_and_back(&*store, kill, || postgres.borrow_mut().start_again()).await;
}

#[tokio::test]
async fn a_lock_that_is_not_let_go_fails_the_write_after_the_timeout_and_no_other() {
    let Some(postgres) = Postgres::start(None) else { return };
    let settings = [("timeout", "1s"), ("maxConns", "2")];
    let store = open_at("state.postgresql", &postgres, &settings).await.unwrap();
    store.set(&cx(), set("locked", "value")).await.unwrap();
    let address = postgres.address();
    let mut holder = std::process::Command::new("psql")
        .args(["-X", "-q", "-A", "-t", &address])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = holder.stdin.take().unwrap();
    writeln!(input, "BEGIN; SELECT key FROM state WHERE key = 'locked' FOR UPDATE;").unwrap();
    let mut line = String::new();
    std::io::BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "locked\n");
    let begun = std::time::Instant::now();
    for _ in 0..3 {
        let error = store.set(&cx(), set("locked", "new")).await.unwrap_err().to_string();
        assert!(error.contains("no answer within 1s (`timeout`)"), "{error}");
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    store.set(&cx(), set("other", "value")).await.unwrap();
    drop(input);
    holder.wait().unwrap();
    store.set(&cx(), set("locked", "newer")).await.unwrap();
    assert_eq!(get(&*store, "locked").await.data, "newer");
}

#[tokio::test]
async fn tls_is_spoken_and_the_root_certificate_counts() {
    if !crate::servers::has_openssl() {
        return;
    }
    let certificate = crate::servers::Certificate::new("127.0.0.1");
    let Some(postgres) = Postgres::start(Some(&certificate)) else { return };
    let root = certificate.authority();
    let at = |options: &str| format!("{} {options}", postgres.address());
    let verified = at(&format!("sslmode=verify-full sslrootcert={root}"));
    let store = open("state.postgresql", &[("connectionString", &verified)]).await.unwrap();
    store.set(&cx(), set("key", "value")).await.unwrap();
    let stranger = at("sslmode=verify-full");
    let error = open("state.postgresql", &[("connectionString", &stranger)]).await;
    let error = error.err().expect("nobody vouches for it").to_string();
    assert!(error.contains("certificate"), "{error}");
    let unchecked = at("sslmode=require");
    open("state.postgresql", &[("connectionString", &unchecked)]).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_nothing_uses_is_closed_in_time_and_made_again() {
    let Some(postgres) = Postgres::start(None) else { return };
    let settings = [("connectionMaxIdleTime", "200ms"), ("cleanupInterval", "0")];
    let store = open_at("state.postgresql", &postgres, &settings).await.unwrap();
    store.set(&cx(), set("key", "value")).await.unwrap();
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'replug'";
    let begun = std::time::Instant::now();
    // PostgreSQL tells nobody of it.
    while postgres.sql(count) != "0" {
        assert!(begun.elapsed() < Duration::from_secs(30), "it stays open");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(get(&*store, "key").await.data, "value");
}
