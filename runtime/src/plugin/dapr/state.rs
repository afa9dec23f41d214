//! `dapr.proto.components.v1.StateStore` and what may stand beside it, as a state store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use http::Uri;
use parking_lot::Mutex;
use prost::Message;
use replug_component::state::{
    BulkGetItem, DeleteRequest, GetRequest, GetResponse, Parallelism, QueryRequest, QueryResponse,
    SetRequest, StateStore, TransactRequest, each,
};
use replug_component::{Context, Error, Features, Metadata};
use replug_proto::dapr::components::v1 as pb;
use replug_proto::dapr::components::v1::state_store_client::StateStoreClient;
use tonic::{Code, Status};

use crate::component::ComponentSpec;
use crate::plugin::link::{CallKind, Link, Method, failure_of};
use crate::plugin::{Connection, Contract, Contracts, Direct, Learned, Wrapper};

static GET: Method =
    Method::new(|| Uri::from_static("http://localhost/dapr.proto.components.v1.StateStore/Get"));
static SET: Method =
    Method::new(|| Uri::from_static("http://localhost/dapr.proto.components.v1.StateStore/Set"));
static DELETE: Method =
    Method::new(|| Uri::from_static("http://localhost/dapr.proto.components.v1.StateStore/Delete"));
static BULK_GET: Method = Method::new(|| {
    Uri::from_static("http://localhost/dapr.proto.components.v1.StateStore/BulkGet")
});
static BULK_SET: Method = Method::new(|| {
    Uri::from_static("http://localhost/dapr.proto.components.v1.StateStore/BulkSet")
});
static BULK_DELETE: Method = Method::new(|| {
    Uri::from_static("http://localhost/dapr.proto.components.v1.StateStore/BulkDelete")
});
static PING: Method =
    Method::new(|| Uri::from_static("http://localhost/dapr.proto.components.v1.StateStore/Ping"));
static TRANSACT: Method = Method::new(|| {
    Uri::from_static("http://localhost/dapr.proto.components.v1.TransactionalStateStore/Transact")
});
static MAX_SIZE: Method = Method::new(|| {
    Uri::from_static(
        "http://localhost/dapr.proto.components.v1.TransactionalStoreMultiMaxSize/MultiMaxSize",
    )
});
static QUERY: Method = Method::new(|| {
    Uri::from_static("http://localhost/dapr.proto.components.v1.QueriableStateStore/Query")
});

/// A state store whose plugin serves Dapr's contract.
#[derive(Debug)]
pub struct DaprStateStore {
    /// What applications call the component.
    name: Arc<str>,
    learned: ArcSwap<Learned>,
    /// The plugin said that it has no bulk calls; single calls are made at once from then on.
    singly: Singly,
    /// How large a transaction may be, once the plugin was asked; asked again in its next life.
    /// Zero: as large as one likes.
    transaction_bound: Mutex<Option<usize>>,
    link: Link,
}

/// Which bulk calls the plugin does not have.
#[derive(Debug, Default)]
struct Singly {
    get: AtomicBool,
    set: AtomicBool,
    delete: AtomicBool,
}

impl DaprStateStore {
    /// The wrapper of one component; its link is held until it is opened.
    #[must_use]
    pub fn new(spec: &ComponentSpec, reason: &str) -> Self {
        Self {
            name: spec.name.as_str().into(),
            learned: ArcSwap::default(),
            singly: Singly::default(),
            transaction_bound: Mutex::default(),
            link: Link::new(spec, reason),
        }
    }

    async fn read<A: Message + Default>(
        &self,
        cx: &Context,
        method: &Method,
        message: &impl Message,
    ) -> Result<A, Status> {
        self.link.unary(cx, CallKind::Read, method, message).await
    }

    async fn write<A: Message + Default>(
        &self,
        cx: &Context,
        method: &Method,
        message: &impl Message,
    ) -> Result<A, Status> {
        self.link.unary(cx, CallKind::Write, method, message).await
    }

