//! Which writes are allowed, and what they change.

use std::collections::HashMap;

use replug_sdk::Bytes;
use replug_sdk::component::Error;
use replug_sdk::component::state::{Concurrency, Operation, Options};

use crate::record::{Change, Value};

/// The value of a key and its version.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub value: Value,
    pub version: u64,
}

pub type Entries = HashMap<String, Entry>;

/// Writes on their way to the journal: checked against what is stored and against each other.
pub struct Batch<'a> {
    stored: &'a Entries,
    version: u64,
    changes: Vec<Change>,
    /// The bytes of the changes' keys and values.
    bytes: usize,
    /// Where the last change of each key is among the changes.
    latest: HashMap<String, usize>,
}

impl<'a> Batch<'a> {
    /// A batch whose changes are counted from `version` on.
    pub fn new(stored: &'a Entries, version: u64) -> Self {
        Self { stored, version, changes: Vec::new(), bytes: 0, latest: HashMap::new() }
    }

    /// Takes all `operations` or, where one is refused, none.
    pub fn take(&mut self, operations: Vec<Operation>) -> Result<(), Error> {
        let before = self.changes.len();
        for operation in operations {
            let taken = self.check(&operation).and_then(|()| change(operation));
            match taken {
                Ok((key, value)) => self.push(key, value),
                Err(error) => {
                    self.undo(before);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// The changes, in order.
    pub fn into_changes(self) -> Vec<Change> {
        self.changes
    }

    /// The bytes of the changes' keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn push(&mut self, key: String, value: Option<Value>) {
        self.latest.insert(key.clone(), self.changes.len());
        let version = self.version + self.changes.len() as u64;
        let change = Change { key, version, value };
        self.bytes += size(&change);
        self.changes.push(change);
    }

    fn undo(&mut self, length: usize) {
        if self.changes.len() == length {
            return;
        }
        self.changes.truncate(length);
        self.bytes = self.changes.iter().map(size).sum();
        let keys = self.changes.iter().map(|change| change.key.clone());
        self.latest = keys.enumerate().map(|(index, key)| (key, index)).collect();
    }

    /// The version of a key's value as it is after the changes; none: there is no value.
    fn version_of(&self, key: &str) -> Option<u64> {
        match self.latest.get(key).map(|&index| &self.changes[index]) {
            Some(change) => change.value.as_ref().map(|_| change.version),
            None => self.stored.get(key).map(|entry| entry.version),
        }
    }

    /// An etag has to be the value's, whoever wins; without one, a first write has to be the first.
    fn check(&self, operation: &Operation) -> Result<(), Error> {
        let (key, etag, Options { concurrency, .. }) = match operation {
            Operation::Set(set) => (&set.key, &set.etag, set.options),
            Operation::Delete(delete) => (&delete.key, &delete.etag, delete.options),
        };
        let version = self.version_of(key);
        match etag.as_deref() {
            None | Some("") if concurrency == Concurrency::FirstWrite && version.is_some() => {
                Err(Error::EtagMismatch(format!("{key} was written before")))
            }
            None | Some("") => Ok(()),
            Some(etag) => match etag.parse::<u64>() {
                Err(_) => Err(Error::EtagInvalid(format!("`{etag}` is no number"))),
                Ok(asked) if version == Some(asked) => Ok(()),
                Ok(_) => Err(Error::EtagMismatch(format!("{key} is not at version {etag}"))),
            },
        }
    }
}

fn size(change: &Change) -> usize {
    change.key.len() + change.value.as_ref().map_or(0, |value| value.data.len())
}

/// The key that an operation changes, and its new value.
fn change(operation: Operation) -> Result<(String, Option<Value>), Error> {
    match operation {
        Operation::Set(set) if set.metadata.contains_key("ttlInSeconds") => {
            Err(Error::Invalid("a notebook keeps values for ever: it has no ttlInSeconds".into()))
        }
        Operation::Set(set) => {
            // A copy: what arrived is a piece of a larger message, which it would keep in memory.
            let data = Bytes::copy_from_slice(&set.value);
            Ok((set.key, Some(Value { data, content_type: set.content_type })))
        }
        Operation::Delete(delete) => Ok((delete.key, None)),
    }
}

#[cfg(test)]
mod tests {
    use replug_sdk::component::state::{DeleteRequest, SetRequest};

    use super::*;

    fn set(key: &str, etag: Option<&str>) -> Operation {
        let etag = etag.map(str::to_owned);
        Operation::Set(SetRequest { key: key.into(), etag, ..SetRequest::default() })
    }

    fn delete(key: &str, etag: Option<&str>) -> Operation {
        let etag = etag.map(str::to_owned);
        Operation::Delete(DeleteRequest { key: key.into(), etag, ..DeleteRequest::default() })
    }

    fn stored() -> Entries {
        Entries::from([("a".to_owned(), Entry { value: Value::default(), version: 3 })])
    }

    #[test]
    fn an_etag_has_to_be_the_stored_one() {
        let stored = stored();
        let mut batch = Batch::new(&stored, 10);
        batch.take(vec![set("a", Some("3"))]).unwrap();
        let stale = batch.take(vec![set("a", Some("3"))]).unwrap_err();
        assert!(matches!(stale, Error::EtagMismatch(_)), "a write before it has changed the etag");
        batch.take(vec![delete("a", Some("10"))]).unwrap();
        let missing = batch.take(vec![delete("a", Some("10"))]).unwrap_err();
        assert!(matches!(missing, Error::EtagMismatch(_)));
        batch.take(vec![delete("a", None), set("a", Some(""))]).unwrap();
        let invalid = batch.take(vec![set("a", Some("three"))]).unwrap_err();
        assert!(matches!(invalid, Error::EtagInvalid(_)));
    }

    #[test]
    fn a_first_write_without_an_etag_is_for_a_key_that_is_not_there() {
        let stored = stored();
        let mut batch = Batch::new(&stored, 10);
        let first = |key: &str| {
            let options = Options { concurrency: Concurrency::FirstWrite, ..Options::default() };
            Operation::Set(SetRequest { key: key.into(), options, ..SetRequest::default() })
        };
        assert!(matches!(batch.take(vec![first("a")]), Err(Error::EtagMismatch(_))));
        batch.take(vec![first("b")]).unwrap();
        assert!(matches!(batch.take(vec![first("b")]), Err(Error::EtagMismatch(_))));
    }

    #[test]
    fn a_transaction_with_a_refused_operation_changes_nothing() {
        let stored = stored();
        let mut batch = Batch::new(&stored, 10);
        batch.take(vec![set("b", None)]).unwrap();
        batch.take(vec![set("b", Some("10")), delete("a", Some("9"))]).unwrap_err();
        batch.take(vec![set("b", Some("10"))]).unwrap();
        let versions: Vec<_> = batch.into_changes().into_iter().map(|c| c.version).collect();
        assert_eq!(versions, [10, 11]);
    }
}
