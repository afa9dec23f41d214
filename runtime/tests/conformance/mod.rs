//! What every state store of replug does, whether it is built in or behind a socket: one function
//! per behaviour, over any store. Other test crates include this file by its path.
//!
//! A function uses keys of its own, so all may run on one store, also at the same time.

// Not every test crate uses every behaviour, and all of them are called alike.
#![allow(dead_code, clippy::unused_async)]

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use replug_component::state::{
    Concurrency, DeleteRequest, GetRequest, GetResponse, Operation, Options, Page, Query,
    QueryRequest, QueryResponse, SetRequest, SortOrder, Sorting, StateStore, TransactRequest,
};
use replug_component::{Context, Error};
use serde_json::{Value, json};

/// In what stores differ, since Dapr's stores of these names do.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools)] // Differences, each by itself.
pub struct Store {
    /// What it says that it can do.
    pub features: &'static [&'static str],
    /// A key that was removed and is written anew has the etags again that it had before.
    pub etags_begin_again: bool,
    /// A write that wants the last one to win has no etag compared.
    pub last_write_wins: bool,
    /// Values can be searched.
    pub queries: bool,
    /// A write without a TTL leaves the end of life that the value has.
    pub keeps_end_of_life: bool,
    /// A read says when a value ends.
    pub tells_end_of_life: bool,
    /// When a value that lives for a second is gone for certain.
    pub gone_after: Duration,
}

impl Store {
    /// What most do.
    pub const LIKE_MOST: Self = Self {
        features: &["ETAG", "TRANSACTIONAL", "TTL", "KEYS_LIKE"],
        queries: true,
        etags_begin_again: false,
        last_write_wins: false,
        keeps_end_of_life: false,
        tells_end_of_life: true,
        gone_after: Duration::from_millis(1010),
    };
}

/// Runs every behaviour.
pub async fn all(store: &dyn StateStore) {
    all_of(store, Store::LIKE_MOST).await;
}

/// Runs every behaviour, of a store that differs from the others.
pub async fn all_of(store: &dyn StateStore, kind: Store) {
    it_says_what_it_can_do(store, kind).await;
    a_missing_key_reads_as_nothing(store).await;
    a_value_is_read_as_it_was_written(store).await;
    every_write_gives_a_new_etag(store, kind).await;
    a_write_with_the_stored_etag_happens_and_with_another_fails(store, kind).await;
    an_empty_etag_asks_for_none(store).await;
    a_first_write_fails_where_there_is_a_value(store).await;
    a_delete_with_the_stored_etag_happens_and_with_another_fails(store).await;
    deleting_a_missing_key_is_no_error_unless_it_has_an_etag(store).await;
    of_many_writers_with_one_etag_exactly_one_wins(store).await;
    a_bulk_read_answers_in_the_order_of_its_keys(store).await;
    what_fails_in_a_bulk_request_does_not_undo_the_rest(store).await;
    a_transaction_happens_as_a_whole_or_not_at_all(store).await;
    operations_of_a_transaction_happen_in_their_order(store).await;
    a_value_with_a_ttl_is_gone_after_it(store, kind).await;
    a_wrong_ttl_is_refused(store).await;
    if kind.queries {
        a_query_finds_what_its_filter_says(store).await;
        a_query_sorts_by_type_and_value(store).await;
        pages_of_a_query_are_complete_and_do_not_overlap(store).await;
        a_malformed_query_is_refused(store).await;
    } else {
        let error = query(store, json!({}), &[], Page::default()).await.unwrap_err();
        assert!(matches!(error, Error::Unsupported(_)), "{error}");
    }
}

pub fn cx() -> Context {
    Context::default()
}

pub fn set(key: &str, value: impl Into<Bytes>) -> SetRequest {
    SetRequest { key: key.into(), value: value.into(), ..SetRequest::default() }
}

pub fn set_with(key: &str, value: &'static str, etag: &str) -> SetRequest {
    SetRequest { etag: Some(etag.into()), ..set(key, value) }
}

