//! Requests as behaviours make them.

use bytes::Bytes;
use replug_component::state::{
    Concurrency, DeleteRequest, GetRequest, GetResponse, Operation, Options, Page, Query,
    QueryRequest, QueryResponse, SetRequest, SortOrder, Sorting, StateStore, TransactRequest,
};
use replug_component::{Context, Error};
use serde_json::Value;

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
pub fn assert_bogus(result: &Result<(), Error>) {
    let refused = matches!(result, Err(Error::EtagMismatch(_) | Error::EtagInvalid(_)));
    assert!(refused, "{result:?}");
}
