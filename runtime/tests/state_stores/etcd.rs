//! `state.etcd` in both versions, over a real server.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use replug_component::state::{Operation, StateStore};

use crate::conformance::{self, cx, delete, etag, get, set, set_for, set_with, transact};
use crate::servers::etcd::Etcd;
use crate::servers::{Certificate, free_port, has_openssl};
use crate::{assert_gone_and_back, open};

const V2: conformance::Store = conformance::Store {
    queries: false,
    // etcd's leases live for two seconds at least, and end when it comes round.
    gone_after: Duration::from_secs(5),
    ..conformance::Store::LIKE_MOST
};
const V1: conformance::Store = conformance::Store { tells_end_of_life: false, ..V2 };

async fn open_at(kind: &str, etcd: &Etcd, settings: &[(&str, &str)]) -> Arc<dyn StateStore> {
    let endpoint = etcd.endpoint();
    open(kind, &[&[("endpoints", endpoint.as_str())], settings].concat()).await.unwrap()
}

#[tokio::test]
async fn both_versions_of_the_etcd_store_conform() {
    let Some(etcd) = Etcd::start(None) else { return };
    for (kind, of) in [("state.etcd", V1), ("state.etcd.v2", V2)] {
        let store = open_at(kind, &etcd, &[("keyPrefixPath", kind)]).await;
        conformance::all_of(&*store, of).await;
        assert_eq!(store.max_transaction_size(&cx()).await.unwrap(), Some(128));
    }
}

#[tokio::test]
async fn values_lie_in_etcd_as_dapr_lays_them_out() {
    let Some(etcd) = Etcd::start(None) else { return };
    let store = open_at("state.etcd", &etcd, &[("keyPrefixPath", "shop")]).await;
    store.set(&cx(), set("app||key", "value")).await.unwrap();
    assert_eq!(etcd.ctl(&["get", "--print-value-only", "shop/app||key"]), "value");
    assert!(
        etcd.ctl(&["get", "shop/app||key", "-w", "json"])
            .contains(&format!("\"mod_revision\":{}", etag(&*store, "app||key").await))
    );
    etcd.ctl(&["put", "shop/app||other", "theirs"]);
    assert_eq!(get(&*store, "app||other").await.data, "theirs");
    assert_eq!(etcd.ctl(&["lease", "list"]).lines().count(), 1);
    store.set(&cx(), set_for("app||ends", "value", "100")).await.unwrap();
    assert_eq!(etcd.ctl(&["lease", "list"]).lines().count(), 2);
    // A write that does not happen leaves no lease.
    let lost = replug_component::state::SetRequest {
        etag: Some("1".into()),
        ..set_for("app||ends", "value", "50")
    };
    conformance::assert_mismatch(&store.set(&cx(), lost).await);
    assert_eq!(etcd.ctl(&["lease", "list"]).lines().count(), 2);

    // The envelope: field 1 the value; field 3 how long it lives, of nothing where it does not end.
    let two = open_at("state.etcd.v2", &etcd, &[("keyPrefixPath", "two")]).await;
    etcd.put("two/app||dapr", b"\x0a\x05hello\x12\x00\x1a\x00");
    let read = get(&*two, "app||dapr").await;
    assert_eq!((read.data.as_ref(), read.metadata.len()), (&b"hello"[..], 0));
    two.set(&cx(), set("app||key", "value")).await.unwrap();
    assert!(etcd.ctl(&["get", "--print-value-only", "two/app||key"]).starts_with("\n\u{5}value"));
}

#[tokio::test]
async fn a_transaction_in_etcd_may_touch_a_key_more_than_once() {
    let Some(etcd) = Etcd::start(None) else { return };
    let store = open_at("state.etcd", &etcd, &[]).await;
    store.set(&cx(), set("a", "old")).await.unwrap();
    let known = etag(&*store, "a").await;
    let operations = vec![
        Operation::Set(set_with("a", "one", &known)),
        Operation::Delete(delete("a", None)),
        Operation::Set(set("a", "two")),
        Operation::Set(set("b", "b")),
    ];
    transact(&*store, operations).await.unwrap();
    assert_eq!(get(&*store, "a").await.data, "two");
    // The etag of what the transaction itself has written is none that anybody could know.
    let known = etag(&*store, "a").await;
    let operations =
        vec![Operation::Set(set("a", "three")), Operation::Set(set_with("a", "four", &known))];
    conformance::assert_mismatch(&transact(&*store, operations).await);
    assert_eq!(get(&*store, "a").await.data, "two");
}

#[tokio::test]
async fn an_etcd_that_is_not_there_is_told_and_the_next_endpoint_tried() {
    let gone = format!("127.0.0.1:{}", free_port());
    // It is made all the same, as Dapr's is, and may come later.
    let store = open("state.etcd", &[("endpoints", &gone)]).await.unwrap();
    let error = store.ping(&cx()).await.expect_err("nobody is there").to_string();
    assert!(error.contains(&gone) && error.contains("refused"), "{error}");

    let Some(etcd) = Etcd::start(None) else { return };
    let both = format!("{gone},http://{}", etcd.endpoint());
    let store = open("state.etcd", &[("endpoints", &both)]).await.unwrap();
    store.set(&cx(), set("key", "value")).await.unwrap();
}

#[tokio::test]
async fn an_etcd_store_works_again_when_its_server_is_back() {
    let Some(etcd) = Etcd::start(None) else { return };
    let store = open_at("state.etcd.v2", &etcd, &[]).await;
    let etcd = RefCell::new(etcd);
    let kill = || etcd.borrow_mut().kill();
    assert_gone_and_back(&*store, kill, || etcd.borrow_mut().start_again()).await;
}

#[tokio::test]
async fn an_etcd_behind_tls_knows_its_clients_by_their_certificates() {
    if !has_openssl() {
        return;
    }
    let certificate = Certificate::new("127.0.0.1");
    let files = [certificate.authority(), certificate.certificate(), certificate.key()];
    let Some(etcd) = Etcd::start(Some(files.clone())) else { return };
    let [ca, cert, key] = files.map(|path| std::fs::read_to_string(path).unwrap());
    let tls = [("tlsEnable", "true"), ("ca", ca.as_str()), ("cert", &cert), ("key", &key)];
    let store = open_at("state.etcd", &etcd, &tls).await;
    store.set(&cx(), set("key", "value")).await.unwrap();
    assert_eq!(get(&*store, "key").await.data, "value");
    let endpoint = etcd.endpoint();
    let stranger = open("state.etcd", &[("endpoints", &endpoint)]).await.unwrap();
    assert!(stranger.ping(&cx()).await.is_err());
}