    /// The features that the plugin claims, without those whose service it lacks.
    fn usable(&self, claimed: Vec<String>, contracts: &Contracts) -> Features {
        let transactions = contracts.has(Contract::DaprStateTransactions);
        Features::new(claimed.into_iter().filter(|feature| {
            let usable = transactions || feature != Features::TRANSACTIONAL;
            if !usable {
                tracing::warn!(
                    component = &*self.name,
                    "the plugin claims {feature} and does not serve {}",
                    Contract::DaprStateTransactions.service()
                );
            }
            usable
        }))
    }
}

#[async_trait]
impl Wrapper for DaprStateStore {
    fn link(&self) -> &Link {
        &self.link
    }

    async fn init(
        &self,
        connection: &Connection,
        contracts: &Contracts,
        metadata: Metadata,
    ) -> Result<Learned, Error> {
        let mut client: StateStoreClient<Direct> =
            StateStoreClient::new(self.link.directly(connection));
        let metadata = Some(pb::MetadataRequest { properties: metadata });
        client.init(pb::InitRequest { metadata }).await.map_err(failure)?;
        let features = client.features(pb::FeaturesRequest {}).await.map_err(failure)?;
        let features = self.usable(features.into_inner().features, contracts);
        Ok(Learned { contracts: contracts.clone(), features })
    }

    fn adopt(&self, learned: &Learned) {
        self.learned.store(Arc::new(learned.clone()));
        *self.transaction_bound.lock() = None;
        for singly in [&self.singly.get, &self.singly.set, &self.singly.delete] {
            singly.store(false, Ordering::Relaxed);
        }
    }

    fn capabilities(&self) -> Vec<String> {
        self.learned.load().features.iter().map(str::to_owned).collect()
    }

    fn state_store(self: Arc<Self>) -> Option<Arc<dyn StateStore>> {
        Some(self)
    }
}

/// What a failed call says about the store.
fn failure(status: Status) -> Error {
    failure_of(status, replug_component::state::error_from_status)
}

/// The answer of a bulk call; none where the plugin has no such call, which `singly` remembers.
fn unless_missing<T>(answer: Result<T, Status>, singly: &AtomicBool) -> Result<Option<T>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(status) if status.code() == Code::Unimplemented => {
            singly.store(true, Ordering::Relaxed);
            Ok(None)
        }
        Err(status) => Err(failure(status)),
    }
}

/// Zero is all at once, on the wire.
fn at_once(parallelism: Parallelism) -> i64 {
    parallelism.map_or(0, |most| i64::try_from(most.get()).unwrap_or(i64::MAX))
}

#[async_trait]
impl StateStore for DaprStateStore {
    fn features(&self) -> Features {
        self.learned.load().features.clone()
    }

    async fn get(&self, cx: &Context, get: GetRequest) -> Result<GetResponse, Error> {
        let answer = self.read(cx, &GET, &pb::GetRequest::from(get)).await;
        answer.map(pb::GetResponse::into).map_err(failure)
    }

    fn refuses_null(&self) -> bool {
        true
    }

    async fn set(&self, cx: &Context, set: SetRequest) -> Result<(), Error> {
        let answer = self.write(cx, &SET, &pb::SetRequest::from(set)).await;
        answer.map(|_: pb::SetResponse| ()).map_err(failure)
    }

    async fn delete(&self, cx: &Context, delete: DeleteRequest) -> Result<(), Error> {
        let answer = self.write(cx, &DELETE, &pb::DeleteRequest::from(delete)).await;
        answer.map(|_: pb::DeleteResponse| ()).map_err(failure)
    }

