//! Greetings by Layotto's contract, `spec.proto.pluggable.v1.hello`.

use std::sync::Arc;

use replug_component::hello::{Hello, HelloConfig, HelloType};
use replug_proto::layotto::pluggable::v1::hello as pb;
use replug_proto::layotto::pluggable::v1::hello::hello_server::Hello as Served;
use tonic::{Request, Response, Status};

use crate::call::within;
use crate::instances::Instances;

/// Layotto's service over the components of one component type.
pub(crate) struct HelloService {
    of: Arc<dyn HelloType>,
    components: Instances<dyn Hello>,
}

impl HelloService {
    pub(crate) fn new(of: Arc<dyn HelloType>) -> Self {
        Self { of, components: Instances::default() }
    }
}

#[tonic::async_trait]
impl Served for HelloService {
    async fn init(&self, request: Request<pb::HelloConfig>) -> Result<Response<()>, Status> {
        let (headers, _, init) = request.into_parts();
        let config = HelloConfig { greeting: init.hello_string, metadata: init.metadata };
        self.components.open(&headers, self.of.open(config)).await?;
        Ok(Response::new(()))
    }

    async fn say_hello(
        &self,
        request: Request<pb::HelloRequest>,
    ) -> Result<Response<pb::HelloResponse>, Status> {
        let (component, cx) = self.components.of_call(&request)?;
        let greeting = component.say_hello(&cx, request.into_inner().name);
        let hello_string = within(&cx, greeting).await?;
        Ok(Response::new(pb::HelloResponse { hello_string }))
    }
}
