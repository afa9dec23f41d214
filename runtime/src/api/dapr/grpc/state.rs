//! The state calls over gRPC: messages to operations and back. Values are moved, not copied.

use replug_component::state::{
    Concurrency, Consistency, DeleteRequest, Operation, Options, SetRequest,
};
use replug_component::{Context, Metadata};
use replug_proto::dapr::common::v1::state_options::{StateConcurrency, StateConsistency};
use replug_proto::dapr::common::v1::{Etag, StateItem, StateOptions};
use replug_proto::dapr::runtime::v1 as pb;
use tonic::Status;

use crate::api::dapr::Dapr;
use crate::api::dapr::error::Front;
use crate::api::dapr::json;
use crate::api::dapr::state::{Asked, key_required, operation_not_supported};

/// An item's metadata that says what its value is.
const CONTENT_TYPE: &str = "contentType";

/// The content type that makes a value be written anew.
const JSON: &str = "application/json";

impl Dapr {
    pub(super) async fn get_state(
        &self,
        cx: &Context,
        request: pb::GetStateRequest,
    ) -> Result<pb::GetStateResponse, Status> {
        let consistency = consistency(request.consistency());
        let store = self.store(&request.store_name, Front::Grpc)?;
        let got = store.get(cx, &request.key, consistency, request.metadata).await?;
        Ok(pb::GetStateResponse {
            data: got.data,
            etag: got.etag.unwrap_or_default(),
            metadata: got.metadata,
        })
    }

    pub(super) async fn get_bulk_state(
        &self,
        cx: &Context,
        request: pb::GetBulkStateRequest,
    ) -> Result<pb::GetBulkStateResponse, Status> {
        let store = self.store(&request.store_name, Front::Grpc)?;
        let parallelism = request.parallelism.into();
        let got = store.bulk_get(cx, &request.keys, request.metadata, parallelism).await?;
        let items = got.into_iter().map(|item| pb::BulkStateItem {
            key: item.key,
            data: item.value.data,
            etag: item.value.etag.unwrap_or_default(),
            error: item.error,
            metadata: item.value.metadata,
        });
        Ok(pb::GetBulkStateResponse { items: items.collect() })
    }

    pub(super) async fn save_state(
        &self,
        cx: &Context,
        request: pb::SaveStateRequest,
    ) -> Result<(), Status> {
        let store = self.store(&request.store_name, Front::Grpc)?;
        let items = request.states.into_iter().map(|item| {
            if item.key.is_empty() {
                return Err(Status::from(key_required(Front::Grpc)));
            }
            let key = store.stored(&item.key)?;
            let is_json = item.metadata.get(CONTENT_TYPE).is_some_and(|content| content == JSON);
            let mut request = set_request(key, item);
            if is_json {
                request.value = json::rewritten(&request.value)
                    .map_err(|error| Status::unknown(error.to_string()))?;
            }
            Ok(request)
        });
        let items = items.collect::<Result<_, Status>>()?;
        Ok(store.save(cx, items).await?)
    }

    pub(super) async fn delete_state(
        &self,
        cx: &Context,
        request: pb::DeleteStateRequest,
    ) -> Result<(), Status> {
        let store = self.store(&request.store_name, Front::Grpc)?;
        let delete = delete_request(String::new(), request.etag, request.metadata, request.options);
        Ok(store.delete(cx, &request.key, Asked { request: delete, unknown: None }).await?)
    }

    pub(super) async fn delete_bulk_state(
        &self,
        cx: &Context,
        request: pb::DeleteBulkStateRequest,
    ) -> Result<(), Status> {
        let store = self.store(&request.store_name, Front::Grpc)?;
        let items = request.states.into_iter().map(|item| {
            let key = store.stored(&item.key)?;
            Ok(delete_request(key, item.etag, item.metadata, item.options))
        });
        let items = items.collect::<Result<_, Status>>()?;
        Ok(store.bulk_delete(cx, items).await?)
    }

    pub(super) async fn execute_state_transaction(
        &self,
        cx: &Context,
        request: pb::ExecuteStateTransactionRequest,
    ) -> Result<(), Status> {
        let store = self.store(&request.store_name, Front::Grpc)?;
        let transaction = store.transaction(cx).await?;
        let operations = request.operations.into_iter().map(|operation| {
            let item = operation.request.unwrap_or_default();
            let key = transaction.stored(&item.key)?;
            match operation.operation_type.as_str() {
                "upsert" => Ok(Operation::Set(set_request(key, item))),
                "delete" => {
                    let delete = delete_request(key, item.etag, item.metadata, item.options);
                    Ok(Operation::Delete(delete))
                }
                other => Err(operation_not_supported(other).into()),
            }
        });
        let operations = operations.collect::<Result<_, Status>>()?;
        Ok(transaction.carry_out(cx, operations, request.metadata, None).await?)
    }

    pub(super) async fn query_state(
        &self,
        cx: &Context,
        request: pb::QueryStateRequest,
    ) -> Result<pb::QueryStateResponse, Status> {
        let store = self.store(&request.store_name, Front::Grpc)?;
        let found = store.query(cx, request.query.as_bytes(), request.metadata).await?;
        let results = found.items.into_iter().map(|item| pb::QueryStateItem {
            key: item.key,
            data: item.data,
            etag: item.etag.unwrap_or_default(),
            error: item.error,
        });
        Ok(pb::QueryStateResponse {
            results: results.collect(),
            token: found.token,
            metadata: found.metadata,
        })
    }
}

fn set_request(key: String, item: StateItem) -> SetRequest {
    SetRequest {
        key,
        value: item.value,
        etag: item.etag.map(|etag| etag.value),
        metadata: item.metadata,
        options: options(item.options),
        content_type: String::new(),
    }
}

fn delete_request(
    key: String,
    etag: Option<Etag>,
    metadata: Metadata,
    options: Option<StateOptions>,
) -> DeleteRequest {
    let etag = etag.map(|etag| etag.value);
    DeleteRequest { key, etag, metadata, options: self::options(options) }
}

fn options(options: Option<StateOptions>) -> Options {
    let Some(options) = options else { return Options::default() };
    Options {
        concurrency: match options.concurrency() {
            StateConcurrency::ConcurrencyUnspecified => Concurrency::Unspecified,
            StateConcurrency::ConcurrencyFirstWrite => Concurrency::FirstWrite,
            StateConcurrency::ConcurrencyLastWrite => Concurrency::LastWrite,
        },
        consistency: consistency(options.consistency()),
    }
}

fn consistency(consistency: StateConsistency) -> Consistency {
    match consistency {
        StateConsistency::ConsistencyUnspecified => Consistency::Unspecified,
        StateConsistency::ConsistencyEventual => Consistency::Eventual,
        StateConsistency::ConsistencyStrong => Consistency::Strong,
    }
}
