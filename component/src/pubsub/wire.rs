//! Requests and messages of pubsub, to and from Dapr's contract for plugins.

use replug_proto::dapr::components::v1 as pb;

use super::{
    BulkEntry, BulkPublishRequest, FailedEntry, Message, PublishRequest, SubscribeRequest,
};

/// On the wire an absent content type is an empty one.
fn present(content_type: String) -> Option<String> {
    (!content_type.is_empty()).then_some(content_type)
}

impl From<PublishRequest> for pb::PublishRequest {
    fn from(request: PublishRequest) -> Self {
        let PublishRequest { data, pubsub_name, topic, metadata, content_type } = request;
        let content_type = content_type.unwrap_or_default();
        Self { data, pubsub_name, topic, metadata, content_type }
    }
}

impl From<pb::PublishRequest> for PublishRequest {
    fn from(request: pb::PublishRequest) -> Self {
        let pb::PublishRequest { data, pubsub_name, topic, metadata, content_type } = request;
        Self { data, pubsub_name, topic, metadata, content_type: present(content_type) }
    }
}

impl From<BulkPublishRequest> for pb::BulkPublishRequest {
    fn from(request: BulkPublishRequest) -> Self {
        let BulkPublishRequest { entries, pubsub_name, topic, metadata } = request;
        let entries = entries.into_iter().map(Into::into).collect();
        Self { entries, pubsub_name, topic, metadata }
    }
}

impl From<pb::BulkPublishRequest> for BulkPublishRequest {
    fn from(request: pb::BulkPublishRequest) -> Self {
        let pb::BulkPublishRequest { entries, pubsub_name, topic, metadata } = request;
        let entries = entries.into_iter().map(Into::into).collect();
        Self { entries, pubsub_name, topic, metadata }
    }
}

impl From<BulkEntry> for pb::BulkMessageEntry {
    fn from(entry: BulkEntry) -> Self {
        let BulkEntry { entry_id, event, content_type, metadata } = entry;
        Self { entry_id, event, content_type, metadata }
    }
}

impl From<pb::BulkMessageEntry> for BulkEntry {
    fn from(entry: pb::BulkMessageEntry) -> Self {
        let pb::BulkMessageEntry { entry_id, event, content_type, metadata } = entry;
        Self { entry_id, event, content_type, metadata }
    }
}

impl From<FailedEntry> for pb::BulkPublishResponseFailedEntry {
    fn from(FailedEntry { entry_id, error }: FailedEntry) -> Self {
        Self { entry_id, error }
    }
}

impl From<pb::BulkPublishResponseFailedEntry> for FailedEntry {
    fn from(failed: pb::BulkPublishResponseFailedEntry) -> Self {
        let pb::BulkPublishResponseFailedEntry { entry_id, error } = failed;
        Self { entry_id, error }
    }
}

/// How many messages are handed out before an answer is no matter of the contract.
impl From<SubscribeRequest> for pb::Topic {
    fn from(SubscribeRequest { topic, metadata, at_once: _ }: SubscribeRequest) -> Self {
        Self { name: topic, metadata }
    }
}

impl From<pb::Topic> for SubscribeRequest {
    fn from(pb::Topic { name, metadata }: pb::Topic) -> Self {
        Self { topic: name, metadata, at_once: 0 }
    }
}

impl Message {
    /// The message as a plugin sends it, under an id that its answer will carry.
    #[must_use]
    pub fn with_id(self, id: String) -> pb::PullMessagesResponse {
        let Self { data, topic, metadata, content_type } = self;
        let content_type = content_type.unwrap_or_default();
        pb::PullMessagesResponse { data, topic_name: topic, metadata, content_type, id }
    }

    /// A message of a plugin, and the id that its answer has to carry. Its content type counts even
    /// when it is empty, as in Dapr.
    #[must_use]
    pub fn and_id(pulled: pb::PullMessagesResponse) -> (Self, String) {
        let pb::PullMessagesResponse { data, topic_name, metadata, content_type, id } = pulled;
        (Self { data, topic: topic_name, metadata, content_type: Some(content_type) }, id)
    }
}
