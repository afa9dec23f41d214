//! Bulk publishing by single calls, for components without a way of their own.

use futures_util::StreamExt as _;
use futures_util::stream;

use super::{BulkPublishRequest, FailedEntry, PubSub, PublishRequest};
use crate::{Context, Error};

/// How many messages of one request are on their way at once, as in Dapr.
const AT_ONCE: usize = 100;

/// Calls `publish` for each entry, in no order, and gives those that failed with their errors.
pub async fn publish<P: PubSub + ?Sized>(
    component: &P,
    cx: &Context,
    request: BulkPublishRequest,
) -> Vec<(FailedEntry, Error)> {
    let BulkPublishRequest { entries, pubsub_name, topic, metadata: _ } = request;
    let (pubsub_name, topic) = (&pubsub_name, &topic);
    let published = stream::iter(entries).map(|entry| async move {
        let request = PublishRequest {
            data: entry.event,
            pubsub_name: pubsub_name.clone(),
            topic: topic.clone(),
            metadata: entry.metadata,
            content_type: Some(entry.content_type),
        };
        let error = component.publish(cx, request).await.err()?;
        Some((FailedEntry { entry_id: entry.entry_id, error: error.to_string() }, error))
    });
    published.buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await
}