pub fn first(key: &str, value: &'static str) -> SetRequest {
    let options = Options { concurrency: Concurrency::FirstWrite, ..Options::default() };
    SetRequest { options, ..set(key, value) }
}

pub fn set_for(key: &str, value: &'static str, ttl: &str) -> SetRequest {
    SetRequest { metadata: [("ttlInSeconds".into(), ttl.into())].into(), ..set(key, value) }
}

pub fn delete(key: &str, etag: Option<&str>) -> DeleteRequest {
    DeleteRequest { key: key.into(), etag: etag.map(Into::into), ..DeleteRequest::default() }
}

pub async fn get(store: &dyn StateStore, key: &str) -> GetResponse {
    let request = GetRequest { key: key.into(), ..GetRequest::default() };
    store.get(&cx(), request).await.unwrap()
}

pub async fn etag(store: &dyn StateStore, key: &str) -> String {
    get(store, key).await.etag.expect("the key has a value")
}

pub async fn transact(store: &dyn StateStore, operations: Vec<Operation>) -> Result<(), Error> {
    store.transact(&cx(), TransactRequest { operations, ..TransactRequest::default() }).await
}

pub async fn query(
    store: &dyn StateStore,
    filter: Value,
    sort: &[(&str, SortOrder)],
    page: Page,
) -> Result<QueryResponse, Error> {
    let sort = sort.iter().map(|(key, order)| Sorting { key: (*key).into(), order: *order });
    let filter = filter.as_object().expect("a filter is an object").clone();
    let query = Query { filter, sort: sort.collect(), page };
    store.query(&cx(), QueryRequest { query, ..QueryRequest::default() }).await
}

#[track_caller]
pub fn assert_mismatch(result: &Result<(), Error>) {
    assert!(matches!(result, Err(Error::EtagMismatch(_))), "{result:?}");
}

/// An etag that no store has given: in some it does not even look like one.
#[track_caller]
fn assert_bogus(result: &Result<(), Error>) {
    let refused = matches!(result, Err(Error::EtagMismatch(_) | Error::EtagInvalid(_)));
    assert!(refused, "{result:?}");
}

pub async fn it_says_what_it_can_do(store: &dyn StateStore, kind: Store) {
    let features = store.features();
    let names: Vec<&str> = features.iter().collect();
    assert_eq!(names, kind.features);
}

pub async fn a_missing_key_reads_as_nothing(store: &dyn StateStore) {
    assert_eq!(get(store, "missing").await, GetResponse::default());
}

pub async fn a_value_is_read_as_it_was_written(store: &dyn StateStore) {
    let every_byte: Vec<u8> = (0..=255).collect();
    for value in [
        Bytes::from_static(b"text"),
        Bytes::new(),
        Bytes::from_static(b"{\"json\": [1, 2.50, null]}"),
        Bytes::from_static("Grüße, 世界".as_bytes()),
        Bytes::from_static(b"zero\0byte"),
        Bytes::from(every_byte),
        Bytes::from(vec![b'x'; 1 << 20]),
    ] {
        store.set(&cx(), set("round-trip", value.clone())).await.unwrap();
        let got = get(store, "round-trip").await;
        assert_eq!(got.data, value);
        assert!(got.etag.is_some());
        assert!(got.metadata.is_empty());
    }
    for key in ["", "app||key", "key with space", "ключ", "'; DROP TABLE state; --", "%_?1"] {
        store.set(&cx(), set(key, key.to_owned())).await.unwrap();
        assert_eq!(get(store, key).await.data, key);
    }
}

pub async fn every_write_gives_a_new_etag(store: &dyn StateStore, kind: Store) {
    let mut seen = Vec::new();
    for _ in 0..3 {
        store.set(&cx(), set("new-etag", "same")).await.unwrap();
        let etag = etag(store, "new-etag").await;
        assert!(!seen.contains(&etag));
        seen.push(etag);
        if !kind.etags_begin_again {
            store.delete(&cx(), delete("new-etag", None)).await.unwrap();
        }
    }
}

