//! The pubsub calls over gRPC.

use replug_component::Context;
use replug_component::pubsub::BulkEntry;
use replug_proto::dapr::runtime::v1 as pb;
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::api::Traces;
use crate::api::dapr::Dapr;
use crate::api::dapr::error::Front;
use crate::api::dapr::pubsub::BulkPublished;
use crate::messaging::cloud_event::{TRACE_ID, TRACE_STATE, Trace};

/// A trace in gRPC's own form.
const TRACE_BIN: &str = "grpc-trace-bin";

impl Dapr {
    /// The trace that the caller stands in; none where traces are not looked at. Its state is not
    /// taken over, as in Dapr.
    fn grpc_trace(&self, headers: &MetadataMap) -> Trace {
        if self.settings.traces == Traces::Ignored {
            return Trace::default();
        }
        let binary = headers.get_bin(TRACE_BIN).and_then(|value| value.to_bytes().ok());
        binary.and_then(|bytes| Trace::of_binary(&bytes)).unwrap_or_else(|| {
            let parent = headers.get("traceparent");
            Trace::of_headers(parent.map(tonic::metadata::MetadataValue::as_encoded_bytes), None)
        })
    }

    pub(super) async fn publish_event(
        &self,
        cx: &Context,
        headers: &MetadataMap,
        request: pb::PublishEventRequest,
    ) -> Result<(), Status> {
        let pb::PublishEventRequest { pubsub_name, topic, data, data_content_type, metadata } =
            request;
        let trace = self.grpc_trace(headers);
        let mut topic = self.topic(&pubsub_name, &topic, metadata, Front::Grpc)?;
        if topic.raw {
            topic.add_metadata(TRACE_ID, &trace.parent);
            topic.add_metadata(TRACE_STATE, &trace.state);
        }
        Ok(topic.publish(cx, data, &data_content_type, &trace).await?)
    }

    pub(super) async fn bulk_publish_event(
        &self,
        cx: &Context,
        headers: &MetadataMap,
        request: pb::BulkPublishRequest,
    ) -> Result<pb::BulkPublishResponse, Status> {
        let pb::BulkPublishRequest { pubsub_name, topic, entries, metadata } = request;
        let topic = self.topic(&pubsub_name, &topic, metadata, Front::Grpc)?;
        let entries = entries.into_iter().map(|entry| {
            let pb::BulkPublishRequestEntry { entry_id, event, content_type, mut metadata } = entry;
            if !metadata.is_empty() {
                topic.complete(&mut metadata);
            }
            BulkEntry { entry_id, event, content_type, metadata }
        });
        let entries = entries.collect();
        match topic.publish_all(cx, entries, &self.grpc_trace(headers)).await? {
            BulkPublished::But(failed) => {
                let failed = failed.into_iter().map(|failed| pb::BulkPublishResponseFailedEntry {
                    entry_id: failed.entry_id,
                    error: failed.error,
                });
                Ok(pb::BulkPublishResponse { failed_entries: failed.collect() })
            }
            BulkPublished::Failed(error, _) => Err(error.into()),
        }
    }
}
