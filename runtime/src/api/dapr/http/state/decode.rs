//! Bodies of the state routes.

mod request;

use replug_component::state::{
    Concurrency, Consistency, DeleteRequest, Operation, Options, SetRequest,
};
use replug_component::{Error, Metadata};
use serde_json::Value;

use super::malformed;
use crate::api::dapr::error::ApiError;
use crate::api::dapr::json::{JsonError, Object, first_value, items, to_bytes};
use crate::api::dapr::state::{Asked, operation_not_supported, unknown_option};

/// What Dapr calls an operation of a transaction, in errors.
const OPERATION: &str = "http.stateTransactionRequestBodyOperation";

/// What a bulk get asks for.
pub(super) struct BulkGet {
    pub(super) keys: Vec<String>,
    pub(super) metadata: Metadata,
    pub(super) parallelism: i64,
}

/// A transaction before its operations are looked at.
pub(super) struct Transaction {
    pub(super) operations: Vec<Untyped>,
    pub(super) metadata: Metadata,
}

/// An operation of which the kind is a text.
pub(super) struct Untyped {
    operation: String,
    request: Value,
}

/// The items of a save, with the application's keys.
pub(super) fn saves(body: &[u8]) -> Result<Vec<Asked<SetRequest>>, JsonError> {
    items(first_value(body)?, "[]state.SetRequest")?.into_iter().map(set).collect()
}

pub(super) fn bulk_get(body: &[u8]) -> Result<BulkGet, JsonError> {
    let mut bulk = Object::from(first_value(body)?, "http.BulkGetRequest")?;
    Ok(BulkGet {
        keys: bulk.texts("keys")?,
        metadata: bulk.metadata("metadata")?,
        parallelism: bulk.number("parallelism")?,
    })
}

pub(super) fn transaction(body: &[u8]) -> Result<Transaction, JsonError> {
    let mut transaction = Object::from(first_value(body)?, "http.stateTransactionRequestBody")?;
    let wanted = "[]http.stateTransactionRequestBodyOperation";
    let operations = transaction.list("operations", wanted)?;
    let operations = operations.into_iter().map(|operation| {
        if !operation.is_object() && !operation.is_null() {
            return Err(transaction.mismatch(&operation, "operations", OPERATION));
        }
        let mut operation = Object::from(operation, OPERATION)?.within("operations.");
        Ok(Untyped {
            operation: operation.text("operation")?.unwrap_or_default(),
            request: operation.take("request").unwrap_or_default(),
        })
    });
    let operations = operations.collect::<Result<_, JsonError>>()?;
    Ok(Transaction { operations, metadata: transaction.metadata("metadata")? })
}

impl Untyped {
    /// What it does.
    pub(super) fn typed(self) -> Result<Asked<Operation>, ApiError> {
        let decode: fn(Value) -> Result<Asked<Operation>, JsonError> = match self.operation.as_str()
        {
            "upsert" => |request| {
                let Asked { request, unknown } = set(request)?;
                Ok(Asked { request: Operation::Set(request), unknown })
            },
            "delete" => |request| {
                let Asked { request, unknown } = delete(request)?;
                Ok(Asked { request: Operation::Delete(request), unknown })
            },
            other => return Err(operation_not_supported(other)),
        };
        let decoded = request::check(&self.request).and_then(|()| decode(self.request));
        decoded.map_err(|error| malformed(&error))
    }
}

/// The parts of an operation that are filled in after decoding.
pub(super) fn key_and_metadata(operation: &mut Operation) -> (&mut String, &mut Metadata) {
    match operation {
        Operation::Set(set) => (&mut set.key, &mut set.metadata),
        Operation::Delete(delete) => (&mut delete.key, &mut delete.metadata),
    }
}

fn set(value: Value) -> Result<Asked<SetRequest>, JsonError> {
    let mut set = Object::from(value, "state.SetRequest")?;
    let mut request = SetRequest {
        key: set.text("key")?.unwrap_or_default(),
        value: to_bytes(&set.take("value").unwrap_or_default()),
        etag: set.text("etag")?,
        metadata: set.metadata("metadata")?,
        ..SetRequest::default()
    };
    let (options, unknown) = options(&mut set)?;
    request.options = options;
    request.content_type = set.text("contenttype")?.unwrap_or_default();
    Ok(Asked { request, unknown })
}

fn delete(value: Value) -> Result<Asked<DeleteRequest>, JsonError> {
    let mut delete = Object::from(value, "state.DeleteRequest")?;
    let mut request = DeleteRequest {
        key: delete.text("key")?.unwrap_or_default(),
        etag: delete.text("etag")?,
        metadata: delete.metadata("metadata")?,
        ..DeleteRequest::default()
    };
    let (options, unknown) = options(&mut delete)?;
    request.options = options;
    Ok(Asked { request, unknown })
}

/// The options, and what a store that knows its words says of those that are none.
fn options(of: &mut Object) -> Result<(Options, Option<Error>), JsonError> {
    let Some(options) = of.take("options") else { return Ok((Options::default(), None)) };
    if !options.is_object() {
        return Err(of.mismatch(&options, "options", "state.SetStateOption"));
    }
    let mut options = Object::from(options, "state.SetStateOption")?.within("options.");
    let first = options.text("concurrency")?.unwrap_or_default();
    let second = options.text("consistency")?.unwrap_or_default();
    Ok(words(&first, &second))
}

/// The options that two words stand for, and what a store that knows them says of those that are none.
pub(super) fn words(first: &str, second: &str) -> (Options, Option<Error>) {
    let options =
        Options { concurrency: concurrency(first), consistency: consistency(Some(second)) };
    (options, unknown_option(first, second))
}

/// A word that is none of the two asks for nothing, as Dapr tells its plugins.
fn concurrency(word: &str) -> Concurrency {
    match word {
        "first-write" => Concurrency::FirstWrite,
        "last-write" => Concurrency::LastWrite,
        _ => Concurrency::Unspecified,
    }
}

/// The same for consistency.
pub(super) fn consistency(word: Option<&str>) -> Consistency {
    match word {
        Some("eventual") => Consistency::Eventual,
        Some("strong") => Consistency::Strong,
        _ => Consistency::Unspecified,
    }
}
