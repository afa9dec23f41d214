//! The two forms of the state table, as Dapr's stores have them: their statements, and how a row
//! becomes a value.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use replug_component::Metadata;
use replug_component::state::GetResponse;
use tokio_postgres::Row;

use crate::builtin::ttl::TTL_EXPIRE_TIME;

/// A form of the state table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::builtin) enum Layout {
    /// `key, value jsonb, isbinary, insertdate, updatedate, expiredate`; the etag is `xmin`.
    V1,
    /// `key, value bytea, etag uuid, created_at, updated_at, expires_at`.
    V2,
}

/// The statements of a state table. Parameters of writes: 1 the key, 2 the value, 3 whether it is
/// binary (version 1) or nothing (version 2), 4 the seconds that it lives, 5 the etag.
pub(super) struct Statements {
    pub(super) read: String,
    pub(super) put: String,
    pub(super) put_first: String,
    pub(super) put_matching: String,
    pub(super) delete: String,
    pub(super) delete_matching: String,
    pub(super) delete_expired: String,
}

impl Statements {
    pub(super) fn new(layout: Layout, table: &str) -> Self {
        let ends = layout.ends();
        let alive = layout.alive();
        // No seconds: no end.
        let end = "(CURRENT_TIMESTAMP + $4::float8 * interval '1 second')";
        let (insert, update, etag) = match layout {
            Layout::V1 => (
                format!(
                    "(key, value, isbinary, expiredate) VALUES ($1, $2::text::jsonb, $3, {end})"
                ),
                format!(
                    "value = $2::text::jsonb, isbinary = $3, updatedate = CURRENT_TIMESTAMP,
                     expiredate = {end}"
                ),
                "t.xmin::text",
            ),
            Layout::V2 => (
                // A parameter has to be in the statement, needed or not.
                format!(
                    "(key, value, etag, expires_at)
                     SELECT $1, $2, gen_random_uuid(), {end} WHERE $3 IS NOT NULL"
                ),
                format!(
                    "value = $2, updated_at = now(), etag = gen_random_uuid(), expires_at = {end}"
                ),
                "t.etag::text",
            ),
        };
        let put =
            format!("INSERT INTO {table} AS t {insert} ON CONFLICT (key) DO UPDATE SET {update}");
        let columns = layout.columns();
        Self {
            read: format!("SELECT {columns} FROM {table} AS t WHERE key = ANY($1) AND {alive}"),
            put_first: format!("{put} WHERE t.{ends} < CURRENT_TIMESTAMP"),
            put,
            put_matching: format!(
                "UPDATE {table} AS t SET {update}
                 WHERE key = $1 AND {etag} = $5 AND $3 IS NOT NULL AND {alive}"
            ),
            delete: format!("DELETE FROM {table} WHERE key = $1"),
            delete_matching: format!(
                "DELETE FROM {table} AS t WHERE key = $1 AND {etag} = $2 AND {alive}"
            ),
            delete_expired: format!(
                "DELETE FROM {table} WHERE {ends} IS NOT NULL AND {ends} < CURRENT_TIMESTAMP"
            ),
        }
    }
}

impl Layout {
    /// The column with a row's end of life.
    fn ends(self) -> &'static str {
        match self {
            Self::V1 => "expiredate",
            Self::V2 => "expires_at",
        }
    }

    /// Of which rows the rest of the store knows.
    pub(super) fn alive(self) -> String {
        let ends = self.ends();
        format!("(t.{ends} IS NULL OR t.{ends} >= CURRENT_TIMESTAMP)")
    }

    /// The columns that [`response`](Self::response) reads, of the table `t`.
    pub(super) fn columns(self) -> &'static str {
        match self {
            Self::V1 => "t.key, t.value::text, t.isbinary, t.xmin::text, t.expiredate",
            Self::V2 => "t.key, t.value, false, t.etag::text, t.expires_at",
        }
    }

    /// The value in a row of [`columns`](Self::columns).
    pub(super) fn response(self, row: &Row) -> Result<GetResponse, String> {
        let said = |error: tokio_postgres::Error| error.to_string();
        let ends: Option<SystemTime> = row.try_get(4).map_err(said)?;
        let ends = ends.map(|end| {
            (TTL_EXPIRE_TIME.to_owned(), humantime::format_rfc3339_seconds(end).to_string())
        });
        Ok(GetResponse {
            data: self.value(row)?,
            etag: row.try_get(3).map_err(said)?,
            metadata: ends.into_iter().collect::<Metadata>(),
            content_type: String::new(),
        })
    }

    fn value(self, row: &Row) -> Result<Bytes, String> {
        let said = |error: tokio_postgres::Error| error.to_string();
        if self == Self::V2 {
            let value: &[u8] = row.try_get(1).map_err(said)?;
            return Ok(Bytes::copy_from_slice(value));
        }
        let json: String = row.try_get(1).map_err(said)?;
        if !row.try_get::<_, bool>(2).map_err(said)? {
            return Ok(json.into());
        }
        let text: String = serde_json::from_str(&json).map_err(|error| error.to_string())?;
        STANDARD.decode(text).map(Bytes::from).map_err(|error| error.to_string())
    }
}

/// A value in the form of version 1: JSON, and whether that stands for bytes.
pub(super) fn to_json(value: &[u8], says_other: bool) -> (String, bool) {
    let text = std::str::from_utf8(value).ok().filter(|_| !says_other);
    // `jsonb` has no zero characters.
    let json = text.filter(|text| {
        !text.contains("\\u0000") && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
    });
    match json {
        Some(json) => (json.to_owned(), false),
        // Nothing of base64 has to be escaped.
        None => (format!("\"{}\"", STANDARD.encode(value)), true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_kept_as_it_is_and_the_rest_as_base64() {
        assert_eq!(to_json(b"{\"a\":1}", false), ("{\"a\":1}".into(), false));
        assert_eq!(to_json(b"{\"a\":1}", true), ("\"eyJhIjoxfQ==\"".into(), true));
        for binary in [&b"text"[..], b"", b"\xff", b"\"\\u0000\"", b"{\"a\":"] {
            assert!(to_json(binary, false).1, "{binary:?}");
        }
    }
}
