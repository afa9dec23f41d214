//! `state.in-memory`: state that lasts as long as the store does.
//!
//! Entries lie in shards, each behind a lock of its own, which is held for as long as it takes to
//! look one up or put one in and never while waiting; what touches several shards (a transaction,
//! a bulk read) locks them all at once, in their order. Values are copied in, so that a small one
//! does not keep the whole message alive that it came with.
//!
//! Behaviour as in Dapr's store of this name: an etag that is given has to match whatever the
//! concurrency; a first write or a first delete without one fails where there is a value; a
//! negative TTL is none. Unlike Dapr's, it has queries, and a transaction sees its own writes.

mod bus;
mod entry;
mod expiry;
mod shards;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use replug_component::state::{
    BulkGetItem, DeleteRequest, GetRequest, GetResponse, Operation, Parallelism, QueryItem,
    QueryRequest, QueryResponse, SetRequest, StateStore, StateStoreType, TransactRequest,
};
use replug_component::{Context, Error, Features, Metadata};
use tokio::sync::oneshot;

pub(super) use self::bus::BusType;
use super::query::{Candidate, Plan, select};
use entry::{Change, Entry};
use expiry::Sweeper;
use shards::Shards;

/// The type `state.in-memory`. It has no settings; each store has entries of its own.
pub(super) struct MemoryType;

#[async_trait]
impl StateStoreType for MemoryType {
    async fn open(&self, _metadata: Metadata) -> Result<Arc<dyn StateStore>, Error> {
        Ok(Arc::new(MemoryStore::new()))
    }
}

struct MemoryStore {
    shards: Arc<Shards>,
    /// Frees what has expired; ends with the store.
    _sweeper: Sweeper,
}

impl MemoryStore {
    fn new() -> Self {
        let shards = Arc::new(Shards::new());
        Self { _sweeper: Sweeper::start(shards.clone()), shards }
    }
}

#[async_trait]
impl StateStore for MemoryStore {
    fn features(&self) -> Features {
        super::store_features(&[Features::DELETE_WITH_PREFIX, Features::KEYS_LIKE])
    }

    fn refuses_unknown_options(&self) -> bool {
        true
    }

    /// Dapr's store does not look at those in a transaction.
    fn refuses_unknown_options_of_deletes(&self, in_transaction: bool) -> bool {
        !in_transaction
    }

    async fn get(&self, _cx: &Context, request: GetRequest) -> Result<GetResponse, Error> {
        Ok(self.shards.read_one(&request.key, |shard| response(shard.get(&request.key))))
    }

    async fn set(&self, _cx: &Context, request: SetRequest) -> Result<(), Error> {
        self.shards.change(Change::set(request)?)
    }

    async fn delete(&self, _cx: &Context, request: DeleteRequest) -> Result<(), Error> {
        self.shards.change(Change::delete(request))
    }

    async fn bulk_get(
        &self,
        _cx: &Context,
        requests: Vec<GetRequest>,
        _parallelism: Parallelism,
    ) -> Result<Vec<BulkGetItem>, Error> {
        let shards = self.shards.read_several(requests.iter().map(|request| request.key.as_str()));
        let values: Vec<_> =
            requests.iter().map(|request| response(shards.get(&request.key))).collect();
        drop(shards);
        let items = requests.into_iter().zip(values);
        Ok(items
            .map(|(request, value)| BulkGetItem { key: request.key, value, error: String::new() })
            .collect())
    }

    async fn bulk_set(
        &self,
        _cx: &Context,
        requests: Vec<SetRequest>,
        _parallelism: Parallelism,
    ) -> Result<(), Error> {
        super::joined(
            requests
                .into_iter()
                .map(|request| Change::set(request).and_then(|change| self.shards.change(change))),
        )
    }

    async fn bulk_delete(
        &self,
        _cx: &Context,
        requests: Vec<DeleteRequest>,
        _parallelism: Parallelism,
    ) -> Result<(), Error> {
        super::joined(
            requests.into_iter().map(|request| self.shards.change(Change::delete(request))),
        )
    }

    async fn transact(&self, _cx: &Context, request: TransactRequest) -> Result<(), Error> {
        let changes = request.operations.into_iter().map(|operation| match operation {
            Operation::Set(request) => Change::set(request),
            Operation::Delete(request) => Ok(Change::delete(request)),
        });
        self.shards.change_together(changes.collect::<Result<_, _>>()?)
    }

    fn is_queried_in_dapr(&self) -> bool {
        false
    }

    /// Looks at one shard after the other, so a query may see one half of a transaction.
    async fn query(&self, _cx: &Context, request: QueryRequest) -> Result<QueryResponse, Error> {
        let plan = Plan::new(&request.query)?;
        let shards = self.shards.clone();
        // Its sender goes away with this call, and the search with it.
        let (_caller, mut caller_gone) = oneshot::channel::<()>();
        let search = tokio::task::spawn_blocking(move || {
            let given_up = || caller_gone.try_recv() == Err(oneshot::error::TryRecvError::Closed);
            let (found, more) = select(&plan, shards.snapshots().flatten(), given_up)?;
            let token = plan.token_after(found.len(), more);
            let items = found.into_iter().map(|(key, entry)| QueryItem {
                key: key.as_ref().to_owned(),
                data: entry.value,
                etag: Some(entry.etag.to_string()),
                ..QueryItem::default()
            });
            Some(QueryResponse { items: items.collect(), token, ..QueryResponse::default() })
        });
        match search.await {
            Ok(Some(response)) => Ok(response),
            // The caller is here, so it did not give up: the runtime is shutting down.
            Ok(None) | Err(_) => Err(Error::Failed("the query was stopped".into())),
        }
    }
}

impl Candidate for (Arc<str>, Entry) {
    fn key(&self) -> &str {
        &self.0
    }

    fn value(&self) -> &[u8] {
        &self.1.value
    }
}

fn response(entry: Option<&Entry>) -> GetResponse {
    entry.map_or_else(GetResponse::default, |entry| GetResponse {
        data: Bytes::clone(&entry.value),
        etag: Some(entry.etag.to_string()),
        metadata: entry.expiry.iter().map(|expiry| expiry.to_metadata()).collect(),
        content_type: String::new(),
    })
}
