//! Bulk requests by single calls, for stores without a way of their own.

use std::num::NonZeroUsize;

use futures_util::StreamExt as _;
use futures_util::stream;

use super::{BulkGetItem, DeleteRequest, GetRequest, Parallelism, SetRequest, StateStore};
use crate::{Context, Error};

/// Calls `get` for each request. The order of the answers is the order of the requests.
pub async fn get<S: StateStore + ?Sized>(
    store: &S,
    cx: &Context,
    requests: Vec<GetRequest>,
    parallelism: Parallelism,
) -> Result<Vec<BulkGetItem>, Error> {
    let at_once = limit(parallelism, requests.len());
    let items = stream::iter(requests)
        .map(|request| async move {
            let key = request.key.clone();
            match store.get(cx, request).await {
                Ok(value) => BulkGetItem { key, value, error: String::new() },
                Err(error) => {
                    BulkGetItem { key, error: error.to_string(), ..BulkGetItem::default() }
                }
            }
        })
        .buffered(at_once)
        .collect()
        .await;
    Ok(items)
}

/// Calls `set` for each request.
pub async fn set<S: StateStore + ?Sized>(
    store: &S,
    cx: &Context,
    requests: Vec<SetRequest>,
    parallelism: Parallelism,
) -> Result<(), Error> {
    let at_once = limit(parallelism, requests.len());
    joined(stream::iter(requests).map(|request| store.set(cx, request)).buffered(at_once)).await
}

/// Calls `delete` for each request.
pub async fn delete<S: StateStore + ?Sized>(
    store: &S,
    cx: &Context,
    requests: Vec<DeleteRequest>,
    parallelism: Parallelism,
) -> Result<(), Error> {
    let at_once = limit(parallelism, requests.len());
    joined(stream::iter(requests).map(|request| store.delete(cx, request)).buffered(at_once)).await
}

fn limit(parallelism: Parallelism, requests: usize) -> usize {
    parallelism.map_or(requests, NonZeroUsize::get).max(1)
}

async fn joined(results: impl stream::Stream<Item = Result<(), Error>>) -> Result<(), Error> {
    let errors: Vec<Error> = results.filter_map(async |result| result.err()).collect().await;
    if errors.is_empty() { Ok(()) } else { Err(Error::Bulk(errors)) }
}
