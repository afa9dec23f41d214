//! `state.redis`: state in a Redis server.
//!
//! **Layout.** That of Dapr's store of this name, and what one has written the other reads: a hash
//! under the key, with the value as `data` and the etag as `version`, which counts from 1. A
//! `first-write` field says that later writes have to name the etag. A key that holds a text is read
//! without an etag. The end of life is the key's own in Redis.
//!
//! **Behaviour** as Dapr's store has it: a write without `ttlInSeconds` leaves the end of life as it
//! is (-1 takes it away), and a write that wants the last one to win has no etag compared. Unlike
//! there, an etag that is given has to match also where there is no value, a first write fails also
//! where the value there was no first write, and a transaction that fails has changed nothing.
//!
//! **JSON.** With the metadata `contentType: application/json` a value lies in RedisJSON instead
//! ([`json`](super::json)), where the indexes of `queryIndexes` find it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use redis::{Pipeline, Value};
use replug_component::state::{
    Consistency, DeleteRequest, GetRequest, GetResponse, Operation, QueryRequest, QueryResponse,
    SetRequest, StateStore, StateStoreType, TransactRequest,
};
use replug_component::{Context, Error, Features, Metadata};
use tokio::sync::OnceCell;

use super::change::{self, Change, Layout};
use super::json;
use super::search::Indexes;
use super::server::{Doing, Server};
use super::settings::Settings;
use crate::builtin::setting::number;
use crate::builtin::ttl::TTL_EXPIRE_TIME;

/// The type `state.redis`.
pub(in crate::builtin) struct RedisStateType;

#[async_trait]
impl StateStoreType for RedisStateType {
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn StateStore>, Error> {
        let settings = Settings::new(&metadata)?;
        let indexes = Indexes::new(&metadata, &settings)?;
        let lifetime = number(&metadata, &["ttlInSeconds"])?;
        let server = Server::new(settings)?;
        indexes.make(&server).await?;
        let replicas = server.replicas().await?;
        let strong = match replicas {
            0 => None,
            replicas => Some((replicas, Server::new(Settings::new(&metadata)?)?)),
        };
        Ok(Arc::new(RedisStore { server, strong, lifetime, indexes, has_json: OnceCell::new() }))
    }
}

struct RedisStore {
    server: Server,
    /// How many replicas there are, and the connection of writes that wait for them, since nothing
    /// else moves on a connection that waits. None: there are no replicas.
    strong: Option<(usize, Server)>,
    /// How long values live that are written without an end: `ttlInSeconds`, in seconds.
    lifetime: Option<i64>,
    /// What can be searched: `queryIndexes`.
    indexes: Indexes,
    /// Whether the server has the module for JSON, once it has been asked.
    has_json: OnceCell<bool>,
}

#[async_trait]
impl StateStore for RedisStore {
    fn features(&self) -> Features {
        crate::builtin::store_features(&[Features::KEYS_LIKE])
    }

    fn refuses_unknown_options(&self) -> bool {
        true
    }

    async fn get(&self, _cx: &Context, request: GetRequest) -> Result<GetResponse, Error> {
        let key = request.key.as_str();
        if self.layout(json::layout(&request.metadata), key).await? == Layout::Json {
            return self.get_json(key).await;
        }
        let mut commands = Pipeline::with_capacity(2);
        commands.cmd("HMGET").arg(key).arg("data").arg("version").cmd("PTTL").arg(key);
        let mut answers = self.server.ask(Doing::Read, &commands).await?.into_iter();
        let (data, version) = match answers.next() {
            Some(Value::Array(fields)) => {
                let mut fields = fields.into_iter();
                (fields.next().unwrap_or(Value::Nil), fields.next().unwrap_or(Value::Nil))
            }
            Some(Value::ServerError(error)) if error.code() == "WRONGTYPE" => {
                return self.get_text(key).await;
            }
            other => return Err(self.cannot_read(key, other)),
        };
        match (data, version) {
            (Value::BulkString(data), Value::BulkString(version)) => Ok(GetResponse {
                data: data.into(),
                etag: Some(String::from_utf8_lossy(&version).into_owned()),
                metadata: end_of_life(answers.next()),
                content_type: String::new(),
            }),
            (Value::Nil, Value::Nil) => Ok(GetResponse::default()),
            _ => Err(self.server.told(format!(
                "key {key} is a hash without `data` or `version`, which no state store has written"
            ))),
        }
    }

    async fn set(&self, _cx: &Context, request: SetRequest) -> Result<(), Error> {
        let (server, replicas) = match &self.strong {
            Some((replicas, server)) if request.options.consistency == Consistency::Strong => {
                (server, Some(*replicas))
            }
            _ => (&self.server, None),
        };
        let layout = self.layout(json::layout(&request.metadata), &request.key).await?;
        let change = Change::set(json::checked(layout, request)?, self.lifetime)?;
        change::make(server, layout, &[change], replicas).await
    }

