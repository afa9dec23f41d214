//! `state.sqlite`: state in an SQLite database.
//!
//! **Threads.** SQLite blocks, so no call of it is made on an async thread. A store owns one thread
//! that writes and, for files, a few that read, each with a connection of its own, so a read waits
//! for no write. The writer takes everything that waits, carries it out in one transaction and
//! answers after the commit: many writers share one flush to the disk. A call that is given up
//! before its turn is not carried out.
//!
//! **Safety.** An answered write is on the disk (`synchronous=FULL`): it survives the process being
//! killed and the power going away. `_pragma=synchronous(normal)` in the connection string gives
//! the second up for speed.
//!
//! **Table.** The layout is that of Dapr's store of this name, and a database written by one is
//! read and written by the other. A value is kept as text where it is UTF-8, else as a blob, both
//! with `is_binary` 0, which Dapr gives back byte for byte; what Dapr keeps as base64, with
//! `is_binary` 1, is decoded. An end of life is UTC text as SQLite writes it, here with
//! milliseconds.
//!
//! **Behaviour** as in Dapr: an etag that is given has to match whatever the concurrency; a first
//! write without one fails where there is a living value; a delete without one always happens.
//! Unlike Dapr's, it has queries.

mod change;
mod connection;
mod connection_string;
mod failure;
mod read;
mod schema;
mod search;
mod settings;
mod threads;
mod timestamp;
mod writer;

use std::sync::Arc;

use async_trait::async_trait;
use replug_component::state::{
    BulkGetItem, DeleteRequest, GetRequest, GetResponse, Operation, Parallelism, QueryRequest,
    QueryResponse, SetRequest, StateStore, StateStoreType, TransactRequest,
};
use replug_component::{Context, Error, Features, Metadata};

use super::query::Plan;
use change::Change;
use settings::Settings;
use threads::Threads;

/// The type `state.sqlite`.
pub(super) struct SqliteType;

#[async_trait]
impl StateStoreType for SqliteType {
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn StateStore>, Error> {
        let settings = Arc::new(Settings::new(&metadata)?);
        // Where this call is given up, the threads end as soon as they are there.
        let threads = tokio::task::spawn_blocking(move || Threads::start(&settings)).await;
        let threads =
            threads.map_err(|_| Error::Failed("the runtime is shutting down".into()))??;
        Ok(Arc::new(SqliteStore { threads }))
    }
}

struct SqliteStore {
    threads: Threads,
}

#[async_trait]
impl StateStore for SqliteStore {
    fn features(&self) -> Features {
        super::store_features(&[Features::KEYS_LIKE])
    }

    fn refuses_unknown_options(&self) -> bool {
        true
    }

    async fn get(&self, _cx: &Context, request: GetRequest) -> Result<GetResponse, Error> {
        self.threads.read(move |database| database.get(&request.key)).await
    }

    async fn set(&self, _cx: &Context, request: SetRequest) -> Result<(), Error> {
        self.threads.write_one(Change::set(request)?).await
    }

    async fn delete(&self, _cx: &Context, request: DeleteRequest) -> Result<(), Error> {
        self.threads.write_one(Change::delete(request)).await
    }

    async fn bulk_get(
        &self,
        _cx: &Context,
        requests: Vec<GetRequest>,
        _parallelism: Parallelism,
    ) -> Result<Vec<BulkGetItem>, Error> {
        self.threads.read(move |database| database.get_several(requests)).await
    }

    async fn bulk_set(
        &self,
        _cx: &Context,
        requests: Vec<SetRequest>,
        _parallelism: Parallelism,
    ) -> Result<(), Error> {
        self.bulk(requests.into_iter().map(Change::set)).await
    }

    async fn bulk_delete(
        &self,
        _cx: &Context,
        requests: Vec<DeleteRequest>,
        _parallelism: Parallelism,
    ) -> Result<(), Error> {
        self.bulk(requests.into_iter().map(|request| Ok(Change::delete(request)))).await
    }

    async fn transact(&self, _cx: &Context, request: TransactRequest) -> Result<(), Error> {
        let changes = request.operations.into_iter().map(|operation| match operation {
            Operation::Set(request) => Change::set(request),
            Operation::Delete(request) => Ok(Change::delete(request)),
        });
        self.threads.write_together(changes.collect::<Result<_, _>>()?).await
    }

    fn is_queried_in_dapr(&self) -> bool {
        false
    }

    async fn query(&self, _cx: &Context, request: QueryRequest) -> Result<QueryResponse, Error> {
        let plan = Plan::new(&request.query)?;
        self.threads.search(move |database, stop| database.search(&plan, stop)).await
    }

    async fn ping(&self, _cx: &Context) -> Result<(), Error> {
        self.threads.read(connection::Database::ping).await
    }
}

impl SqliteStore {
    /// Carries out each change by itself; those that are wrong already are not sent.
    async fn bulk(
        &self,
        changes: impl Iterator<Item = Result<Change, Error>>,
    ) -> Result<(), Error> {
        let (mut good, mut results) = (Vec::new(), Vec::new());
        for change in changes {
            match change {
                Ok(change) => good.push(change),
                Err(error) => results.push(Err(error)),
            }
        }
        if !good.is_empty() {
            results.extend(self.threads.write_each(good).await?);
        }
        super::joined(results.into_iter())
    }
}
