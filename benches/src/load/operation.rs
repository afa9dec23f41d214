//! What is asked for under load: each operation as the plugin's contract, Dapr over gRPC and Dapr
//! over HTTP have it, written out before the clock runs.
//!
//! Another operation is a variant here and its three forms.

use std::collections::HashMap;
use std::fmt::Write as _;

use bytes::{BufMut as _, Bytes, BytesMut};
use clap::ValueEnum;
use prost::Message;
use replug_proto::dapr::common::v1::StateItem;
use replug_proto::dapr::components::v1 as plugin;
use replug_proto::dapr::runtime::v1 as runtime;

use crate::plugin::{APP_ID, COMPONENT, Name};

/// Over how many keys the calls go, at the most.
const KEYS: usize = 128;

/// How much memory the written requests of one operation may take, at the most.
const MEMORY: usize = 32 << 20;

/// The binding's operation that tells what was said last, whatever it is given.
const LAST: &str = "last";

/// How many writes a transaction has.
const TRANSACTION: usize = 10;

/// An operation by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Operation {
    /// `GetState` of a key that is there
    Get,
    /// `SaveState` of one key
    Save,
    /// `ExecuteStateTransaction` of ten writes
    Transaction,
    /// `GetSecret`
    Secret,
    /// `InvokeBinding`, with an operation that changes nothing
    Invoke,
}

/// Requests of one kind, ready to be sent one after the other, again and again.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    /// The gRPC method; of no use over HTTP/1.1.
    pub(super) path: &'static str,
    /// Over gRPC a message with its prefix each, over HTTP/1.1 a whole request.
    pub(super) requests: Vec<Bytes>,
    /// How many bytes a good answer has at the least.
    pub(super) least: usize,
}

// === impl Operation ===

