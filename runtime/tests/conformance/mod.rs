//! What every state store of replug does, whether it is built in or behind a socket: one function
//! per behaviour, over any store. Other test crates include this file by its path.
//!
//! A function uses keys of its own, so all may run on one store, also at the same time.

// Not every test crate uses every behaviour, and all of them are called alike.
#![allow(dead_code, unused_imports, clippy::unused_async)]

mod etags;
mod queries;
mod requests;
mod several;
mod ttl;
mod values;

use std::time::Duration;

use replug_component::Error;
use replug_component::state::{Page, StateStore};
use serde_json::json;

pub use self::requests::{
    assert_mismatch, cx, delete, etag, first, get, query, set, set_for, set_with, transact,
};

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

    /// What those in Redis do.
    pub const LIKE_REDIS: Self = Self {
        queries: false,
        etags_begin_again: true,
        last_write_wins: true,
        keeps_end_of_life: true,
        ..Self::LIKE_MOST
    };
}

/// Runs every behaviour.
pub async fn all(store: &dyn StateStore) {
    all_of(store, Store::LIKE_MOST).await;
}

/// Runs every behaviour, of a store that differs from the others.
pub async fn all_of(store: &dyn StateStore, kind: Store) {
    it_says_what_it_can_do(store, kind).await;
    values::a_missing_key_reads_as_nothing(store).await;
    values::a_value_is_read_as_it_was_written(store).await;
    etags::every_write_gives_a_new_etag(store, kind).await;
    etags::a_write_with_the_stored_etag_happens_and_with_another_fails(store, kind).await;
    etags::an_empty_etag_asks_for_none(store).await;
    etags::a_first_write_fails_where_there_is_a_value(store).await;
    etags::a_delete_with_the_stored_etag_happens_and_with_another_fails(store).await;
    etags::deleting_a_missing_key_is_no_error_unless_it_has_an_etag(store).await;
    etags::of_many_writers_with_one_etag_exactly_one_wins(store).await;
    several::a_bulk_read_answers_in_the_order_of_its_keys(store).await;
    several::what_fails_in_a_bulk_request_does_not_undo_the_rest(store).await;
    several::a_transaction_happens_as_a_whole_or_not_at_all(store).await;
    several::operations_of_a_transaction_happen_in_their_order(store).await;
    ttl::a_value_with_a_ttl_is_gone_after_it(store, kind).await;
    ttl::a_wrong_ttl_is_refused(store).await;
    if kind.queries {
        queries::a_query_finds_what_its_filter_says(store).await;
        queries::a_query_sorts_by_type_and_value(store).await;
        queries::pages_of_a_query_are_complete_and_do_not_overlap(store).await;
        queries::a_malformed_query_is_refused(store).await;
    } else {
        let error = query(store, json!({}), &[], Page::default()).await.unwrap_err();
        assert!(matches!(error, Error::Unsupported(_)), "{error}");
    }
}

pub async fn it_says_what_it_can_do(store: &dyn StateStore, kind: Store) {
    let features = store.features();
    let names: Vec<&str> = features.iter().collect();
    assert_eq!(names, kind.features);
}
