//! Layotto's API over gRPC. Its errors are a code and a text, never with details.

use std::sync::Arc;

use replug_component::{Context, Error};
use replug_proto::layotto::runtime::v1 as pb;
use replug_proto::layotto::runtime::v1::runtime_server::Runtime as Service;
use tonic::{Request, Response, Status};

use crate::registry::Registry;

/// The service `spec.proto.runtime.v1.Runtime`.
#[derive(Debug, Clone)]
pub(super) struct LayottoGrpc(pub(super) Arc<Registry>);

#[tonic::async_trait]
impl Service for LayottoGrpc {
    async fn say_hello(
        &self,
        request: Request<pb::SayHelloRequest>,
    ) -> Result<Response<pb::SayHelloResponse>, Status> {
        let cx = request.extensions().get::<Context>().copied().unwrap_or_default();
        let pb::SayHelloRequest { service_name, name, data } = request.into_inner();
        let component =
            self.0.hello(&service_name).map_err(|_| Status::unknown("no instance found"))?;
        let said = async { component.component(&cx).await?.say_hello(&cx, name).await };
        let hello = said.await.map_err(told)?;
        Ok(Response::new(pb::SayHelloResponse { hello, data }))
    }
}

/// A component's error: a plugin's code and text as they came, anything else unknown.
fn told(error: Error) -> Status {
    match error {
        Error::Remote(remote) => Status::new(remote.code, remote.message),
        Error::Kit(kit) => Status::new(kit.code, kit.message),
        Error::Unavailable(why) => Status::unavailable(why.to_string()),
        other => Status::unknown(other.to_string()),
    }
}
