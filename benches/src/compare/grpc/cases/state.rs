//! State.

use replug_proto::dapr::common::v1::{Etag, StateItem, StateOptions};
use replug_proto::dapr::runtime::v1 as pb;

use super::{metadata, setup};
use crate::compare::grpc::call::Group;

/// At the store that a component of its own is not needed for.
pub(super) fn memory() -> Group {
    let mut group = Group::new(setup("state.in-memory"));
    names(&mut group);
    of_store(&mut group, "memory");
    group.measured = true;
    group
}

/// The same at SQLite.
pub(super) fn sqlite() -> Group {
    let mut group = Group::new(setup("state.sqlite"));
    of_store(&mut group, "sqlite");
    group
}

fn get(store: &str, key: &str) -> pb::GetStateRequest {
    pb::GetStateRequest {
        store_name: store.into(),
        key: key.into(),
        ..pb::GetStateRequest::default()
    }
}

fn delete(store: &str, key: &str) -> pb::DeleteStateRequest {
    pb::DeleteStateRequest {
        store_name: store.into(),
        key: key.into(),
        ..pb::DeleteStateRequest::default()
    }
}

fn save<const N: usize>(store: &str, states: [StateItem; N]) -> pb::SaveStateRequest {
    pb::SaveStateRequest { store_name: store.into(), states: states.into() }
}

fn delete_all<const N: usize>(store: &str, states: [StateItem; N]) -> pb::DeleteBulkStateRequest {
    pb::DeleteBulkStateRequest { store_name: store.into(), states: states.into() }
}

fn get_all<const N: usize>(store: &str, keys: [&str; N]) -> pb::GetBulkStateRequest {
    pb::GetBulkStateRequest {
        store_name: store.into(),
        keys: keys.map(str::to_owned).into(),
        ..pb::GetBulkStateRequest::default()
    }
}

fn item(key: &str, value: &'static str) -> StateItem {
    StateItem { key: key.into(), value: value.into(), ..StateItem::default() }
}

fn etag(value: &str) -> Etag {
    Etag { value: value.into() }
}

fn query(store: &str, query: &str) -> pb::QueryStateRequest {
    pb::QueryStateRequest {
        store_name: store.into(),
        query: query.into(),
        ..pb::QueryStateRequest::default()
    }
}

fn transaction<const N: usize>(
    store: &str,
    operations: [(&str, Option<StateItem>); N],
) -> pb::ExecuteStateTransactionRequest {
    let operations = operations.map(|(kind, request)| pb::TransactionalStateOperation {
        operation_type: kind.into(),
        request,
    });
    pb::ExecuteStateTransactionRequest {
        store_name: store.into(),
        operations: operations.into(),
        ..pb::ExecuteStateTransactionRequest::default()
    }
}

/// Stores that are not there.
fn names(group: &mut Group) {
    for (store, about) in [("nobody", "unknown store"), ("", "empty store"), ("bus", "no store")] {
        group.call("GetState", about, &get(store, "k"));
        group.call("GetBulkState", about, &get_all(store, ["k"]));
        group.call("SaveState", about, &save(store, [item("k", "1")]));
        group.call("DeleteState", about, &delete(store, "k"));
        group.call("DeleteBulkState", about, &delete_all(store, [item("k", "")]));
        group.call("QueryStateAlpha1", about, &query(store, "{}"));
        group.call("ExecuteStateTransaction", about, &transaction(store, []));
    }
}

