//! Entries of a stream, and the messages in them.

use bytes::Bytes;
use redis::Value;
use replug_component::Metadata;
use replug_component::pubsub::Message;

/// A message, and its entry's id, by which it is acknowledged.
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) message: Message,
}

/// The entries of a list that Redis answers with. One that was deleted meanwhile is left out.
pub(super) fn entries(topic: &str, list: Value) -> Vec<Entry> {
    let Value::Array(list) = list else {
        return Vec::new();
    };
    list.into_iter().filter_map(|entry| read(topic, entry)).collect()
}

fn read(topic: &str, entry: Value) -> Option<Entry> {
    let Value::Array(parts) = entry else {
        return None;
    };
    let mut parts = parts.into_iter();
    let (Some(Value::BulkString(id)), Some(Value::Array(fields))) = (parts.next(), parts.next())
    else {
        return None;
    };
    let mut message = Message { topic: topic.to_owned(), ..Message::default() };
    let mut fields = fields.into_iter();
    while let (Some(Value::BulkString(name)), Some(Value::BulkString(value))) =
        (fields.next(), fields.next())
    {
        match name.as_slice() {
            b"data" => message.data = Bytes::from(value),
            b"metadata" => message.metadata = metadata_of_json(&value),
            _ => {}
        }
    }
    Some(Entry { id: String::from_utf8_lossy(&id).into_owned(), message })
}

pub(super) fn metadata_to_json(metadata: &Metadata) -> String {
    // Texts under texts can always be written.
    serde_json::to_string(metadata).unwrap_or_default()
}

/// What is no object of texts counts as nothing: the message is what matters.
fn metadata_of_json(json: &[u8]) -> Metadata {
    serde_json::from_slice(json).unwrap_or_default()
}