pub async fn a_write_with_the_stored_etag_happens_and_with_another_fails(
    store: &dyn StateStore,
    kind: Store,
) {
    store.set(&cx(), set("cas", "one")).await.unwrap();
    let old = etag(store, "cas").await;
    store.set(&cx(), set_with("cas", "two", &old)).await.unwrap();
    assert_eq!(get(store, "cas").await.data, "two");

    assert_mismatch(&store.set(&cx(), set_with("cas", "three", &old)).await);
    assert_bogus(&store.set(&cx(), set_with("cas", "three", "bogus")).await);
    let options = Options { concurrency: Concurrency::LastWrite, ..Options::default() };
    let last = SetRequest { options, ..set_with("cas", "three", &old) };
    if kind.last_write_wins {
        store.set(&cx(), last).await.unwrap();
        assert_eq!(get(store, "cas").await.data, "three");
    } else {
        assert_mismatch(&store.set(&cx(), last).await);
        assert_eq!(get(store, "cas").await.data, "two");
    }
    assert_mismatch(&store.set(&cx(), set_with("cas-missing", "one", &old)).await);
    assert_eq!(get(store, "cas-missing").await.etag, None);
}

pub async fn an_empty_etag_asks_for_none(store: &dyn StateStore) {
    store.set(&cx(), set_with("empty-etag", "one", "")).await.unwrap();
    store.set(&cx(), set_with("empty-etag", "two", "")).await.unwrap();
    assert_eq!(get(store, "empty-etag").await.data, "two");
    store.delete(&cx(), delete("empty-etag", Some(""))).await.unwrap();
    store.delete(&cx(), delete("empty-etag", Some(""))).await.unwrap();
}

pub async fn a_first_write_fails_where_there_is_a_value(store: &dyn StateStore) {
    store.set(&cx(), first("first", "one")).await.unwrap();
    assert_mismatch(&store.set(&cx(), first("first", "two")).await);
    assert_eq!(get(store, "first").await.data, "one");
    let etag = etag(store, "first").await;
    let with_etag = SetRequest { etag: Some(etag), ..first("first", "two") };
    store.set(&cx(), with_etag).await.unwrap();
    assert_eq!(get(store, "first").await.data, "two");
    store.delete(&cx(), delete("first", None)).await.unwrap();
    store.set(&cx(), first("first", "three")).await.unwrap();
}

pub async fn a_delete_with_the_stored_etag_happens_and_with_another_fails(store: &dyn StateStore) {
    store.set(&cx(), set("delete", "one")).await.unwrap();
    let old = etag(store, "delete").await;
    store.set(&cx(), set("delete", "two")).await.unwrap();
    assert_mismatch(&store.delete(&cx(), delete("delete", Some(&old))).await);
    let new = etag(store, "delete").await;
    store.delete(&cx(), delete("delete", Some(&new))).await.unwrap();
    assert_eq!(get(store, "delete").await.etag, None);
}

pub async fn deleting_a_missing_key_is_no_error_unless_it_has_an_etag(store: &dyn StateStore) {
    store.delete(&cx(), delete("delete-missing", None)).await.unwrap();
    assert_bogus(&store.delete(&cx(), delete("delete-missing", Some("1"))).await);
}

