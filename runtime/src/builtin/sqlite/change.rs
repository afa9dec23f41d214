//! What requests change, and how it is written.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use replug_component::Error;
use replug_component::state::{Concurrency, DeleteRequest, SetRequest};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params};

use super::read::ALIVE;
use super::timestamp;
use crate::builtin::etag::{self, Etags};
use crate::builtin::ttl::{self, BelowMinusOne};

/// What a request does to one key.
#[derive(Clone)]
pub(super) enum Change {
    /// Stores a value.
    Set { key: String, value: Bytes, etag: Option<String>, first: bool, ttl: Option<Duration> },
    /// Removes a key.
    Delete { key: String, etag: Option<String> },
}

/// Why a change was not made.
pub(super) enum NotMade {
    /// What is stored is not as the request asked.
    Refused(Error),
    /// SQLite could not.
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for NotMade {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error)
    }
}

impl Change {
    /// The TTL counts from when the change is made.
    pub(super) fn set(request: SetRequest) -> Result<Self, Error> {
        Ok(Self::Set {
            ttl: ttl::parse(&request.metadata, BelowMinusOne::Refused)?,
            first: request.options.concurrency == Concurrency::FirstWrite,
            key: request.key,
            value: request.value,
            etag: etag::asked(request.etag),
        })
    }

    pub(super) fn delete(request: DeleteRequest) -> Self {
        Self::Delete { key: request.key, etag: etag::asked(request.etag) }
    }
}

/// The statements that make changes, for one table.
pub(super) struct Statements {
    put: String,
    put_first: String,
    put_matching: String,
    delete: String,
    delete_matching: String,
    delete_expired: String,
}

impl Statements {
    pub(super) fn new(table: &str) -> Self {
        let put = format!(
            "INSERT INTO {table} (key, value, is_binary, etag, update_time, expiration_time)
             VALUES (?2, ?3, 0, ?4, CURRENT_TIMESTAMP, ?5)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value, is_binary = 0,
                 etag = excluded.etag, update_time = excluded.update_time,
                 expiration_time = excluded.expiration_time"
        );
        Self {
            // What has expired but is still there does not stand in the way of a first write.
            put_first: format!("{put} WHERE {table}.expiration_time <= ?1"),
            // ?1 has to be in the statement, or the numbers would not begin with it.
            put: format!("{put} WHERE ?1 IS NOT NULL"),
            put_matching: format!(
                "UPDATE {table} SET value = ?3, is_binary = 0, etag = ?4,
                     update_time = CURRENT_TIMESTAMP, expiration_time = ?5
                 WHERE key = ?2 AND etag = ?6 AND {ALIVE}"
            ),
            delete: format!("DELETE FROM {table} WHERE key = ?1"),
            delete_matching: format!(
                "DELETE FROM {table} WHERE key = ?2 AND etag = ?3 AND {ALIVE}"
            ),
            delete_expired: format!(
                "DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table}
                 WHERE expiration_time IS NOT NULL AND expiration_time <= ?1 LIMIT ?2)"
            ),
        }
    }

    /// Makes one change, at `now`. Whatever comes of it, nothing is half done.
    pub(super) fn make(
        &self,
        connection: &Connection,
        etags: &Etags,
        now: SystemTime,
        change: &Change,
    ) -> Result<(), NotMade> {
        let present = timestamp::at(now, Duration::ZERO);
        match change {
            Change::Set { key, value, etag: None, first, ttl } => {
                let sql = if *first { &self.put_first } else { &self.put };
                let ends = ttl.map(|ttl| timestamp::at(now, ttl));
                let new = etags.next().to_string();
                let parameters = params![present, key, Kept(value), new, ends];
                match connection.prepare_cached(sql)?.execute(parameters)? {
                    0 => Err(NotMade::Refused(etag::mismatch())),
                    _ => Ok(()),
                }
            }
            Change::Set { key, value, etag: Some(asked), ttl, .. } => {
                let ends = ttl.map(|ttl| timestamp::at(now, ttl));
                let new = etags.next().to_string();
                let parameters = params![present, key, Kept(value), new, ends, asked];
                match connection.prepare_cached(&self.put_matching)?.execute(parameters)? {
                    0 => Err(NotMade::Refused(etag::mismatch())),
                    _ => Ok(()),
                }
            }
            Change::Delete { key, etag: None } => {
                connection.prepare_cached(&self.delete)?.execute([key])?;
                Ok(())
            }
            Change::Delete { key, etag: Some(asked) } => {
                let mut delete = connection.prepare_cached(&self.delete_matching)?;
                match delete.execute([&present, key, asked])? {
                    0 => Err(NotMade::Refused(etag::mismatch())),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Removes some entries that have expired, `most` at the most. Gives how many.
    pub(super) fn delete_expired(
        &self,
        connection: &Connection,
        most: u32,
    ) -> rusqlite::Result<usize> {
        connection
            .prepare_cached(&self.delete_expired)?
            .execute(params![timestamp::now(), i64::from(most)])
    }
}

/// A value as it is kept: text where it is that, else a blob. SQLite's texts end at a zero byte for
/// some of its functions, so what has one is a blob too.
struct Kept<'v>(&'v Bytes);

impl ToSql for Kept<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let is_text = !self.0.contains(&0) && std::str::from_utf8(self.0).is_ok();
        Ok(ToSqlOutput::Borrowed(if is_text {
            ValueRef::Text(self.0)
        } else {
            ValueRef::Blob(self.0)
        }))
    }
}