    async fn delete(&self, _cx: &Context, request: DeleteRequest) -> Result<(), Error> {
        let layout = self.layout(json::layout(&request.metadata), &request.key).await?;
        change::make(&self.server, layout, &[Change::delete(request)], None).await
    }

    async fn transact(&self, _cx: &Context, request: TransactRequest) -> Result<(), Error> {
        let Some(first) = request.operations.first() else { return Ok(()) };
        let key = match first {
            Operation::Set(set) => &set.key,
            Operation::Delete(delete) => &delete.key,
        };
        let layout = self.layout(json::layout_of_all(&request), key).await?;
        let changes = request.operations.into_iter().map(|operation| {
            let operation = match operation {
                Operation::Set(set) => Operation::Set(json::checked(layout, set)?),
                delete @ Operation::Delete(_) => delete,
            };
            Change::part(operation, self.lifetime)
        });
        let changes = changes.collect::<Result<Vec<Change>, Error>>()?;
        change::make(&self.server, layout, &changes, None).await
    }

    async fn query(&self, _cx: &Context, request: QueryRequest) -> Result<QueryResponse, Error> {
        self.indexes.search(&self.server, &request).await
    }

    async fn ping(&self, _cx: &Context) -> Result<(), Error> {
        self.server.ping().await
    }
}

impl RedisStore {
    /// Where a value lies for which this layout is asked. As in Dapr, without the module for JSON it
    /// lies as any other. The key is one of those that are asked for.
    async fn layout(&self, asked: Layout, key: &str) -> Result<Layout, Error> {
        if asked == Layout::Hash {
            return Ok(asked);
        }
        // It is large, and asked for once.
        let has_json = *Box::pin(self.has_json.get_or_try_init(|| self.ask_for_json(key))).await?;
        Ok(if has_json { asked } else { Layout::Hash })
    }

    /// Whether the server knows the commands of the module for JSON.
    async fn ask_for_json(&self, key: &str) -> Result<bool, Error> {
        let mut commands = Pipeline::with_capacity(1);
        commands.cmd("JSON.GET").arg(key);
        let answer = self.server.ask(Doing::Read, &commands).await?.into_iter().next();
        Ok(!matches!(
            answer,
            Some(Value::ServerError(error))
                if error.details().is_some_and(|why| why.starts_with("unknown command"))
        ))
    }

    /// The value of a key that is JSON.
    async fn get_json(&self, key: &str) -> Result<GetResponse, Error> {
        let mut commands = Pipeline::with_capacity(2);
        commands.cmd("JSON.GET").arg(key).cmd("PTTL").arg(key);
        let mut answers = self.server.ask(Doing::Read, &commands).await?.into_iter();
        match answers.next() {
            Some(Value::BulkString(text)) => json::read(&text)
                .map(|value| GetResponse { metadata: end_of_life(answers.next()), ..value })
                .map_err(|error| self.server.told(format!("cannot read key {key}: {error}"))),
            Some(Value::Nil) => Ok(GetResponse::default()),
            other => Err(self.cannot_read(key, other)),
        }
    }

    /// The value of a key that is no hash.
    async fn get_text(&self, key: &str) -> Result<GetResponse, Error> {
        let mut commands = Pipeline::with_capacity(1);
        commands.cmd("GET").arg(key);
        match self.server.ask(Doing::Read, &commands).await?.into_iter().next() {
            Some(Value::BulkString(data)) => {
                Ok(GetResponse { data: Bytes::from(data), ..GetResponse::default() })
            }
            Some(Value::Nil) => Ok(GetResponse::default()),
            other => Err(self.cannot_read(key, other)),
        }
    }

    fn cannot_read(&self, key: &str, answer: Option<Value>) -> Error {
        self.server.told(match answer {
            Some(Value::ServerError(error)) => format!("cannot read key {key}: {error}"),
            _ => format!("cannot read key {key}: the answer is none that Redis gives"),
        })
    }
}

/// When a value ends that has this many milliseconds left.
fn end_of_life(left: Option<Value>) -> Metadata {
    let left = match left {
        Some(Value::Int(left)) => u64::try_from(left).ok(),
        _ => None,
    };
    let end = left.and_then(|left| SystemTime::now().checked_add(Duration::from_millis(left)));
    let end = end.map(|end| {
        (TTL_EXPIRE_TIME.to_owned(), humantime::format_rfc3339_seconds(end).to_string())
    });
    end.into_iter().collect()
}