pub async fn of_many_writers_with_one_etag_exactly_one_wins(store: &dyn StateStore) {
    store.set(&cx(), set("race", "0")).await.unwrap();
    for _ in 0..5 {
        let etag = etag(store, "race").await;
        let writers = (0..20).map(async |writer: u32| {
            let request =
                SetRequest { etag: Some(etag.clone()), ..set("race", writer.to_string()) };
            store.set(&cx(), request).await
        });
        let results = join_all(writers).await;
        let winners: Vec<usize> = (0..20).filter(|writer| results[*writer].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{results:?}");
        assert_eq!(get(store, "race").await.data, winners[0].to_string());
        results.iter().filter(|result| result.is_err()).for_each(assert_mismatch);
    }
}

pub async fn a_bulk_read_answers_in_the_order_of_its_keys(store: &dyn StateStore) {
    let keys = ["bulk-c", "bulk-a", "bulk-missing", "bulk-b", "bulk-a"];
    let writes = ["bulk-a", "bulk-b", "bulk-c"].map(|key| set(key, key)).to_vec();
    store.bulk_set(&cx(), writes, None).await.unwrap();
    let reads = keys.map(|key| GetRequest { key: key.into(), ..GetRequest::default() }).to_vec();
    let items = store.bulk_get(&cx(), reads, None).await.unwrap();
    assert_eq!(items.iter().map(|item| item.key.as_str()).collect::<Vec<_>>(), keys);
    for item in items {
        let expected = if item.key == "bulk-missing" { "" } else { &item.key };
        assert_eq!((item.value.data.as_ref(), item.error.as_str()), (expected.as_bytes(), ""));
        assert_eq!(item.value.etag.is_some(), item.key != "bulk-missing");
    }
    let deletes = vec![delete("bulk-a", None), delete("bulk-missing", None)];
    store.bulk_delete(&cx(), deletes, None).await.unwrap();
    assert_eq!(get(store, "bulk-a").await.etag, None);
    assert!(store.bulk_get(&cx(), Vec::new(), None).await.unwrap().is_empty());
    store.bulk_set(&cx(), Vec::new(), None).await.unwrap();
    store.bulk_delete(&cx(), Vec::new(), None).await.unwrap();
}

pub async fn what_fails_in_a_bulk_request_does_not_undo_the_rest(store: &dyn StateStore) {
    let writes = vec![
        set("each-a", "a"),
        set_with("each-b", "b", "bogus"),
        set_for("each-c", "c", "soon"),
        set("each-d", "d"),
    ];
    store.bulk_set(&cx(), writes, None).await.unwrap_err();
    assert_eq!(get(store, "each-a").await.data, "a");
    assert_eq!(get(store, "each-b").await.etag, None);
    assert_eq!(get(store, "each-c").await.etag, None);
    assert_eq!(get(store, "each-d").await.data, "d");

    let deletes = vec![delete("each-a", Some("bogus")), delete("each-d", None)];
    store.bulk_delete(&cx(), deletes, None).await.unwrap_err();
    assert_eq!(get(store, "each-a").await.data, "a");
    assert_eq!(get(store, "each-d").await.etag, None);
}

pub async fn a_transaction_happens_as_a_whole_or_not_at_all(store: &dyn StateStore) {
    store.set(&cx(), set("whole-a", "old")).await.unwrap();
    let before = etag(store, "whole-a").await;
    let failing = vec![
        Operation::Set(set("whole-a", "new")),
        Operation::Set(set("whole-b", "new")),
        Operation::Delete(delete("whole-a", None)),
        Operation::Set(set_with("whole-c", "new", "bogus")),
    ];
    assert_bogus(&transact(store, failing).await);
    let failing = vec![
        Operation::Set(set("whole-a", "new")),
        Operation::Set(set("whole-b", "new")),
        Operation::Delete(delete("whole-c", Some(&before))),
    ];
    assert_mismatch(&transact(store, failing).await);
    assert_eq!(etag(store, "whole-a").await, before);
    assert_eq!(get(store, "whole-b").await.etag, None);

    let good = vec![
        Operation::Set(set_with("whole-a", "new", &before)),
        Operation::Set(first("whole-b", "new")),
        Operation::Delete(delete("whole-c", None)),
    ];
    transact(store, good).await.unwrap();
    assert_eq!(get(store, "whole-a").await.data, "new");
    assert_eq!(get(store, "whole-b").await.data, "new");
    transact(store, Vec::new()).await.unwrap();
    let wrong = vec![Operation::Delete(delete("whole-a", None)), {
        Operation::Set(set_for("whole-b", "newer", "soon"))
    }];
    transact(store, wrong).await.unwrap_err();
    assert_eq!(get(store, "whole-a").await.data, "new");
}

pub async fn operations_of_a_transaction_happen_in_their_order(store: &dyn StateStore) {
    let operations = vec![
        Operation::Set(set("order", "one")),
        Operation::Delete(delete("order", None)),
        Operation::Set(first("order", "two")),
        Operation::Set(set("order", "three")),
    ];
    transact(store, operations).await.unwrap();
    assert_eq!(get(store, "order").await.data, "three");
    let own_write_in_the_way =
        vec![Operation::Set(set("order-b", "one")), Operation::Set(first("order-b", "two"))];
    assert_mismatch(&transact(store, own_write_in_the_way).await);
    assert_eq!(get(store, "order-b").await.etag, None);
}

pub async fn a_value_with_a_ttl_is_gone_after_it(store: &dyn StateStore, kind: Store) {
    store.set(&cx(), set_for("ttl", "{\"marker\":\"ttl\"}", "1")).await.unwrap();
    store.set(&cx(), set_for("ttl-kept", "kept", "1")).await.unwrap();
    let again = if kind.keeps_end_of_life {
        set_for("ttl-kept", "kept", "-1")
    } else {
        set("ttl-kept", "kept")
    };
    store.set(&cx(), again).await.unwrap();
    store.set(&cx(), set_for("ttl-again", "kept", "1")).await.unwrap();
    store.set(&cx(), set("ttl-again", "kept")).await.unwrap();
    store.set(&cx(), set_for("ttl-forever", "kept", "-1")).await.unwrap();
    store.set(&cx(), set_for("ttl-long", "kept", "3600")).await.unwrap();

    let alive = get(store, "ttl").await;
    if kind.tells_end_of_life {
        let end = &alive.metadata["ttlExpireTime"];
        assert_eq!((end.len(), &end[10..11], &end[19..]), (20, "T", "Z"), "{end}");
        assert!(get(store, "ttl-long").await.metadata["ttlExpireTime"] > *end);
    }
    let old = alive.etag.expect("it is alive");
    assert!(get(store, "ttl-kept").await.metadata.is_empty());

    tokio::time::sleep(kind.gone_after).await;
    assert_eq!(get(store, "ttl").await, GetResponse::default());
    let reads = vec![GetRequest { key: "ttl".into(), ..GetRequest::default() }];
    assert_eq!(store.bulk_get(&cx(), reads, None).await.unwrap()[0].value, GetResponse::default());
    assert_eq!(get(store, "ttl-again").await.etag.is_none(), kind.keeps_end_of_life);
    if kind.queries {
        let found = query(store, json!({"EQ": {"marker": "ttl"}}), &[], Page::default()).await;
        assert!(found.unwrap().items.is_empty());
    }
    assert_mismatch(&store.set(&cx(), set_with("ttl", "new", &old)).await);
    assert_mismatch(&store.delete(&cx(), delete("ttl", Some(&old))).await);
    store.set(&cx(), first("ttl", "new")).await.unwrap();
    assert!(get(store, "ttl").await.metadata.is_empty());
    for kept in ["ttl-kept", "ttl-forever", "ttl-long"] {
        assert_eq!(get(store, kept).await.data, "kept");
    }
}

pub async fn a_wrong_ttl_is_refused(store: &dyn StateStore) {
    for ttl in ["soon", "1.5", "1s", "99999999999999999999"] {
        let error = store.set(&cx(), set_for("ttl-wrong", "x", ttl)).await.unwrap_err();
        assert!(error.to_string().contains(ttl), "{error}");
    }
    assert_eq!(get(store, "ttl-wrong").await.etag, None);
}

/// Writes documents whose keys begin with `prefix` and that have it as their member `in`.
async fn documents(store: &dyn StateStore, prefix: &str, documents: &[(&str, Value)]) {
    let writes = documents.iter().map(|(key, document)| {
        let mut document = document.clone();
        document["in"] = prefix.into();
        set(&format!("{prefix}{key}"), document.to_string())
    });
    store.bulk_set(&cx(), writes.collect(), None).await.unwrap();
}

/// The keys that a filter finds among the documents of `prefix`, without it.
async fn found(store: &dyn StateStore, prefix: &str, filter: Value) -> Vec<String> {
    let both = json!({"AND": [{"EQ": {"in": prefix}}, filter]});
    let response = query(store, both, &[], Page::default()).await.unwrap();
    assert_eq!(response.token, "");
    response.items.into_iter().map(|item| item.key[prefix.len()..].to_owned()).collect()
}

pub async fn a_query_finds_what_its_filter_says(store: &dyn StateStore) {
    let prefix = "query-filter-";
    let all = [
        ("1", json!({"person": {"org": "Dev Ops", "id": 1036}, "state": "WA", "old": true})),
        ("2", json!({"person": {"org": "Hardware", "id": 1028.5}, "state": "OR", "old": false})),
        ("3", json!({"person": {"org": "Finance", "id": "1071"}, "state": "CA", "old": null})),
        ("4", json!({"person": ["Dev Ops"], "state": "ca"})),
        ("5", json!({"person": {"org": {"name": "Dev Ops"}}, "state": "Ça"})),
        ("6", json!({"person": {"id": 9_007_199_254_740_993_i64}, "dotted.name": 1})),
    ];
    documents(store, prefix, &all).await;
    for (filter, expected) in [
        (json!({"EQ": {"person.org": "Dev Ops"}}), vec!["1"]),
        (json!({"EQ": {"person.id": 1036}}), vec!["1"]),
        (json!({"EQ": {"person.id": 1036.0}}), vec!["1"]),
        (json!({"EQ": {"person.id": "1036"}}), vec![]),
        (json!({"EQ": {"person.id": "1071"}}), vec!["3"]),
        (json!({"EQ": {"old": true}}), vec!["1"]),
        (json!({"EQ": {"old": 1}}), vec![]),
        (json!({"EQ": {"old": null}}), vec!["3", "4", "5", "6"]),
        (json!({"NEQ": {"state": "CA"}}), vec!["1", "2", "4", "5", "6"]),
        (json!({"NEQ": {"old": null}}), vec!["1", "2"]),
        (json!({"GT": {"person.id": 1028.5}}), vec!["1", "6"]),
        (json!({"GTE": {"person.id": 1028.5}}), vec!["1", "2", "6"]),
        (json!({"LT": {"person.id": 1036}}), vec!["2"]),
        (json!({"LTE": {"person.id": 1036}}), vec!["1", "2"]),
        (json!({"GT": {"person.id": 9_007_199_254_740_992_i64}}), vec!["6"]),
        (json!({"GT": {"person.id": "1"}}), vec!["3"]),
        (json!({"LT": {"state": "a"}}), vec!["1", "2", "3"]),
        (json!({"GTE": {"state": "ca"}}), vec!["4", "5"]),
        (json!({"IN": {"state": ["CA", "WA"]}}), vec!["1", "3"]),
        (json!({"IN": {"person.id": [1036, "1071", null]}}), vec!["1", "3", "4", "5"]),
        (json!({"IN": {"old": [false, 7]}}), vec!["2"]),
        (json!({"EQ": {"dotted.name": 1}}), vec![]),
        (json!({"EQ": {"' OR 1=1 --": "x"}}), vec![]),
        (
            json!({"OR": [
                {"EQ": {"person.org": "Dev Ops"}},
                {"AND": [{"EQ": {"person.org": "Finance"}}, {"IN": {"state": ["CA", "WA"]}}]},
            ]}),
            vec!["1", "3"],
        ),
    ] {
        assert_eq!(found(store, prefix, filter.clone()).await, expected, "{filter}");
    }

    // What is not JSON is met by no filter and found without one.
    for (key, value) in [("text", &b"no json"[..]), ("bytes", b"\xff\0"), ("empty", b"")] {
        store.set(&cx(), set(&format!("{prefix}{key}"), value)).await.unwrap();
    }
    let response = query(store, json!({"NEQ": {"x": 1}}), &[], Page::default()).await.unwrap();
    assert!(!response.items.iter().any(|item| item.key == format!("{prefix}text")));
    let response = query(store, json!({}), &[], Page::default()).await.unwrap();
    let bytes = response.items.iter().find(|item| item.key == format!("{prefix}bytes")).unwrap();
    assert_eq!(bytes.data, &b"\xff\0"[..]);
    assert_eq!(bytes.etag, get(store, &bytes.key).await.etag);
}

pub async fn a_query_sorts_by_type_and_value(store: &dyn StateStore) {
    use SortOrder::{Ascending, Descending};

    let prefix = "query-sort-";
    let all = [
        ("a", json!({"by": "b", "then": 2})),
        ("b", json!({"by": "b", "then": 1})),
        ("c", json!({"by": 10})),
        ("d", json!({"by": 9.5})),
        ("e", json!({"by": null})),
        ("f", json!({})),
        ("g", json!({"by": true})),
        ("h", json!({"by": false})),
        ("i", json!({"by": [1]})),
        ("j", json!({"by": {"x": 1}})),
        ("k", json!({"by": "B"})),
        ("l", json!({"by": "é"})),
    ];
    documents(store, prefix, &all).await;
    let sorted = async |sort: &[(&str, SortOrder)]| {
        let mine = json!({"EQ": {"in": prefix}});
        let response = query(store, mine, sort, Page::default()).await.unwrap();
        response.items.iter().map(|item| item.key[prefix.len()..].to_owned()).collect::<String>()
    };
    assert_eq!(sorted(&[]).await, "abcdefghijkl");
    assert_eq!(sorted(&[("by", Ascending)]).await, "efhgdckablij");
    assert_eq!(sorted(&[("by", Descending)]).await, "ijlabkcdghef");
    assert_eq!(sorted(&[("by", Ascending), ("then", Ascending)]).await, "efhgdckbalij");
    assert_eq!(sorted(&[("in", Ascending), ("then", Descending)]).await, "abcdefghijkl");
}

pub async fn pages_of_a_query_are_complete_and_do_not_overlap(store: &dyn StateStore) {
    let prefix = "query-page-";
    let keys: Vec<String> = (0..10).map(|key| key.to_string()).collect();
    let all: Vec<_> = keys.iter().map(|key| (key.as_str(), json!({"same": 1}))).collect();
    documents(store, prefix, &all).await;
    for limit in [1, 3, 5, 10, 20] {
        let (mut seen, mut page) = (Vec::new(), Page { limit, token: String::new() });
        loop {
            let sort = [("same", SortOrder::Descending)];
            let mine = json!({"EQ": {"in": prefix}});
            let response = query(store, mine, &sort, page.clone()).await.unwrap();
            assert!(response.items.len() as u64 <= limit);
            seen.extend(response.items.into_iter().map(|item| item.key[prefix.len()..].to_owned()));
            page.token = response.token;
            if page.token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, keys, "{limit} at once");
    }
}

pub async fn a_malformed_query_is_refused(store: &dyn StateStore) {
    for filter in [
        json!({"LIKE": {"a": "b"}}),
        json!({"EQ": 5}),
        json!({"EQ": {"a": {"b": 1}}}),
        json!({"AND": [{"EQ": {"a": 1}}]}),
        json!({"IN": {"a": []}}),
        json!({"EQ": {"": 1}}),
    ] {
        let error = query(store, filter.clone(), &[], Page::default()).await.unwrap_err();
        assert!(error.to_string().contains("query"), "{filter}: {error}");
    }
    let page = Page { limit: 1, token: "next".into() };
    let error = query(store, json!({}), &[], page).await.unwrap_err();
    assert!(error.to_string().contains("`next`"), "{error}");
}
