//! What the journal says.

use replug_sdk::Bytes;

/// One entry of the journal: changes that are on disk together or not at all.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Record {
    /// The changes, in order.
    #[prost(message, repeated, tag = "1")]
    pub changes: Vec<Change>,
}

/// What became of one key.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Change {
    #[prost(string, tag = "1")]
    pub key: String,
    /// Counts all changes of the journal, and is the etag of the value.
    #[prost(uint64, tag = "2")]
    pub version: u64,
    /// The new value; none: the key is removed.
    #[prost(message, optional, tag = "3")]
    pub value: Option<Value>,
}

/// A value as it is stored.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Value {
    #[prost(bytes = "bytes", tag = "1")]
    pub data: Bytes,
    #[prost(string, tag = "2")]
    pub content_type: String,
}
