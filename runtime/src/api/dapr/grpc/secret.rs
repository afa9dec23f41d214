//! The secret calls over gRPC.

use replug_component::Context;
use replug_proto::dapr::runtime::v1 as pb;
use tonic::Status;

use crate::api::dapr::Dapr;

impl Dapr {
    pub(super) async fn get_secret(
        &self,
        cx: &Context,
        request: pb::GetSecretRequest,
    ) -> Result<pb::GetSecretResponse, Status> {
        let pb::GetSecretRequest { store_name, key, metadata } = request;
        let secret = self.secret(cx, &store_name, &key, metadata).await?;
        Ok(pb::GetSecretResponse { data: secret.unwrap_or_default() })
    }

    pub(super) async fn get_bulk_secret(
        &self,
        cx: &Context,
        request: pb::GetBulkSecretRequest,
    ) -> Result<pb::GetBulkSecretResponse, Status> {
        let all = self.secrets(cx, &request.store_name, request.metadata).await?.into_iter();
        let data = all.map(|(name, secrets)| (name, pb::SecretResponse { secrets })).collect();
        Ok(pb::GetBulkSecretResponse { data })
    }
}
