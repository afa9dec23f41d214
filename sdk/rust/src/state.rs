//! State stores by Dapr's contract, `dapr.proto.components.v1`.

use std::num::NonZeroUsize;
use std::sync::Arc;

use replug_component::state::{
    Parallelism, StateStore, StateStoreType, TransactRequest, error_to_status,
};
use replug_proto::dapr::components::v1 as pb;
use replug_proto::dapr::components::v1::queriable_state_store_server::QueriableStateStore;
use replug_proto::dapr::components::v1::state_store_server::StateStore as Served;
use replug_proto::dapr::components::v1::transactional_state_store_server::TransactionalStateStore;
use replug_proto::dapr::components::v1::transactional_store_multi_max_size_server::TransactionalStoreMultiMaxSize;
use tonic::{Request, Response, Status};

use crate::call::within;
use crate::instances::Instances;

/// The answer to how large a transaction may be where there is no bound.
const UNBOUNDED: i64 = -1;

/// Dapr's four services over the stores of one component type.
pub(crate) struct StateService {
    of: Arc<dyn StateStoreType>,
    stores: Instances<dyn StateStore>,
}

impl StateService {
    pub(crate) fn new(of: Arc<dyn StateStoreType>) -> Self {
        Self { of, stores: Instances::default() }
    }
}

fn parallelism(at_once: Option<i64>) -> Parallelism {
    at_once.and_then(|at_once| usize::try_from(at_once).ok()).and_then(NonZeroUsize::new)
}

fn each<Wire, Own: From<Wire>>(items: Vec<Wire>) -> Vec<Own> {
    items.into_iter().map(Into::into).collect()
}

#[tonic::async_trait]
impl Served for StateService {
    async fn init(
        &self,
        request: Request<pb::InitRequest>,
    ) -> Result<Response<pb::InitResponse>, Status> {
        let (headers, _, init) = request.into_parts();
        let properties = init.metadata.unwrap_or_default().properties;
        self.stores.open(&headers, self.of.open(properties)).await?;
        Ok(Response::new(pb::InitResponse {}))
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
        request: Request<pb::GetRequest>,
    ) -> Result<Response<pb::GetResponse>, Status> {
        let (store, cx) = self.stores.of_call(&request)?;
        let answer = within(&cx, store.get(&cx, request.into_inner().into())).await?;
        Ok(Response::new(answer.into()))
    }

    async fn set(
        &self,
        request: Request<pb::SetRequest>,
    ) -> Result<Response<pb::SetResponse>, Status> {
        let (store, cx) = self.stores.of_call(&request)?;
        within(&cx, store.set(&cx, request.into_inner().into())).await?;
        Ok(Response::new(pb::SetResponse {}))
    }

    async fn delete(
        &self,
        request: Request<pb::DeleteRequest>,
    ) -> Result<Response<pb::DeleteResponse>, Status> {
        let (store, cx) = self.stores.of_call(&request)?;
        within(&cx, store.delete(&cx, request.into_inner().into())).await?;
        Ok(Response::new(pb::DeleteResponse {}))
    }

    async fn bulk_get(
        &self,
        request: Request<pb::BulkGetRequest>,
    ) -> Result<Response<pb::BulkGetResponse>, Status> {
        let (store, cx) = self.stores.of_call(&request)?;
        let bulk = request.into_inner();
        let at_once = parallelism(bulk.options.map(|options| options.parallelism));
        let answer = within(&cx, store.bulk_get(&cx, each(bulk.items), at_once)).await?;
        Ok(Response::new(pb::BulkGetResponse { items: each(answer) }))
    }

    async fn bulk_set(
        &self,
        request: Request<pb::BulkSetRequest>,
    ) -> Result<Response<pb::BulkSetResponse>, Status> {
        let (store, cx) = self.stores.of_call(&request)?;
        let bulk = request.into_inner();
        let at_once = parallelism(bulk.options.map(|options| options.parallelism));
        within(&cx, store.bulk_set(&cx, each(bulk.items), at_once)).await?;
        Ok(Response::new(pb::BulkSetResponse {}))
    }

    async fn bulk_delete(
        &self,
        request: Request<pb::BulkDeleteRequest>,
    ) -> Result<Response<pb::BulkDeleteResponse>, Status> {
        let (store, cx) = self.stores.of_call(&request)?;
        let bulk = request.into_inner();
        let at_once = parallelism(bulk.options.map(|options| options.parallelism));
        within(&cx, store.bulk_delete(&cx, each(bulk.items), at_once)).await?;
        Ok(Response::new(pb::BulkDeleteResponse {}))
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

#[tonic::async_trait]
impl TransactionalStateStore for StateService {
    async fn transact(
        &self,
        request: Request<pb::TransactionalStateRequest>,
    ) -> Result<Response<pb::TransactionalStateResponse>, Status> {
        let (store, cx) = self.stores.of_call(&request)?;
        let request = TransactRequest::try_from(request.into_inner()).map_err(error_to_status)?;
        within(&cx, store.transact(&cx, request)).await?;
        Ok(Response::new(pb::TransactionalStateResponse {}))
    }
}

#[tonic::async_trait]
impl TransactionalStoreMultiMaxSize for StateService {
    async fn multi_max_size(
        &self,
        request: Request<pb::MultiMaxSizeRequest>,
    ) -> Result<Response<pb::MultiMaxSizeResponse>, Status> {
        let (store, cx) = self.stores.of_call(&request)?;
        let size = within(&cx, store.max_transaction_size(&cx)).await?;
        let max_size = size.map_or(UNBOUNDED, |size| i64::try_from(size).unwrap_or(i64::MAX));
        Ok(Response::new(pb::MultiMaxSizeResponse { max_size }))
    }
}

#[tonic::async_trait]
impl QueriableStateStore for StateService {
    async fn query(
        &self,
        request: Request<pb::QueryRequest>,
    ) -> Result<Response<pb::QueryResponse>, Status> {
        let (store, cx) = self.stores.of_call(&request)?;
        let request = request.into_inner().try_into().map_err(error_to_status)?;
        let answer = within(&cx, store.query(&cx, request)).await?;
        Ok(Response::new(answer.into()))
    }
}
