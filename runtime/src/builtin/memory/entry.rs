//! Entries, and the changes that requests make to them.

use std::time::SystemTime;

use bytes::Bytes;
use replug_component::Error;
use replug_component::state::{Concurrency, DeleteRequest, SetRequest};
use tokio::time::Instant;

use crate::builtin::etag::{self, Etag};
use crate::builtin::ttl::{self, BelowMinusOne, TTL_EXPIRE_TIME};

/// What is kept under a key.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) value: Bytes,
    pub(super) etag: Etag,
    /// When it ends; boxed because few entries do.
    pub(super) expiry: Option<Box<Expiry>>,
}

impl Entry {
    /// An expired entry is as good as none, whether or not it has been freed yet.
    pub(super) fn is_alive(&self) -> bool {
        self.expiry.as_ref().is_none_or(|expiry| Instant::now() < expiry.at)
    }
}

/// When an entry ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expiry {
    /// By the clock that never jumps: the one that counts.
    pub(super) at: Instant,
    /// By the clock on the wall, for people.
    wall: SystemTime,
}

impl Expiry {
    /// How a read tells of it.
    pub(super) fn to_metadata(self) -> (String, String) {
        (TTL_EXPIRE_TIME.into(), humantime::format_rfc3339_seconds(self.wall).to_string())
    }
}

/// What a request does to one key, once the key's entry has been found to be as asked.
pub(super) struct Change {
    pub(super) key: String,
    /// The new value and its end; none: the entry goes.
    pub(super) value: Option<(Bytes, Option<Box<Expiry>>)>,
    etag: Option<String>,
    first: bool,
}

impl Change {
    /// Stores a value. The TTL counts from now.
    pub(super) fn set(request: SetRequest) -> Result<Self, Error> {
        let ttl = ttl::parse(&request.metadata, BelowMinusOne::Forever)?;
        let expiry = ttl.map(|ttl| {
            Box::new(Expiry { at: Instant::now() + ttl, wall: SystemTime::now() + ttl })
        });
        Ok(Self {
            key: request.key,
            value: Some((Bytes::copy_from_slice(&request.value), expiry)),
            etag: etag::asked(request.etag),
            first: request.options.concurrency == Concurrency::FirstWrite,
        })
    }

    /// Removes a key.
    pub(super) fn delete(request: DeleteRequest) -> Self {
        Self {
            key: request.key,
            value: None,
            etag: etag::asked(request.etag),
            first: request.options.concurrency == Concurrency::FirstWrite,
        }
    }

    /// Whether the change may happen where `entry` is what is alive under the key.
    pub(super) fn check(&self, entry: Option<&Entry>) -> Result<(), Error> {
        match (&self.etag, entry) {
            (Some(asked), Some(entry)) => {
                let current = entry.etag.to_string();
                if current == *asked {
                    return Ok(());
                }
                let key = &self.key;
                Err(Error::EtagMismatch(format!(
                    "state etag not match for key={key}: current={current}, expect={asked}"
                )))
            }
            (Some(_), None) => {
                Err(Error::EtagMismatch(format!("state not exist or expired for key={}", self.key)))
            }
            (None, Some(_)) if self.first => {
                Err(Error::EtagMismatch("item already exists and no etag was passed".to_owned()))
            }
            (None, _) => Ok(()),
        }
    }
}
