//! Several keys at once: bulk requests and transactions.

use replug_component::state::{GetRequest, Operation, StateStore};

use super::requests::{
    assert_bogus, assert_mismatch, cx, delete, etag, first, get, set, set_for, set_with, transact,
};

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