fn of_store(group: &mut Group, store: &'static str) {
    keys(group, store);
    values(group, store);
    etags(group, store);
    bulk(group, store);
    transactions(group, store);
    for (about, text) in [
        ("everything", "{}"),
        ("empty", ""),
        ("no JSON", "{"),
        ("a filter", r#"{"filter":{"EQ":{"a":1}}}"#),
        ("an unknown filter", r#"{"filter":{"NOT":{"a":1}}}"#),
    ] {
        group.call("QueryStateAlpha1", about, &query(store, text));
    }
}

fn keys(group: &mut Group, store: &str) {
    let long = "k".repeat(5000);
    for (about, key) in [
        ("empty key", ""),
        ("|| in the key", "a||b"),
        ("|| alone", "||"),
        ("a long key", long.as_str()),
        ("a space", "a b"),
        ("not ASCII", "schlüssel"),
    ] {
        group.call("GetState", about, &get(store, key));
        group.call("SaveState", about, &save(store, [item(key, "\"v\"")]));
        group.call("GetState", about, &get(store, key));
        group.call("GetBulkState", about, &get_all(store, [key]));
        group.call(
            "ExecuteStateTransaction",
            about,
            &transaction(store, [("upsert", Some(item(key, "1")))]),
        );
        group.call("DeleteBulkState", about, &delete_all(store, [item(key, "")]));
        group.call("DeleteState", about, &delete(store, key));
    }
    group.call("SaveState", "no items", &save(store, []));
    group.call(
        "SaveState",
        "the second key is empty",
        &save(store, [item("k", "1"), item("", "")]),
    );
    group.call("GetState", "of the save that failed", &get(store, "k"));
}

fn values(group: &mut Group, store: &str) {
    let json = metadata([("contentType", "application/json")]);
    for (about, value) in [
        ("empty", ""),
        ("text", "text"),
        ("JSON", r#"{"b": 1, "a": [1.0, 12345678901234567890, "<&>"]}"#),
        ("null", "null"),
        ("broken JSON", "{"),
    ] {
        group.call("SaveState", about, &save(store, [item("v", value)]));
        group.call("GetState", about, &get(store, "v"));
        let typed = StateItem { metadata: json.clone(), ..item("j", value) };
        group.call("SaveState", about, &save(store, [typed]));
        group.call("GetState", about, &get(store, "j"));
    }
    let bytes = StateItem { value: (&b"\xff\xfe\x00"[..]).into(), ..item("v", "") };
    group.call("SaveState", "bytes", &save(store, [bytes]));
    group.call("GetState", "bytes", &get(store, "v"));
    for ttl in ["1000", "0", "-1", "-2", "x", "1.5", ""] {
        let expires = metadata([("ttlInSeconds", ttl)]);
        let of = StateItem { metadata: expires.clone(), ..item("t", "1") };
        group.call("SaveState", "ttlInSeconds", &save(store, [of.clone()]));
        group.call("GetState", "ttlInSeconds", &get(store, "t"));
        group.call(
            "ExecuteStateTransaction",
            "ttlInSeconds",
            &transaction(store, [("upsert", Some(of))]),
        );
    }
    let partition = metadata([("partitionKey", "p"), ("other", "x")]);
    let mut with = get(store, "v");
    with.metadata.clone_from(&partition);
    group.call("GetState", "partitionKey", &with);
    let of = StateItem { metadata: partition, ..item("p", "1") };
    group.call("SaveState", "partitionKey", &save(store, [of]));
    for number in [0, 1, 2] {
        let mut with = get(store, "p");
        with.consistency = number;
        group.call("GetState", "consistency", &with);
        let options = Some(StateOptions { concurrency: number, consistency: number });
        let of = StateItem { options, ..item("p", "2") };
        group.call("SaveState", "options", &save(store, [of]));
        let mut with = delete(store, "p");
        with.options = options;
        group.call("DeleteState", "options", &with);
    }
}

fn etags(group: &mut Group, store: &'static str) {
    for (about, value) in
        [("etag malformed", "not-an-etag"), ("etag empty", ""), ("etag wrong", "1234567")]
    {
        group.call("SaveState", "for etags", &save(store, [item("e", "1")]));
        let of = StateItem { etag: Some(etag(value)), ..item("e", "2") };
        group.call("SaveState", about, &save(store, [of.clone()]));
        group.call("SaveState", "two, one etag", &save(store, [item("f", "2"), of.clone()]));
        group.call("GetState", about, &get(store, "f"));
        group.call("DeleteBulkState", about, &delete_all(store, [of.clone()]));
        group.call("ExecuteStateTransaction", about, &transaction(store, [("upsert", Some(of))]));
        let mut with = delete(store, "e");
        with.etag = Some(etag(value));
        group.call("DeleteState", about, &with);
        let mut with = delete(store, "not-there");
        with.etag = Some(etag(value));
        group.call("DeleteState", "etag of nothing", &with);
        let of = StateItem { etag: Some(etag(value)), ..item("not-there", "2") };
        group.call("SaveState", "etag of nothing", &save(store, [of]));
    }
    group.call("SaveState", "for etags", &save(store, [item("e", "1")]));
    group.call("GetState", "for etags", &get(store, "e"));
    group.with_etag("SaveState", "etag right", move |now| {
        save(store, [StateItem { etag: Some(etag(&now)), ..item("e", "2") }])
    });
    group.with_etag("SaveState", "etag stale", move |now| {
        save(store, [StateItem { etag: Some(etag(&now)), ..item("e", "3") }])
    });
    let first = Some(StateOptions { concurrency: 1, consistency: 0 });
    let of = StateItem { options: first, ..item("e", "4") };
    group.call("SaveState", "first write, no etag, there", &save(store, [of]));
    let of = StateItem { options: first, ..item("fresh", "4") };
    group.call("SaveState", "first write, no etag, not there", &save(store, [of]));
    group.call("GetState", "for etags", &get(store, "e"));
    group.with_etag("DeleteState", "etag right", move |now| {
        let mut with = delete(store, "e");
        with.etag = Some(etag(&now));
        with
    });
}

fn bulk(group: &mut Group, store: &str) {
    group.call(
        "SaveState",
        "three",
        &save(store, [item("1", "1"), item("2", "{}"), item("3", "x")]),
    );
    group.call("GetBulkState", "none", &get_all(store, []));
    group.call("GetBulkState", "one is not there", &get_all(store, ["1", "nobody"]));
    group.call("GetBulkState", "the same twice", &get_all(store, ["1", "1"]));
    for number in [-1, 0, 1] {
        let mut with = get_all(store, ["1"]);
        with.parallelism = number;
        with.metadata = metadata([("a", "b")]);
        group.call("GetBulkState", "parallelism", &with);
    }
    group.call("DeleteBulkState", "none", &delete_all(store, []));
    group.call(
        "DeleteBulkState",
        "one is not there",
        &delete_all(store, [item("1", ""), item("0", "")]),
    );
    group.call("GetBulkState", "one was deleted", &get_all(store, ["1"]));
}

fn transactions(group: &mut Group, store: &str) {
    let one = || Some(item("x", "1"));
    group.call("ExecuteStateTransaction", "empty", &transaction(store, []));
    group.call(
        "ExecuteStateTransaction",
        "two",
        &transaction(store, [("upsert", one()), ("delete", one())]),
    );
    group.call("GetState", "after it", &get(store, "x"));
    for kind in ["", "Upsert", "get", "insert"] {
        group.call(
            "ExecuteStateTransaction",
            "unknown operation",
            &transaction(store, [(kind, one())]),
        );
    }
    group.call(
        "ExecuteStateTransaction",
        "the second is unknown",
        &transaction(store, [("upsert", one()), ("noop", one())]),
    );
    group.call("GetState", "after it", &get(store, "x"));
    for kind in ["upsert", "delete"] {
        group.call("ExecuteStateTransaction", "no request", &transaction(store, [(kind, None)]));
    }
    let typed = metadata([("contentType", "application/json")]);
    let of = StateItem { metadata: typed, ..item("x", r#"{"b": 1, "a": 2}"#) };
    group.call("ExecuteStateTransaction", "JSON", &transaction(store, [("upsert", Some(of))]));
    group.call("GetState", "after it", &get(store, "x"));
    let mut with = transaction(store, [("upsert", one())]);
    with.metadata = metadata([("partitionKey", "p")]);
    group.call("ExecuteStateTransaction", "metadata", &with);
}
