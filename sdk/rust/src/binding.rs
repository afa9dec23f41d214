//! Bindings by Dapr's contracts, `dapr.proto.components.v1`: a service for each side.

mod read;

use std::sync::Arc;

use replug_component::Error;
use replug_component::binding::{InputBinding, InputBindingType, OutputBinding, OutputBindingType};
use replug_proto::dapr::components::v1 as pb;
use replug_proto::dapr::components::v1::input_binding_server::InputBinding as ServedInput;
use replug_proto::dapr::components::v1::output_binding_server::OutputBinding as ServedOutput;
use tokio::sync::watch;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, Streaming};

use self::read::Reading;
use crate::call::within;
use crate::instances::Instances;

/// Dapr's service over the outputs of one component type.
pub(crate) struct OutputService {
    of: Arc<dyn OutputBindingType>,
    outputs: Instances<dyn OutputBinding>,
}

/// Dapr's service over the inputs of one component type.
pub(crate) struct InputService {
    of: Arc<dyn InputBindingType>,
    inputs: Instances<dyn InputBinding>,
    /// True once the plugin stops: streams end then, when what they have delivered is answered.
    stopping: watch::Receiver<bool>,
}

// === impl OutputService ===

impl OutputService {
    pub(crate) fn new(of: Arc<dyn OutputBindingType>) -> Self {
        Self { of, outputs: Instances::default() }
    }
}

#[tonic::async_trait]
impl ServedOutput for OutputService {
    async fn init(
        &self,
        request: Request<pb::OutputBindingInitRequest>,
    ) -> Result<Response<pb::OutputBindingInitResponse>, Status> {
        let (headers, _, init) = request.into_parts();
        let properties = init.metadata.unwrap_or_default().properties;
        self.outputs.open(&headers, self.of.open(properties)).await?;
        Ok(Response::new(pb::OutputBindingInitResponse {}))
    }

    /// An operation that the binding does not have is refused here, so that no binding need know of
    /// any but its own.
    async fn invoke(
        &self,
        request: Request<pb::InvokeRequest>,
    ) -> Result<Response<pb::InvokeResponse>, Status> {
        let (output, cx) = self.outputs.of_call(&request)?;
        let request = request.into_inner();
        let invoked = async {
            if !output.operations(&cx).await?.has(&request.operation) {
                let text = format!("operation {} is not supported", request.operation);
                return Err(Error::Unsupported(text));
            }
            output.invoke(&cx, request.into()).await
        };
        let response = within(&cx, invoked).await?;
        Ok(Response::new(response.unwrap_or_default().into()))
    }

    async fn list_operations(
        &self,
        request: Request<pb::ListOperationsRequest>,
    ) -> Result<Response<pb::ListOperationsResponse>, Status> {
        let (output, cx) = self.outputs.of_call(&request)?;
        let operations = within(&cx, output.operations(&cx)).await?;
        let operations = operations.iter().map(str::to_owned).collect();
        Ok(Response::new(pb::ListOperationsResponse { operations }))
    }

    /// Before the first Init it asks nobody: the plugin is there, and that is all that there is.
    async fn ping(
        &self,
        request: Request<pb::PingRequest>,
    ) -> Result<Response<pb::PingResponse>, Status> {
        if let Ok((output, cx)) = self.outputs.of_call(&request) {
            within(&cx, output.ping(&cx)).await?;
        }
        Ok(Response::new(pb::PingResponse {}))
    }
}

// === impl InputService ===

impl InputService {
    pub(crate) fn new(of: Arc<dyn InputBindingType>, stopping: watch::Receiver<bool>) -> Self {
        Self { of, inputs: Instances::default(), stopping }
    }
}

#[tonic::async_trait]
impl ServedInput for InputService {
    async fn init(
        &self,
        request: Request<pb::InputBindingInitRequest>,
    ) -> Result<Response<pb::InputBindingInitResponse>, Status> {
        let (headers, _, init) = request.into_parts();
        let properties = init.metadata.unwrap_or_default().properties;
        self.inputs.open(&headers, self.of.open(properties)).await?;
        Ok(Response::new(pb::InputBindingInitResponse {}))
    }

    /// Answers as soon as the binding reads.
    async fn read(
        &self,
        request: Request<Streaming<pb::ReadRequest>>,
    ) -> Result<Response<BoxStream<pb::ReadResponse>>, Status> {
        let (input, cx) = self.inputs.of_call(&request)?;
        let events = within(&cx, input.read(&cx)).await?;
        let reading = Reading::new(events, request.into_inner(), self.stopping.clone());
        Ok(Response::new(Box::pin(reading.messages())))
    }

    /// As that of an output.
    async fn ping(
        &self,
        request: Request<pb::PingRequest>,
    ) -> Result<Response<pb::PingResponse>, Status> {
        if let Ok((input, cx)) = self.inputs.of_call(&request) {
            within(&cx, input.ping(&cx)).await?;
        }
        Ok(Response::new(pb::PingResponse {}))
    }
}
