//! Secret stores by Dapr's contract, `dapr.proto.components.v1`.

use std::sync::Arc;

use replug_component::secret::{SecretStore, SecretStoreType};
use replug_proto::dapr::components::v1 as pb;
use replug_proto::dapr::components::v1::secret_store_server::SecretStore as Served;
use tonic::{Request, Response, Status};

use crate::call::within;
use crate::instances::Instances;

/// Dapr's service over the stores of one component type.
pub(crate) struct SecretService {
    of: Arc<dyn SecretStoreType>,
    stores: Instances<dyn SecretStore>,
}

impl SecretService {
    pub(crate) fn new(of: Arc<dyn SecretStoreType>) -> Self {
        Self { of, stores: Instances::default() }
    }
}

#[tonic::async_trait]
impl Served for SecretService {
    async fn init(
        &self,
        request: Request<pb::SecretStoreInitRequest>,
    ) -> Result<Response<pb::SecretStoreInitResponse>, Status> {
        let (headers, _, init) = request.into_parts();
        let properties = init.metadata.unwrap_or_default().properties;
        self.stores.open(&headers, self.of.open(properties)).await?;
        Ok(Response::new(pb::SecretStoreInitResponse {}))
    }

    async fn features(
        &self,
        request: Request<pb::FeaturesRequest>,
    ) -> Result<Response<pb::FeaturesResponse>, Status> {
        let (store, _) = self.stores.of_call(&request)?;
        let features = store.features().iter().map(str::to_owned).collect();
        Ok(Response::new(pb::FeaturesResponse { features }))
    }

    async fn get(
        &self,
        request: Request<pb::GetSecretRequest>,
    ) -> Result<Response<pb::GetSecretResponse>, Status> {
        let (store, cx) = self.stores.of_call(&request)?;
        let pb::GetSecretRequest { key, metadata } = request.into_inner();
        let data = within(&cx, store.get(&cx, &key, metadata)).await?;
        Ok(Response::new(pb::GetSecretResponse { data }))
    }

    async fn bulk_get(
        &self,
        request: Request<pb::BulkGetSecretRequest>,
    ) -> Result<Response<pb::BulkGetSecretResponse>, Status> {
        let (store, cx) = self.stores.of_call(&request)?;
        let all = within(&cx, store.bulk_get(&cx, request.into_inner().metadata)).await?;
        let data = all.into_iter().map(|(name, secrets)| (name, pb::SecretResponse { secrets }));
        Ok(Response::new(pb::BulkGetSecretResponse { data: data.collect() }))
    }

    /// Before the first Init it asks nobody: the plugin is there, and that is all that there is.
    async fn ping(
        &self,
        request: Request<pb::PingRequest>,
    ) -> Result<Response<pb::PingResponse>, Status> {
        if let Ok((store, cx)) = self.stores.of_call(&request) {
            within(&cx, store.ping(&cx)).await?;
        }
        Ok(Response::new(pb::PingResponse {}))
    }
}
