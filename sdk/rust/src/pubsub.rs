//! Pubsub components by Dapr's contract, `dapr.proto.components.v1`.

mod pull;

use std::sync::Arc;

use replug_component::pubsub::{PubSub, PubSubType};
use replug_proto::dapr::components::v1 as pb;
use replug_proto::dapr::components::v1::pub_sub_server::PubSub as Served;
use tokio::sync::watch;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, Streaming};

use self::pull::Pull;
use crate::call::within;
use crate::instances::Instances;

/// Dapr's service over the components of one component type.
pub(crate) struct PubSubService {
    of: Arc<dyn PubSubType>,
    components: Instances<dyn PubSub>,
    /// True once the plugin stops: streams end then, when what they have delivered is answered.
    stopping: watch::Receiver<bool>,
}

impl PubSubService {
    pub(crate) fn new(of: Arc<dyn PubSubType>, stopping: watch::Receiver<bool>) -> Self {
        Self { of, components: Instances::default(), stopping }
    }
}

#[tonic::async_trait]
impl Served for PubSubService {
    async fn init(
        &self,
        request: Request<pb::PubSubInitRequest>,
    ) -> Result<Response<pb::PubSubInitResponse>, Status> {
        let (headers, _, init) = request.into_parts();
        let properties = init.metadata.unwrap_or_default().properties;
        self.components.open(&headers, self.of.open(properties)).await?;
        Ok(Response::new(pb::PubSubInitResponse {}))
    }

    async fn features(
        &self,
        request: Request<pb::FeaturesRequest>,
    ) -> Result<Response<pb::FeaturesResponse>, Status> {
        let (component, _) = self.components.of_call(&request)?;
        let features = component.features().iter().map(str::to_owned).collect();
        Ok(Response::new(pb::FeaturesResponse { features }))
    }

    async fn publish(
        &self,
        request: Request<pb::PublishRequest>,
    ) -> Result<Response<pb::PublishResponse>, Status> {
        let (component, cx) = self.components.of_call(&request)?;
        within(&cx, component.publish(&cx, request.into_inner().into())).await?;
        Ok(Response::new(pb::PublishResponse {}))
    }

    async fn bulk_publish(
        &self,
        request: Request<pb::BulkPublishRequest>,
    ) -> Result<Response<pb::BulkPublishResponse>, Status> {
        let (component, cx) = self.components.of_call(&request)?;
        let publish = component.bulk_publish(&cx, request.into_inner().into());
        let failed = within(&cx, publish).await?;
        let failed_entries = failed.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::BulkPublishResponse { failed_entries }))
    }

    /// Answers as soon as the component has subscribed.
    async fn pull_messages(
        &self,
        request: Request<Streaming<pb::PullMessagesRequest>>,
    ) -> Result<Response<BoxStream<pb::PullMessagesResponse>>, Status> {
        let (component, cx) = self.components.of_call(&request)?;
        let mut acks = request.into_inner();
        let topic = acks.message().await?.and_then(|first| first.topic).ok_or_else(|| {
            Status::invalid_argument("the first message of a stream has to name the topic")
        })?;
        let subscription = within(&cx, component.subscribe(&cx, topic.into())).await?;
        let pull = Pull::new(subscription, acks, self.stopping.clone());
        Ok(Response::new(Box::pin(pull.messages())))
    }

    async fn pause(
        &self,
        request: Request<pb::PauseRequest>,
    ) -> Result<Response<pb::PauseResponse>, Status> {
        let (component, cx) = self.components.of_call(&request)?;
        within(&cx, component.pause()).await?;
        Ok(Response::new(pb::PauseResponse {}))
    }

    async fn resume(
        &self,
        request: Request<pb::ResumeRequest>,
    ) -> Result<Response<pb::ResumeResponse>, Status> {
        let (component, cx) = self.components.of_call(&request)?;
        within(&cx, component.resume()).await?;
        Ok(Response::new(pb::ResumeResponse {}))
    }

    /// Before the first Init it asks nobody: the plugin is there, and that is all that there is.
    async fn ping(
        &self,
        request: Request<pb::PingRequest>,
    ) -> Result<Response<pb::PingResponse>, Status> {
        if let Ok((component, cx)) = self.components.of_call(&request) {
            within(&cx, component.ping(&cx)).await?;
        }
        Ok(Response::new(pb::PingResponse {}))
    }
}