impl Operation {
    /// Its name in tables.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Get => "GetState",
            Self::Save => "SaveState",
            Self::Transaction => "transaction of 10",
            Self::Secret => "GetSecret",
            Self::Invoke => "InvokeBinding",
        }
    }

    /// The plugin that serves it, where the one that was asked for is a state store.
    pub(super) fn plugin(self, store: Name) -> Name {
        match self {
            Self::Get | Self::Save | Self::Transaction => store,
            Self::Secret => Name::Secrets,
            Self::Invoke => Name::GoEcho,
        }
    }

    /// Whether it needs keys that were stored before.
    pub(super) fn reads_state(self) -> bool {
        self == Self::Get
    }

    /// To the plugin itself.
    pub(super) fn to_plugin(self, size: usize) -> Calls {
        let item = |index: usize| plugin::SetRequest {
            key: stored(index),
            value: value(size),
            ..Default::default()
        };
        match self {
            Self::Get => grpc(
                "/dapr.proto.components.v1.StateStore/Get",
                keys(size)
                    .map(|index| plugin::GetRequest { key: stored(index), ..Default::default() }),
                size,
            ),
            Self::Save => grpc("/dapr.proto.components.v1.StateStore/Set", keys(size).map(item), 0),
            Self::Transaction => grpc(
                "/dapr.proto.components.v1.TransactionalStateStore/Transact",
                keys(size * TRANSACTION).map(|first| {
                    let operation = |index: usize| plugin::TransactionalStateOperation {
                        request: Some(plugin::transactional_state_operation::Request::Set(item(
                            first * TRANSACTION + index,
                        ))),
                    };
                    plugin::TransactionalStateRequest {
                        operations: (0..TRANSACTION).map(operation).collect(),
                        metadata: HashMap::new(),
                    }
                }),
                0,
            ),
            Self::Secret => grpc(
                "/dapr.proto.components.v1.SecretStore/Get",
                keys(size).map(|index| plugin::GetSecretRequest {
                    key: key(index),
                    ..Default::default()
                }),
                size,
            ),
            Self::Invoke => {
                let request = plugin::InvokeRequest {
                    data: value(size),
                    metadata: HashMap::new(),
                    operation: LAST.to_owned(),
                };
                let path = "/dapr.proto.components.v1.OutputBinding/Invoke";
                grpc(path, std::iter::once(request), 0)
            }
        }
    }

    /// As an application calls it over gRPC.
    pub(super) fn over_grpc(self, size: usize) -> Calls {
        let store_name = || COMPONENT.to_owned();
        let item =
            |index: usize| StateItem { key: key(index), value: value(size), ..Default::default() };
        match self {
            Self::Get => grpc(
                "/dapr.proto.runtime.v1.Dapr/GetState",
                keys(size).map(|index| runtime::GetStateRequest {
                    store_name: store_name(),
                    key: key(index),
                    ..Default::default()
                }),
                size,
            ),
            Self::Save => grpc(
                "/dapr.proto.runtime.v1.Dapr/SaveState",
                keys(size).map(|index| runtime::SaveStateRequest {
                    store_name: store_name(),
                    states: vec![item(index)],
                }),
                0,
            ),
            Self::Transaction => grpc(
                "/dapr.proto.runtime.v1.Dapr/ExecuteStateTransaction",
                keys(size * TRANSACTION).map(|first| {
                    let operation = |index: usize| runtime::TransactionalStateOperation {
                        operation_type: "upsert".to_owned(),
                        request: Some(item(first * TRANSACTION + index)),
                    };
                    runtime::ExecuteStateTransactionRequest {
                        store_name: store_name(),
                        operations: (0..TRANSACTION).map(operation).collect(),
                        ..Default::default()
                    }
                }),
                0,
            ),
            Self::Secret => grpc(
                "/dapr.proto.runtime.v1.Dapr/GetSecret",
                keys(size).map(|index| runtime::GetSecretRequest {
                    store_name: store_name(),
                    key: key(index),
                    ..Default::default()
                }),
                size,
            ),
            Self::Invoke => {
                let request = runtime::InvokeBindingRequest {
                    name: store_name(),
                    data: value(size),
                    metadata: HashMap::new(),
                    operation: LAST.to_owned(),
                };
                let path = "/dapr.proto.runtime.v1.Dapr/InvokeBinding";
                grpc(path, std::iter::once(request), 0)
            }
        }
    }

    /// As an application calls it over HTTP.
    pub(super) fn over_http(self, size: usize) -> Calls {
        let text = "v".repeat(size);
        let item = |index: usize| format!(r#"{{"key":{:?},"value":"{text}"}}"#, key(index));
        let get = |path: String| http(&format!("GET {path}"), "");
        let (requests, least): (Vec<_>, _) = match self {
            Self::Get => {
                let path = |index| format!("/v1.0/state/{COMPONENT}/{}", key(index));
                (keys(size).map(|index| get(path(index))).collect(), size)
            }
            Self::Save => {
                let head = format!("POST /v1.0/state/{COMPONENT}");
                let body = |index| format!("[{}]", item(index));
                (keys(size).map(|index| http(&head, &body(index))).collect(), 0)
            }
            Self::Transaction => {
                let head = format!("POST /v1.0/state/{COMPONENT}/transaction");
                let body = |first: usize| {
                    let mut operations = String::new();
                    for index in 0..TRANSACTION {
                        let comma = if index == 0 { "" } else { "," };
                        let item = item(first * TRANSACTION + index);
                        let _ = write!(
                            operations,
                            r#"{comma}{{"operation":"upsert","request":{item}}}"#
                        );
                    }
                    format!(r#"{{"operations":[{operations}]}}"#)
                };
                let keys = keys(size * TRANSACTION);
                (keys.map(|first| http(&head, &body(first))).collect(), 0)
            }
            Self::Secret => {
                let path = |index| format!("/v1.0/secrets/{COMPONENT}/{}", key(index));
                (keys(size).map(|index| get(path(index))).collect(), size)
            }
            Self::Invoke => {
                let head = format!("POST /v1.0/bindings/{COMPONENT}");
                let body = format!(r#"{{"operation":{LAST:?},"data":"{text}"}}"#);
                (vec![http(&head, &body)], 0)
            }
        };
        Calls { path: "", requests, least }
    }
}

/// The secrets that [`Operation::Secret`] asks for, as a JSON object.
pub(super) fn secrets(size: usize) -> String {
    let text = "v".repeat(size);
    let members: Vec<_> = keys(size).map(|index| format!("{:?}: \"{text}\"", key(index))).collect();
    format!("{{{}}}", members.join(", "))
}

/// Fewer keys for large values.
fn keys(size: usize) -> std::ops::Range<usize> {
    0..(MEMORY / size.max(1)).clamp(4, KEYS)
}

fn key(index: usize) -> String {
    format!("key-{index}")
}

fn stored(index: usize) -> String {
    format!("{APP_ID}||{}", key(index))
}

fn value(size: usize) -> Bytes {
    vec![b'v'; size].into()
}

fn grpc<M: Message>(path: &'static str, messages: impl Iterator<Item = M>, least: usize) -> Calls {
    let framed = |message: M| {
        let length = message.encoded_len();
        let mut bytes = BytesMut::with_capacity(length + 5);
        bytes.put_u8(0);
        bytes.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
        message.encode_raw(&mut bytes);
        bytes.freeze()
    };
    Calls { path, requests: messages.map(framed).collect(), least }
}

fn http(head: &str, body: &str) -> Bytes {
    let length = body.len();
    format!(
        "{head} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into()
}
