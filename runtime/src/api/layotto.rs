//! Layotto's API over gRPC. Its errors are a code and a text, never with details.

use std::sync::Arc;

use replug_component::{Context, Error};
use replug_proto::layotto::runtime::v1 as pb;
use replug_proto::layotto::runtime::v1::runtime_server::Runtime as Service;
use tonic::{Request, Response, Status};

use crate::registry::{Missing, Registry, SecretComponent};

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

    async fn get_secret(
        &self,
        request: Request<pb::GetSecretRequest>,
    ) -> Result<Response<pb::GetSecretResponse>, Status> {
        let cx = request.extensions().get::<Context>().copied().unwrap_or_default();
        let pb::GetSecretRequest { store_name, key, metadata } = request.into_inner();
        let store = self.secret_store(&store_name)?;
        let got = async { store.component(&cx).await?.get(&cx, &key, metadata).await };
        let data = got.await.map_err(|error| {
            Status::internal(format!(
                "error when get secret : secret name => {key},store name =>{store_name},error => \
                 {error}"
            ))
        })?;
        Ok(Response::new(pb::GetSecretResponse { data }))
    }

    async fn get_bulk_secret(
        &self,
        request: Request<pb::GetBulkSecretRequest>,
    ) -> Result<Response<pb::GetBulkSecretResponse>, Status> {
        let cx = request.extensions().get::<Context>().copied().unwrap_or_default();
        let pb::GetBulkSecretRequest { store_name, metadata } = request.into_inner();
        let store = self.secret_store(&store_name)?;
        let got = async { store.component(&cx).await?.bulk_get(&cx, metadata).await };
        let all = got.await.map_err(|error| {
            Status::internal(format!("error when bulk get secret {store_name}: {error}"))
        })?;
        let data = all.into_iter().map(|(name, secrets)| (name, pb::SecretResponse { secrets }));
        Ok(Response::new(pb::GetBulkSecretResponse { data: data.collect() }))
    }
}

impl LayottoGrpc {
    fn secret_store(&self, name: &str) -> Result<Arc<SecretComponent>, Status> {
        const MISSING: &str = "error when get secret but not find";
        self.0.secrets(name).map_err(|missing| match missing {
            Missing::NoneDeclared => Status::failed_precondition(format!("{MISSING} configured")),
            Missing::NotFound => Status::invalid_argument(format!("{MISSING} : {name}")),
        })
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
