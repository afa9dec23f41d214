//! What requests change. etcd's transactions are a list of conditions and a list of changes, at most
//! one for each key; so the operations of a request are first put together to that: what has to hold
//! before, and what holds after all of them.

use std::collections::HashMap;

use bytes::Bytes;
use replug_component::Error;
use replug_component::state::{Concurrency, DeleteRequest, Operation, SetRequest};

use super::wire::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, Request, RequestOp, Response, Target,
    TxnRequest, TxnResponse,
};
use crate::builtin::etag;
use crate::builtin::ttl::{self, BelowMinusOne};

/// What is asked of the keys of a request, each by its first operation that asks something, and what
/// their values are in the end.
#[derive(Default)]
pub(super) struct Changes {
    asked: Vec<(String, Asked)>,
    last: HashMap<String, Last>,
    /// The keys of `last` in the order of the request.
    keys: Vec<String>,
}

/// What has to hold of a stored value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// It was written at this revision.
    Revision(i64),
    /// There is none.
    Missing,
}

/// The last change of a key.
pub(super) enum Last {
    Put { value: Bytes, seconds: Option<i64> },
    Delete,
}

impl Changes {
    /// One write.
    pub(super) fn set(request: SetRequest) -> Result<Self, Error> {
        let mut changes = Self::default();
        changes.add_set(request)?;
        Ok(changes)
    }

    /// One delete.
    pub(super) fn delete(request: DeleteRequest) -> Result<Self, Error> {
        let mut changes = Self::default();
        changes.add_delete(request)?;
        Ok(changes)
    }

    /// Several, in their order.
    pub(super) fn together(operations: Vec<Operation>) -> Result<Self, Error> {
        let mut changes = Self::default();
        for operation in operations {
            match operation {
                Operation::Set(request) => changes.add_set(request)?,
                Operation::Delete(request) => changes.add_delete(request)?,
            }
        }
        Ok(changes)
    }

    fn add_set(&mut self, request: SetRequest) -> Result<(), Error> {
        let ttl = ttl::parse(&request.metadata, BelowMinusOne::Refused)?;
        let first = request.options.concurrency == Concurrency::FirstWrite;
        match (etag::asked(request.etag), self.last.get(&request.key)) {
            (Some(etag), None) => self.ask(&request.key, revision(&etag)?),
            // What this request itself has written has an etag that nobody can know.
            (Some(_), Some(_)) => return Err(etag::mismatch()),
            (None, None) if first => self.ask(&request.key, Asked::Missing),
            (None, Some(Last::Put { .. })) if first => return Err(etag::mismatch()),
            (None, _) => {}
        }
        // Whole seconds they are.
        let seconds = ttl.and_then(|ttl| i64::try_from(ttl.as_secs()).ok());
        self.put_last(request.key, Last::Put { value: request.value, seconds });
        Ok(())
    }

    fn add_delete(&mut self, request: DeleteRequest) -> Result<(), Error> {
        match (etag::asked(request.etag), self.last.get(&request.key)) {
            (Some(etag), None) => self.ask(&request.key, revision(&etag)?),
            (Some(_), Some(_)) => return Err(etag::mismatch()),
            (None, _) => {}
        }
        self.put_last(request.key, Last::Delete);
        Ok(())
    }

    fn ask(&mut self, key: &str, asked: Asked) {
        self.asked.push((key.to_owned(), asked));
    }

    fn put_last(&mut self, key: String, last: Last) {
        if self.last.insert(key.clone(), last).is_none() {
            self.keys.push(key);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The seconds that values of this request live, each once.
    pub(super) fn lifetimes(&self) -> Vec<i64> {
        let lives = self.last.values().filter_map(|last| match last {
            Last::Put { seconds, .. } => *seconds,
            Last::Delete => None,
        });
        let mut lives: Vec<i64> = lives.collect();
        lives.sort_unstable();
        lives.dedup();
        lives
    }

    /// The transaction. `path` makes a key what it is in etcd, `encode` a value; `leases` has one for
    /// each lifetime. Where a condition does not hold it looks at their keys.
    pub(super) fn transaction(
        &self,
        path: impl Fn(&str) -> Vec<u8>,
        encode: impl Fn(&Bytes, Option<i64>) -> Bytes,
        leases: &HashMap<i64, i64>,
    ) -> TxnRequest {
        let compare = self.asked.iter().map(|(key, asked)| {
            let to = match asked {
                Asked::Revision(revision) => Target::ModRevision(*revision),
                Asked::Missing => Target::CreateRevision(0),
            };
            Compare::equal(path(key), to)
        });
        let success = self.keys.iter().filter_map(|key| {
            let request = match self.last.get(key)? {
                Last::Put { value, seconds } => Request::Put(PutRequest {
                    key: path(key),
                    value: encode(value, *seconds),
                    lease: seconds.and_then(|seconds| leases.get(&seconds).copied()).unwrap_or(0),
                }),
                Last::Delete => Request::DeleteRange(DeleteRangeRequest { key: path(key) }),
            };
            Some(RequestOp { request: Some(request) })
        });
        let failure = self.asked.iter().map(|(key, _)| RequestOp {
            request: Some(Request::Range(RangeRequest { key: path(key), keys_only: true })),
        });
        TxnRequest {
            compare: compare.collect(),
            success: success.collect(),
            failure: failure.collect(),
        }
    }

    /// Which condition did not hold, of a transaction that was not carried out.
    pub(super) fn refused(&self, answer: &TxnResponse) -> Error {
        let found = answer.responses.iter().map(|response| match &response.response {
            Some(Response::Range(range)) => range.kvs.first().map_or(0, |kv| kv.mod_revision),
            None => 0,
        });
        let broken = self.asked.iter().zip(found).find(|((_, asked), found)| match asked {
            Asked::Revision(revision) => revision != found,
            Asked::Missing => *found != 0,
        });
        match broken.map(|(asked, _)| asked).or(self.asked.first()) {
            Some(_) => etag::mismatch(),
            None => {
                Error::Failed("etcd has not carried out a transaction without conditions".into())
            }
        }
    }
}

/// The revision that an etag stands for. One that is none is of no value that there is.
fn revision(etag: &str) -> Result<Asked, Error> {
    match etag.parse() {
        Ok(revision) if revision > 0 => Ok(Asked::Revision(revision)),
        _ => Err(etag::mismatch()),
    }
}
