//! What requests change, carried out by one script: Redis runs it as a whole, so that either all
//! changes happen or none.

mod script;

use bytes::Bytes;
use redis::{Cmd, Pipeline, Value, cmd};
use replug_component::Error;
use replug_component::state::{Concurrency, DeleteRequest, Operation, SetRequest};

use super::server::{Doing, Server};
use crate::builtin::{etag, ttl};
use script::{Carrier, HASH, JSON};

/// What a request does to one key.
pub(super) enum Change {
    /// Stores a value.
    Set { key: String, value: Bytes, version: Option<i64>, first: First, ttl: Option<u32> },
    /// Removes a key.
    Delete { key: String, version: Option<String> },
}

/// Whether a value may be there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// It may.
    No,
    /// It must not.
    Yes,
    /// It must not, and later writes have to name the version.
    Guarded,
}

impl Change {
    /// Stores a value. It lives for `lifetime` seconds where the request does not say.
    pub(super) fn set(request: SetRequest, lifetime: Option<i64>) -> Result<Self, Error> {
        let ttl = ttl::any_seconds(&request.metadata)?.or(lifetime);
        let concurrency = request.options.concurrency;
        // As in Dapr's store: who wants the last write to win has no version compared, and 0 is no
        // version.
        let asked = etag::asked(request.etag).filter(|_| concurrency != Concurrency::LastWrite);
        let version = match asked {
            Some(etag) => etag.parse().map(Some).map_err(|_| {
                Error::EtagInvalid(format!(
                    "`{etag}` is no whole number, as this store's etags are"
                ))
            })?,
            None => None,
        };
        Ok(Self::Set {
            key: request.key,
            value: request.value,
            version: version.filter(|version| *version != 0),
            first: if concurrency == Concurrency::FirstWrite { First::Guarded } else { First::No },
            // Below one: for ever. Nobody sees the end of what is too long.
            ttl: ttl.map(|ttl| u32::try_from(ttl.max(0)).unwrap_or(u32::MAX)),
        })
    }

    pub(super) fn delete(request: DeleteRequest) -> Self {
        let version = etag::asked(request.etag).filter(|etag| etag != "0");
        Self::Delete { key: request.key, version }
    }

    /// An operation of a transaction, where a first write guards nothing.
    pub(super) fn part(operation: Operation, lifetime: Option<i64>) -> Result<Self, Error> {
        let mut change = match operation {
            Operation::Set(request) => Self::set(request, lifetime)?,
            Operation::Delete(request) => Self::delete(request),
        };
        if let Self::Set { first: first @ First::Guarded, .. } = &mut change {
            *first = First::Yes;
        }
        Ok(change)
    }

    fn key(&self) -> &str {
        match self {
            Self::Set { key, .. } | Self::Delete { key, .. } => key,
        }
    }

    fn write_to(&self, command: &mut Cmd) {
        match self {
            Self::Set { value, version, first, ttl, .. } => {
                let first = match first {
                    First::No => "",
                    First::Yes => "first",
                    First::Guarded => "guard",
                };
                let version = version.map(|version| version.to_string()).unwrap_or_default();
                let ttl = ttl.map(|ttl| ttl.to_string()).unwrap_or_default();
                command.arg("set").arg(version).arg(first).arg(ttl).arg(value.as_ref());
            }
            Self::Delete { version, .. } => {
                command.arg("delete").arg(version.as_deref().unwrap_or_default());
                command.arg("").arg("").arg("");
            }
        }
    }
}

/// How values lie in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// As hashes.
    Hash,
    /// As JSON, which needs the module for it.
    Json,
}

impl Layout {
    fn carrier(self) -> &'static Carrier {
        match self {
            Self::Hash => &HASH,
            Self::Json => &JSON,
        }
    }
}

/// Carries out all changes, in their order, or none; and waits until that many `replicas` have them,
/// for a second at the most.
pub(super) async fn make(
    server: &Server,
    layout: Layout,
    changes: &[Change],
    replicas: Option<usize>,
) -> Result<(), Error> {
    let carrier = layout.carrier();
    let answer = match run(server, "EVALSHA", carrier.hash(), changes, replicas).await? {
        // Not carried out: the server has not seen the script since its start.
        Value::ServerError(error) if error.code() == "NOSCRIPT" => {
            run(server, "EVAL", &carrier.text, changes, replicas).await?
        }
        answer => answer,
    };
    let number = match answer {
        Value::Int(number) => number,
        Value::ServerError(error) if error.code() == "CROSSSLOT" => {
            return Err(server.told(
                "nothing was written: the keys of the transaction lie in different slots of the \
                 cluster; write the same in braces into all of them, such as {order}"
                    .to_owned(),
            ));
        }
        Value::ServerError(error) => return Err(server.told(format!("cannot write: {error}"))),
        other => return Err(server.told(format!("cannot write: the answer is {other:?}"))),
    };
    let refused = usize::try_from(number.unsigned_abs()).ok().and_then(|n| n.checked_sub(1));
    match refused.and_then(|index| changes.get(index)) {
        None => Ok(()),
        Some(_) => Err(etag::mismatch()),
    }
}

async fn run(
    server: &Server,
    how: &str,
    script: &str,
    changes: &[Change],
    replicas: Option<usize>,
) -> Result<Value, Error> {
    let mut command = cmd(how);
    command.arg(script).arg(changes.len());
    for change in changes {
        command.arg(change.key());
    }
    for change in changes {
        change.write_to(&mut command);
    }
    let mut commands = Pipeline::with_capacity(2);
    commands.add_command(command);
    if let Some(replicas) = replicas {
        commands.cmd("WAIT").arg(replicas).arg(MILLISECONDS_FOR_REPLICAS);
    }
    let answers = server.ask(Doing::Write, &commands).await?;
    Ok(answers.into_iter().next().unwrap_or(Value::Nil))
}

/// How long a strong write waits for the replicas, as in Dapr's store.
const MILLISECONDS_FOR_REPLICAS: u32 = 1000;
