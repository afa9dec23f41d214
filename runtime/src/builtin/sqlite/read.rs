//! Reads of single entries, and how a row becomes a value.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use replug_component::Error;
use replug_component::state::{BulkGetItem, GetRequest, GetResponse};
use rusqlite::types::{FromSqlError, ValueRef};
use rusqlite::{OptionalExtension as _, Row};

use super::connection::Database;
use super::timestamp;
use crate::builtin::ttl::TTL_EXPIRE_TIME;

/// The columns that [`response`] reads, in its order.
pub(super) const COLUMNS: &str = "value, is_binary, etag, expiration_time";

/// Of which rows the rest of the store knows; `?1` is the present.
pub(super) const ALIVE: &str = "(expiration_time IS NULL OR expiration_time > ?1)";

impl Database {
    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Result<GetResponse, Error> {
        self.get_at(&timestamp::now(), key)
    }

    /// The values of several keys, as they are at one moment.
    pub(super) fn get_several(&self, requests: Vec<GetRequest>) -> Result<Vec<BulkGetItem>, Error> {
        let moment = self.connection.unchecked_transaction();
        let _moment = moment.map_err(|error| self.failed("read", &error))?;
        let now = timestamp::now();
        let items =
            requests.into_iter().map(|GetRequest { key, .. }| match self.get_at(&now, &key) {
                Ok(value) => BulkGetItem { key, value, error: String::new() },
                Err(error) => {
                    BulkGetItem { key, error: error.to_string(), ..BulkGetItem::default() }
                }
            });
        Ok(items.collect())
    }

    fn get_at(&self, now: &str, key: &str) -> Result<GetResponse, Error> {
        let table = &self.settings.table;
        let sql = format!("SELECT {COLUMNS} FROM {table} WHERE key = ?2 AND {ALIVE}");
        let row = self.prepare(&sql)?.query_row([now, key], response).optional();
        row.map(Option::unwrap_or_default).map_err(|error| self.failed("read", &error))
    }
}

/// The value in a row of [`COLUMNS`].
fn response(row: &Row<'_>) -> rusqlite::Result<GetResponse> {
    let expires: Option<String> = row.get(3)?;
    let expires = expires.map(|at| (TTL_EXPIRE_TIME.to_owned(), timestamp::to_rfc3339(&at)));
    Ok(GetResponse {
        data: value(row.get_ref(0)?, row.get_ref(1)?)?,
        etag: Some(row.get(2)?),
        metadata: expires.into_iter().collect(),
        content_type: String::new(),
    })
}

/// The value that the columns `value` and `is_binary` keep.
pub(super) fn value(value: ValueRef<'_>, is_binary: ValueRef<'_>) -> rusqlite::Result<Bytes> {
    let (ValueRef::Text(kept) | ValueRef::Blob(kept)) = value else {
        return Err(FromSqlError::InvalidType.into());
    };
    if is_false(is_binary) {
        return Ok(Bytes::copy_from_slice(kept));
    }
    let decoded = STANDARD.decode(kept);
    Ok(decoded.map_err(|error| FromSqlError::Other(Box::new(error)))?.into())
}

/// The same as text; none where it is no text, and so no JSON either.
pub(super) fn text_of(kept: ValueRef<'_>, is_binary: ValueRef<'_>) -> Option<String> {
    match kept {
        ValueRef::Blob(_) if is_false(is_binary) => None,
        _ => String::from_utf8(value(kept, is_binary).ok()?.into()).ok(),
    }
}

fn is_false(value: ValueRef<'_>) -> bool {
    matches!(value, ValueRef::Integer(0) | ValueRef::Null)
}
