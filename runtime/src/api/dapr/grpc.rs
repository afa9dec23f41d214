//! Dapr's API over gRPC: the generated service, each call in the file of its building block.
//!
//! What is not here is answered by the generated stubs, whose text the port replaces by Dapr's.

mod binding;
mod metadata;
mod pubsub;
mod secret;
mod state;
mod subscribe;
mod unary;

use std::sync::Arc;

use replug_component::Context;
use replug_proto::dapr::runtime::v1 as pb;
use replug_proto::dapr::runtime::v1::dapr_server::Dapr as Service;
use tonic::codegen::BoxStream;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status, Streaming};

pub(in crate::api) use self::binding::tell_authority;
pub(in crate::api) use self::unary::{Refusal, Reply, Unary};
use super::{Dapr, FORCE_SHUTDOWN};

/// The service `dapr.proto.runtime.v1.Dapr`.
#[derive(Debug, Clone)]
pub(in crate::api) struct DaprGrpc(pub(in crate::api) Arc<Dapr>);

/// What came with a call beside its message.
fn context<T>(request: &Request<T>) -> Context {
    request.extensions().get::<Context>().copied().unwrap_or_default()
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Service for DaprGrpc {
    async fn get_state(
        &self,
        request: Request<pb::GetStateRequest>,
    ) -> Answer<pb::GetStateResponse> {
        let cx = context(&request);
        self.0.get_state(&cx, request.into_inner()).await.map(Response::new)
    }

    async fn get_bulk_state(
        &self,
        request: Request<pb::GetBulkStateRequest>,
    ) -> Answer<pb::GetBulkStateResponse> {
        let cx = context(&request);
        self.0.get_bulk_state(&cx, request.into_inner()).await.map(Response::new)
    }

    async fn save_state(&self, request: Request<pb::SaveStateRequest>) -> Answer<()> {
        let cx = context(&request);
        self.0.save_state(&cx, request.into_inner()).await.map(Response::new)
    }

    async fn delete_state(&self, request: Request<pb::DeleteStateRequest>) -> Answer<()> {
        let cx = context(&request);
        self.0.delete_state(&cx, request.into_inner()).await.map(Response::new)
    }

    async fn delete_bulk_state(&self, request: Request<pb::DeleteBulkStateRequest>) -> Answer<()> {
        let cx = context(&request);
        self.0.delete_bulk_state(&cx, request.into_inner()).await.map(Response::new)
    }

    async fn execute_state_transaction(
        &self,
        request: Request<pb::ExecuteStateTransactionRequest>,
    ) -> Answer<()> {
        let cx = context(&request);
        self.0.execute_state_transaction(&cx, request.into_inner()).await.map(Response::new)
    }

    async fn query_state_alpha1(
        &self,
        request: Request<pb::QueryStateRequest>,
    ) -> Answer<pb::QueryStateResponse> {
        let cx = context(&request);
        self.0.query_state(&cx, request.into_inner()).await.map(Response::new)
    }

    async fn get_secret(
        &self,
        request: Request<pb::GetSecretRequest>,
    ) -> Answer<pb::GetSecretResponse> {
        let cx = context(&request);
        self.0.get_secret(&cx, request.into_inner()).await.map(Response::new)
    }

    async fn get_bulk_secret(
        &self,
        request: Request<pb::GetBulkSecretRequest>,
    ) -> Answer<pb::GetBulkSecretResponse> {
        let cx = context(&request);
        self.0.get_bulk_secret(&cx, request.into_inner()).await.map(Response::new)
    }

    async fn publish_event(&self, request: Request<pb::PublishEventRequest>) -> Answer<()> {
        let cx = context(&request);
        let (headers, _, request) = request.into_parts();
        self.0.publish_event(&cx, &headers, request).await.map(Response::new)
    }

    async fn bulk_publish_event(
        &self,
        request: Request<pb::BulkPublishRequest>,
    ) -> Answer<pb::BulkPublishResponse> {
        let cx = context(&request);
        let (headers, _, request) = request.into_parts();
        self.0.bulk_publish_event(&cx, &headers, request).await.map(Response::new)
    }

    async fn bulk_publish_event_alpha1(
        &self,
        request: Request<pb::BulkPublishRequest>,
    ) -> Answer<pb::BulkPublishResponse> {
        self.bulk_publish_event(request).await
    }

    async fn subscribe_topic_events_alpha1(
        &self,
        request: Request<Streaming<pb::SubscribeTopicEventsRequestAlpha1>>,
    ) -> Answer<BoxStream<pb::SubscribeTopicEventsResponseAlpha1>> {
        self.0.subscribe_topic_events(request.into_inner()).await.map(Response::new)
    }

    async fn invoke_binding(
        &self,
        request: Request<pb::InvokeBindingRequest>,
    ) -> Answer<pb::InvokeBindingResponse> {
        let cx = context(&request);
        let (headers, _, message) = request.into_parts();
        let (answer, headers) = self.0.grpc_invoke_binding(&cx, &headers, message).await?;
        let mut answer = Response::new(answer);
        *answer.metadata_mut() = headers;
        Ok(answer)
    }

    async fn get_metadata(
        &self,
        _: Request<pb::GetMetadataRequest>,
    ) -> Answer<pb::GetMetadataResponse> {
        Ok(Response::new(self.0.metadata_message()))
    }

    async fn set_metadata(&self, request: Request<pb::SetMetadataRequest>) -> Answer<()> {
        let pb::SetMetadataRequest { key, value } = request.into_inner();
        self.0.set_metadata(key, value);
        Ok(Response::new(()))
    }

    async fn shutdown(&self, request: Request<pb::ShutdownRequest>) -> Answer<()> {
        let force = request.metadata().get(FORCE_SHUTDOWN);
        self.0.request_shutdown(force.map(MetadataValue::as_encoded_bytes));
        Ok(Response::new(()))
    }
}
