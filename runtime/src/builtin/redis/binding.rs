//! `bindings.redis`: keys and their values, of texts.
//!
//! `key` of a call's metadata names what is meant. `create` sets it, `get` reads it (and takes it away,
//! with `delete`), `delete` removes it, and `increment` counts it up. `ttlInSeconds` is how long a value
//! lives that is set or counted; without, `create` has it live for ever and `increment` leaves its end
//! as it is.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use redis::{Pipeline, Value};
use replug_component::binding::{InvokeRequest, InvokeResponse, OutputBinding, OutputBindingType};
use replug_component::{Context, Error, Features, Metadata};

use super::server::{Doing, Server};
use super::settings::Settings;
use crate::builtin::ttl;

/// The type `bindings.redis`.
pub(in crate::builtin) struct RedisBindingType;

#[async_trait]
impl OutputBindingType for RedisBindingType {
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn OutputBinding>, Error> {
        let server = Server::new(Settings::new(&metadata)?)?;
        server.ping().await?;
        Ok(Arc::new(RedisBinding { server }))
    }
}

struct RedisBinding {
    server: Server,
}

#[async_trait]
impl OutputBinding for RedisBinding {
    async fn operations(&self, _cx: &Context) -> Result<Features, Error> {
        Ok(Features::new(["create", "delete", "get", "increment"]))
    }

    async fn invoke(
        &self,
        _cx: &Context,
        request: InvokeRequest,
    ) -> Result<Option<InvokeResponse>, Error> {
        let InvokeRequest { operation, data, metadata } = request;
        let key = metadata.get("key").filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| {
            Error::Invalid("redis binding: missing key in request metadata".to_owned())
        })?;
        let mut commands = Pipeline::with_capacity(2);
        match operation.as_str() {
            "create" => {
                let set = commands.cmd("SET").arg(key).arg(&data[..]);
                if let Some(seconds) = lifetime(&metadata)? {
                    set.arg("EX").arg(seconds);
                }
            }
            "increment" => {
                commands.cmd("INCR").arg(key);
                if let Some(seconds) = lifetime(&metadata)? {
                    commands.cmd("EXPIRE").arg(key).arg(seconds);
                }
            }
            "delete" => {
                commands.cmd("DEL").arg(key);
            }
            "get" => {
                let takes = metadata.get("delete").is_some_and(|delete| delete == "true");
                let (word, doing) =
                    if takes { ("GETDEL", Doing::Write) } else { ("GET", Doing::Read) };
                commands.cmd(word).arg(key);
                return self.value(doing, &commands).await.map(Some);
            }
            other => return Err(Error::Invalid(format!("invalid operation type: {other}"))),
        }
        for answer in self.server.ask(Doing::Write, &commands).await? {
            if let Value::ServerError(error) = answer {
                return Err(self.server.told(error.to_string()));
            }
        }
        Ok(None)
    }

    async fn ping(&self, _cx: &Context) -> Result<(), Error> {
        self.server.ping().await
    }
}

impl RedisBinding {
    /// What one command reads; nothing, where there is nothing.
    async fn value(&self, doing: Doing, command: &Pipeline) -> Result<InvokeResponse, Error> {
        let data = match self.server.ask(doing, command).await?.into_iter().next() {
            Some(Value::BulkString(data)) => Bytes::from(data),
            Some(Value::Nil) => Bytes::new(),
            Some(Value::ServerError(error)) => return Err(self.server.told(error.to_string())),
            _ => return Err(self.server.told("the answer is none that Redis gives".to_owned())),
        };
        Ok(InvokeResponse { data, ..InvokeResponse::default() })
    }
}

/// How long a value lives, in seconds; none: nothing is said of it.
fn lifetime(metadata: &Metadata) -> Result<Option<i32>, Error> {
    match ttl::seconds(metadata)? {
        Some(seconds) if seconds < 1 => Err(Error::Invalid(format!(
            "ttlInSeconds value must be higher than zero: actual is '{seconds}'"
        ))),
        seconds => Ok(seconds),
    }
}
