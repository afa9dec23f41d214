//! `state.postgresql` and `state.postgresql.v2`: state in a PostgreSQL database.
//!
//! **Tables.** Those of Dapr's stores of this name, versions 1 and 2: what one has written the other
//! reads. In version 1 ([`layout::Layout::V1`]) a value that is JSON is kept as `jsonb`, which can be
//! searched and comes back as PostgreSQL writes it; any other is kept as base64, as is one whose
//! request says a content type that is not JSON. The etag is the number of the transaction that wrote
//! the row (`xmin`). Version 2 keeps bytes, with an etag of its own, and has no queries.
//!
//! **Connections.** A pool, dialled when they are needed; one that is lost is replaced. A read that
//! was under way then is sent again, a write is not: it may have happened. Statements are sent unnamed,
//! so that poolers between may do as they like.
//!
//! **Behaviour** as in Dapr: an etag that is given has to match whatever the concurrency; a first write
//! without one fails where there is a living value.

mod change;
mod cleanup;
mod connection_string;
mod database;
mod idle;
mod layout;
mod schema;
mod search;
mod settings;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use replug_component::state::{
    BulkGetItem, DeleteRequest, GetRequest, GetResponse, Parallelism, QueryRequest, QueryResponse,
    SetRequest, StateStore, StateStoreType, TransactRequest,
};
use replug_component::{Context, Error, Features, Metadata};
use tokio_postgres::types::Type;

use super::query::Plan;
use change::Change;
use cleanup::Cleaner;
use database::Database;
use idle::IdleCloser;
pub(super) use layout::Layout;
use settings::Settings;

/// The type `state.postgresql`, in one of its versions.
pub(super) struct PostgresType(pub(super) Layout);

#[async_trait]
impl StateStoreType for PostgresType {
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn StateStore>, Error> {
        let settings = Settings::new(&metadata, self.0)?;
        let (cleanup_interval, longest_idle) = (settings.cleanup_interval, settings.longest_idle);
        let database = Arc::new(Database::new(settings)?);
        schema::ensure(&database).await?;
        let cleaner = cleanup_interval.map(|interval| Cleaner::start(database.clone(), interval));
        let idle_closer = IdleCloser::start(database.clone(), longest_idle);
        Ok(Arc::new(PostgresStore { database, _cleaner: cleaner, _idle_closer: idle_closer }))
    }
}

struct PostgresStore {
    database: Arc<Database>,
    /// Removes what has expired; ends with the store.
    _cleaner: Option<Cleaner>,
    /// Closes connections that nothing uses; ends with the store.
    _idle_closer: IdleCloser,
}

#[async_trait]
impl StateStore for PostgresStore {
    fn features(&self) -> Features {
        super::store_features(&[Features::KEYS_LIKE])
    }

    fn refuses_unknown_options(&self) -> bool {
        true
    }

    /// Dapr's store does not look at them.
    fn refuses_unknown_options_of_deletes(&self, _in_transaction: bool) -> bool {
        false
    }

    async fn get(&self, _cx: &Context, request: GetRequest) -> Result<GetResponse, Error> {
        let rows = self.read(&[request.key]).await?;
        rows.into_values().next().unwrap_or_else(|| Ok(GetResponse::default()))
    }

    async fn set(&self, _cx: &Context, request: SetRequest) -> Result<(), Error> {
        let change = Change::set(request, self.database.settings.layout)?;
        self.database.write_one(&change).await
    }

    async fn delete(&self, _cx: &Context, request: DeleteRequest) -> Result<(), Error> {
        let change = Change::delete(request, self.database.settings.layout)?;
        self.database.write_one(&change).await
    }

    async fn bulk_get(
        &self,
        _cx: &Context,
        requests: Vec<GetRequest>,
        _parallelism: Parallelism,
    ) -> Result<Vec<BulkGetItem>, Error> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<String> = requests.into_iter().map(|request| request.key).collect();
        let values = self.read(&keys).await?;
        let items = keys.into_iter().map(|key| match values.get(&key) {
            Some(Ok(value)) => BulkGetItem { value: value.clone(), key, error: String::new() },
            Some(Err(error)) => {
                BulkGetItem { key, error: error.to_string(), ..BulkGetItem::default() }
            }
            None => BulkGetItem { key, ..BulkGetItem::default() },
        });
        Ok(items.collect())
    }

    async fn transact(&self, _cx: &Context, request: TransactRequest) -> Result<(), Error> {
        let layout = self.database.settings.layout;
        let operations = request.operations.into_iter();
        let changes: Result<Vec<Change>, Error> =
            operations.map(|operation| Change::part(operation, layout)).collect();
        match changes?.as_slice() {
            [] => Ok(()),
            [change] => self.database.write_one(change).await,
            changes => self.database.write_together(changes).await,
        }
    }

    fn is_queried_in_dapr(&self) -> bool {
        false
    }

    async fn query(&self, _cx: &Context, request: QueryRequest) -> Result<QueryResponse, Error> {
        if self.database.settings.layout == Layout::V2 {
            return Err(Error::Unsupported("state store does not support querying".into()));
        }
        let plan = Plan::new(&request.query)?;
        self.database.search(&plan).await
    }

    async fn ping(&self, _cx: &Context) -> Result<(), Error> {
        self.database.read("SELECT 1", &[]).await.map(|_| ())
    }
}

impl PostgresStore {
    /// What is alive under some of these keys.
    async fn read(
        &self,
        keys: &[String],
    ) -> Result<HashMap<String, Result<GetResponse, Error>>, Error> {
        let layout = self.database.settings.layout;
        let sql = &self.database.statements.read;
        let rows = self.database.read(sql, &[(&keys, Type::TEXT_ARRAY)]).await?;
        let values = rows.iter().map(|row| {
            let value = layout.response(row);
            (row.get(0), value.map_err(|what| self.database.told(&format!("cannot read: {what}"))))
        });
        Ok(values.collect())
    }
}
