//! Etags, first writes and last ones.

use futures_util::future::join_all;
use replug_component::state::{Concurrency, Options, SetRequest, StateStore};

use super::Store;
use super::requests::{assert_bogus, assert_mismatch, cx, delete, etag, first, get, set, set_with};

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