    async fn bulk_get(
        &self,
        cx: &Context,
        gets: Vec<GetRequest>,
        parallelism: Parallelism,
    ) -> Result<Vec<BulkGetItem>, Error> {
        if !self.singly.get.load(Ordering::Relaxed) {
            let bulk = pb::BulkGetRequest {
                items: gets.iter().cloned().map(Into::into).collect(),
                options: Some(pb::BulkGetRequestOptions { parallelism: at_once(parallelism) }),
            };
            let answer = self.read::<pb::BulkGetResponse>(cx, &BULK_GET, &bulk).await;
            if let Some(answer) = unless_missing(answer, &self.singly.get)? {
                return Ok(answer.items.into_iter().map(Into::into).collect());
            }
        }
        each::get(self, cx, gets, parallelism).await
    }

    async fn bulk_set(
        &self,
        cx: &Context,
        sets: Vec<SetRequest>,
        parallelism: Parallelism,
    ) -> Result<(), Error> {
        if !self.singly.set.load(Ordering::Relaxed) {
            let bulk = pb::BulkSetRequest {
                items: sets.iter().cloned().map(Into::into).collect(),
                options: Some(pb::BulkSetRequestOptions { parallelism: at_once(parallelism) }),
            };
            let answer = self.write::<pb::BulkSetResponse>(cx, &BULK_SET, &bulk).await;
            if unless_missing(answer, &self.singly.set)?.is_some() {
                return Ok(());
            }
        }
        each::set(self, cx, sets, parallelism).await
    }

    async fn bulk_delete(
        &self,
        cx: &Context,
        deletes: Vec<DeleteRequest>,
        parallelism: Parallelism,
    ) -> Result<(), Error> {
        if !self.singly.delete.load(Ordering::Relaxed) {
            let bulk = pb::BulkDeleteRequest {
                items: deletes.iter().cloned().map(Into::into).collect(),
                options: Some(pb::BulkDeleteRequestOptions { parallelism: at_once(parallelism) }),
            };
            let answer = self.write::<pb::BulkDeleteResponse>(cx, &BULK_DELETE, &bulk).await;
            if unless_missing(answer, &self.singly.delete)?.is_some() {
                return Ok(());
            }
        }
        each::delete(self, cx, deletes, parallelism).await
    }

    async fn transact(&self, cx: &Context, transact: TransactRequest) -> Result<(), Error> {
        let request = pb::TransactionalStateRequest::from(transact);
        let answer = self.write(cx, &TRANSACT, &request).await;
        answer.map(|_: pb::TransactionalStateResponse| ()).map_err(failure)
    }

    /// Asked once in each life, and only where the plugin serves the contract. Zero, less, or an error of the plugin's
    /// means that there is no bound, as in Dapr.
    async fn max_transaction_size(&self, cx: &Context) -> Result<Option<usize>, Error> {
        if !self.learned.load().contracts.has(Contract::DaprStateTransactionSize) {
            return Ok(None);
        }
        let known = *self.transaction_bound.lock();
        if let Some(bound) = known {
            return Ok((bound > 0).then_some(bound));
        }
        let request = pb::MultiMaxSizeRequest {};
        let answer = self.read::<pb::MultiMaxSizeResponse>(cx, &MAX_SIZE, &request).await;
        let bound = match answer.map_err(failure) {
            Ok(answer) => usize::try_from(answer.max_size).unwrap_or(0),
            Err(error @ Error::Unavailable(_)) => return Err(error),
            Err(_) => 0,
        };
        *self.transaction_bound.lock() = Some(bound);
        Ok((bound > 0).then_some(bound))
    }

    async fn query(&self, cx: &Context, query: QueryRequest) -> Result<QueryResponse, Error> {
        let answer = self.read(cx, &QUERY, &pb::QueryRequest::from(query)).await;
        answer.map(pb::QueryResponse::into).map_err(failure)
    }

    async fn ping(&self, cx: &Context) -> Result<(), Error> {
        let answer = self.read(cx, &PING, &pb::PingRequest {}).await;
        answer.map(|_: pb::PingResponse| ()).map_err(failure)
    }
}
