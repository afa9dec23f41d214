//! The building block state: keys and values.

pub mod each;
mod query;
mod wire;

use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

pub use query::{Page, Query, QueryItem, QueryResponse, SortOrder, Sorting};
pub use wire::{error_from_status, error_to_status};

use crate::{Context, Error, Features, Metadata};

/// A component that keeps values under keys.
///
/// Keys arrive as they are stored, prefix included. Every method may be called at once from many
/// tasks; dropping a call's future gives it up, and whether a write that was given up has happened
/// is not known.
#[async_trait]
pub trait StateStore: Send + Sync + 'static {
    /// What the store can do. Transactions are refused without [`Features::TRANSACTIONAL`].
    fn features(&self) -> Features;

    /// Whether a concurrency or consistency that is neither of the two has to be refused, as Dapr's
    /// own stores do; plugins are told that nothing was said.
    fn refuses_unknown_options(&self) -> bool {
        false
    }

    /// The same of a delete, alone or in a transaction.
    fn refuses_unknown_options_of_deletes(&self, _in_transaction: bool) -> bool {
        self.refuses_unknown_options()
    }

    /// Whether values are encrypted on their way to where they are kept: nothing can be searched for
    /// in them then. The runtime alone stores so; a component is never told.
    fn encrypts(&self) -> bool {
        false
    }

    /// The value of a key. A missing key is no error: see [`GetResponse`].
    async fn get(&self, cx: &Context, request: GetRequest) -> Result<GetResponse, Error>;

    /// Stores a value.
    async fn set(&self, cx: &Context, request: SetRequest) -> Result<(), Error>;

    /// Removes a key. A missing key is no error, unless an etag was asked for.
    async fn delete(&self, cx: &Context, request: DeleteRequest) -> Result<(), Error>;

    /// The values of several keys, in the order of the requests. A key that fails has its error in
    /// its own item.
    async fn bulk_get(
        &self,
        cx: &Context,
        requests: Vec<GetRequest>,
        parallelism: Parallelism,
    ) -> Result<Vec<BulkGetItem>, Error> {
        each::get(self, cx, requests, parallelism).await
    }

    /// Stores several values, each by itself: what failed is in [`Error::Bulk`], the rest is done.
    async fn bulk_set(
        &self,
        cx: &Context,
        requests: Vec<SetRequest>,
        parallelism: Parallelism,
    ) -> Result<(), Error> {
        each::set(self, cx, requests, parallelism).await
    }

    /// Removes several keys, each by itself: what failed is in [`Error::Bulk`], the rest is done.
    async fn bulk_delete(
        &self,
        cx: &Context,
        requests: Vec<DeleteRequest>,
        parallelism: Parallelism,
    ) -> Result<(), Error> {
        each::delete(self, cx, requests, parallelism).await
    }

    /// Carries out all operations or none, in their order.
    async fn transact(&self, _cx: &Context, _request: TransactRequest) -> Result<(), Error> {
        Err(Error::Unsupported("this state store has no transactions".into()))
    }

    /// How many operations one transaction may have; none: as many as one likes.
    async fn max_transaction_size(&self, _cx: &Context) -> Result<Option<usize>, Error> {
        Ok(None)
    }

    /// Whether Dapr's component of this type takes no value that an application has given over HTTP as
    /// JSON's `null`, or not at all.
    fn refuses_null(&self) -> bool {
        false
    }

    /// Whether Dapr's component of this type answers queries.
    fn is_queried_in_dapr(&self) -> bool {
        true
    }

    /// The entries whose values match. Needs values that are JSON.
    async fn query(&self, _cx: &Context, _request: QueryRequest) -> Result<QueryResponse, Error> {
        Err(Error::Unsupported("state store does not support querying".into()))
    }

    /// Whether the store can be used at this moment.
    async fn ping(&self, _cx: &Context) -> Result<(), Error> {
        Ok(())
    }
}

/// A component type of the block state: makes stores.
#[async_trait]
pub trait StateStoreType: Send + Sync + 'static {
    /// A store with this metadata, ready for calls. Called again for the same component when its
    /// plugin is restarted or its declaration changes.
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn StateStore>, Error>;
}

#[async_trait]
impl<T: StateStoreType + ?Sized> StateStoreType for Arc<T> {
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn StateStore>, Error> {
        T::open(self, metadata).await
    }
}

/// How many parts of a bulk request may be under way at once; none: all of them.
pub type Parallelism = Option<NonZeroUsize>;

/// Which of two writers wins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Concurrency {
    /// Not said: the store's own way, last write in Dapr's.
    #[default]
    Unspecified,
    /// The first: a write whose etag is not the stored one fails.
    FirstWrite,
    /// The last: it replaces what is there.
    LastWrite,
}

/// How fresh a read is, or how safe a write before it is acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Consistency {
    /// Not said: the store's own way.
    #[default]
    Unspecified,
    /// At some time.
    Eventual,
    /// At once.
    Strong,
}

/// How a write is carried out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// Which of two writers wins.
    pub concurrency: Concurrency,
    /// How safe it is when acknowledged.
    pub consistency: Consistency,
}

/// Asks for a key's value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GetRequest {
    /// The key as stored.
    pub key: String,
    /// Particulars for the store.
    pub metadata: Metadata,
    /// How fresh the value has to be.
    pub consistency: Consistency,
}

/// A key's value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GetResponse {
    /// The value; empty where the key is missing.
    pub data: Bytes,
    /// The value's etag; none where the key is missing or the store has no etags.
    pub etag: Option<String>,
    /// Particulars, such as `ttlExpireTime` (RFC 3339, UTC).
    pub metadata: Metadata,
    /// The value's content type; empty where the store does not know.
    pub content_type: String,
}

/// Stores a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetRequest {
    /// The key as stored.
    pub key: String,
    /// The value.
    pub value: Bytes,
    /// The etag that the stored value has to have. Dapr's built-in stores take an empty one for none.
    pub etag: Option<String>,
    /// Particulars, such as `ttlInSeconds`.
    pub metadata: Metadata,
    /// How it is carried out.
    pub options: Options,
    /// The value's content type; empty where the caller did not say.
    pub content_type: String,
}

/// Removes a key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteRequest {
    /// The key as stored.
    pub key: String,
    /// The etag that the stored value has to have.
    pub etag: Option<String>,
    /// Particulars for the store.
    pub metadata: Metadata,
    /// How it is carried out.
    pub options: Options,
}

/// One key's part of a bulk get.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BulkGetItem {
    /// The key as stored.
    pub key: String,
    /// The value, or why there is none.
    pub value: GetResponse,
    /// Why this key could not be read; empty where it could.
    pub error: String,
}

/// One operation of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Stores a value.
    Set(SetRequest),
    /// Removes a key.
    Delete(DeleteRequest),
}

impl Operation {
    /// The key that it is about.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Set(request) => &request.key,
            Self::Delete(request) => &request.key,
        }
    }
}

/// Several operations that happen together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransactRequest {
    /// The operations, in order.
    pub operations: Vec<Operation>,
    /// Particulars for the store.
    pub metadata: Metadata,
}

/// Searches the values of a store.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QueryRequest {
    /// What is looked for.
    pub query: Query,
    /// Particulars for the store.
    pub metadata: Metadata,
}
