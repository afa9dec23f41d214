//! A plugin in this process that does what plugins do: answer, refuse, hang, die, and come back.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use replug_component::Context;
use replug_component::state::{GetRequest, SetRequest, StateStore};
use replug_proto::dapr::components::v1 as pb;
use replug_proto::dapr::components::v1::state_store_server::{
    StateStore as Service, StateStoreServer,
};
use replug_proto::dapr::components::v1::transactional_state_store_server::{
    TransactionalStateStore, TransactionalStateStoreServer,
};
use replug_proto::dapr::components::v1::transactional_store_multi_max_size_server::{
    TransactionalStoreMultiMaxSize, TransactionalStoreMultiMaxSizeServer,
};
use replug_runtime::plugin::{Connection, Seat, probe};
use replug_runtime::registry::{Attached, Offer, Registry};
use tokio::io::{copy_bidirectional, duplex};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status};
use tonic_reflection::server::Builder;
use tonic_types::{ErrorDetails, StatusExt as _};

use super::spec;

pub const CX: Context = Context { deadline: None };

const PIPE: usize = 64 << 10;

/// One life of a plugin that keeps nothing: the key of a call says what happens to it.
#[derive(Debug)]
pub struct Fake {
    generation: usize,
    /// What it was called, in order.
    calls: Mutex<Vec<String>>,
    /// Told of calls that hang.
    hanging: mpsc::UnboundedSender<()>,
    /// A call on `wait` is answered when it can have one of these.
    pub answers: Semaphore,
    /// `Init` fails with an error.
    pub refuses_init: AtomicBool,
    pub bulk_calls: AtomicUsize,
    /// What its component was made with last.
    pub made_with: Mutex<HashMap<String, String>>,
    /// The values that it was given to keep, in order.
    pub given: Mutex<Vec<Bytes>>,
}

impl Fake {
    fn note(&self, call: &str, key: &str) {
        self.calls.lock().push(format!("{call} {key}"));
    }

    /// What becomes of a call on `key`.
    async fn fate(&self, key: &str) -> Result<(), Status> {
        let etag = |code| {
            let details = ErrorDetails::with_bad_request_violation("etag", "the cause");
            Status::with_error_details(code, "ignored", details)
        };
        match key {
            "mismatch" => Err(etag(Code::FailedPrecondition)),
            "invalid" => Err(etag(Code::InvalidArgument)),
            "plain" => Err(Status::not_found("no such row")),
            "kit" => {
                let facts = [("kit_error", "true"), ("http_code", "418"), ("tag", "ERR_TEA")];
                let facts = facts.map(|(name, value)| (name.to_owned(), value.to_owned()));
                let details = ErrorDetails::with_error_info("TEAPOT", "tea.io", facts);
                Err(Status::with_error_details(Code::OutOfRange, "short and stout", details))
            }
            "hang" if self.generation == 1 => {
                self.hanging.send(()).ok();
                std::future::pending().await
            }
            "wait" => {
                self.hanging.send(()).ok();
                self.answers.acquire().await.expect("never closed").forget();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

struct Served(Arc<Fake>);

#[tonic::async_trait]
impl Service for Served {
    async fn init(
        &self,
        request: Request<pb::InitRequest>,
    ) -> Result<Response<pb::InitResponse>, Status> {
        let instance = request.metadata().get("x-component-instance").unwrap();
        assert!(["plug", "beside"].iter().any(|name| instance == name), "{instance:?}");
        let properties = request.into_inner().metadata.unwrap_or_default().properties;
        self.0.note("init", &properties["dsn"]);
        *self.0.made_with.lock() = properties;
        if self.0.refuses_init.load(Ordering::Relaxed) {
            return Err(Status::failed_precondition("the database is locked"));
        }
        Ok(Response::new(pb::InitResponse::default()))
    }

    async fn features(
        &self,
        _: Request<pb::FeaturesRequest>,
    ) -> Result<Response<pb::FeaturesResponse>, Status> {
        let features = vec!["ETAG".to_owned(), "TRANSACTIONAL".to_owned()];
        Ok(Response::new(pb::FeaturesResponse { features }))
    }

    async fn ping(
        &self,
        _: Request<pb::PingRequest>,
    ) -> Result<Response<pb::PingResponse>, Status> {
        Ok(Response::new(pb::PingResponse::default()))
    }

    async fn get(
        &self,
        request: Request<pb::GetRequest>,
    ) -> Result<Response<pb::GetResponse>, Status> {
        let key = request.into_inner().key;
        self.0.note("get", &key);
        self.0.fate(&key).await?;
        let data = format!("of generation {}", self.0.generation).into();
        Ok(Response::new(pb::GetResponse { data, ..Default::default() }))
    }

    async fn set(
        &self,
        request: Request<pb::SetRequest>,
    ) -> Result<Response<pb::SetResponse>, Status> {
        let pb::SetRequest { key, value, .. } = request.into_inner();
        self.0.note("set", &key);
        self.0.given.lock().push(value);
        self.0.fate(&key).await?;
        Ok(Response::new(pb::SetResponse::default()))
    }

    async fn delete(
        &self,
        request: Request<pb::DeleteRequest>,
    ) -> Result<Response<pb::DeleteResponse>, Status> {
        let key = request.into_inner().key;
        self.0.note("delete", &key);
        self.0.fate(&key).await?;
        Ok(Response::new(pb::DeleteResponse::default()))
    }

    async fn bulk_get(
        &self,
        _: Request<pb::BulkGetRequest>,
    ) -> Result<Response<pb::BulkGetResponse>, Status> {
        self.0.bulk_calls.fetch_add(1, Ordering::Relaxed);
        Err(Status::unimplemented("no bulk here"))
    }

    async fn bulk_set(
        &self,
        _: Request<pb::BulkSetRequest>,
    ) -> Result<Response<pb::BulkSetResponse>, Status> {
        self.0.bulk_calls.fetch_add(1, Ordering::Relaxed);
        Err(Status::unimplemented("no bulk here"))
    }

    async fn bulk_delete(
        &self,
        _: Request<pb::BulkDeleteRequest>,
    ) -> Result<Response<pb::BulkDeleteResponse>, Status> {
        self.0.bulk_calls.fetch_add(1, Ordering::Relaxed);
        Err(Status::unimplemented("no bulk here"))
    }
}

#[tonic::async_trait]
impl TransactionalStateStore for Served {
    async fn transact(
        &self,
        request: Request<pb::TransactionalStateRequest>,
    ) -> Result<Response<pb::TransactionalStateResponse>, Status> {
        let operations = request.into_inner().operations;
        self.0.note("transact", &operations.len().to_string());
        self.0.given.lock().extend(operations.into_iter().filter_map(|it| match it.request {
            Some(pb::transactional_state_operation::Request::Set(set)) => Some(set.value),
            _ => None,
        }));
        Ok(Response::new(pb::TransactionalStateResponse::default()))
    }
}

#[tonic::async_trait]
impl TransactionalStoreMultiMaxSize for Served {
    async fn multi_max_size(
        &self,
        _: Request<pb::MultiMaxSizeRequest>,
    ) -> Result<Response<pb::MultiMaxSizeResponse>, Status> {
        self.0.note("size", "2");
        Ok(Response::new(pb::MultiMaxSizeResponse { max_size: 2 }))
    }
}

/// A life of the plugin, reached over a pipe.
pub struct Life {
    pub fake: Arc<Fake>,
    pub connection: Connection,
    pub hanging: mpsc::UnboundedReceiver<()>,
    pipe: AbortHandle,
}

impl Life {
    pub async fn begin(generation: usize) -> Self {
        Self::begin_serving(generation, &["StateStore"]).await
    }

    /// Reflection names these services of Dapr's package; all of them are served.
    pub async fn begin_serving(generation: usize, services: &[&str]) -> Self {
        let (told, hanging) = mpsc::unbounded_channel();
        let fake = Arc::new(Fake {
            generation,
            calls: Mutex::default(),
            hanging: told,
            answers: Semaphore::new(0),
            refuses_init: AtomicBool::new(false),
            bulk_calls: AtomicUsize::new(0),
            made_with: Mutex::default(),
            given: Mutex::default(),
        });
        let (ours, mut near) = duplex(PIPE);
        let (mut far, theirs) = duplex(PIPE);
        let pipe = tokio::spawn(async move {
            copy_bidirectional(&mut near, &mut far).await.ok();
        });
        // As Dapr's SDKs: reflection in the old version alone.
        let reflection = services
            .iter()
            .map(|service| format!("dapr.proto.components.v1.{service}"))
            .fold(tonic_reflection::server::Builder::configure(), Builder::with_service_name)
            .register_encoded_file_descriptor_set(replug_proto::FILE_DESCRIPTOR_SET)
            .build_v1alpha()
            .unwrap();
        let server = Server::builder()
            .add_service(reflection)
            .add_service(StateStoreServer::new(Served(fake.clone())))
            .add_service(TransactionalStateStoreServer::new(Served(fake.clone())))
            .add_service(TransactionalStoreMultiMaxSizeServer::new(Served(fake.clone())))
            .serve_with_incoming(tokio_stream::once(Ok::<_, std::io::Error>(theirs)));
        tokio::spawn(server);
        let connection = Connection::open(ours).await.unwrap();
        Self { fake, connection, hanging, pipe: pipe.abort_handle() }
    }

    /// Offers what the life serves, as a plugin of one process does.
    pub async fn attach(&self, registry: &Registry) -> Attached {
        self.attach_at(registry, Seat::default()).await
    }

    pub async fn attach_at(&self, registry: &Registry, seat: Seat) -> Attached {
        let contracts = probe(&self.connection).await.unwrap();
        let connection = self.connection.clone();
        let (plugin, socket) = ("fake".into(), "plug".into());
        registry.attach(Offer { plugin, seat, socket, contracts, connection }).await
    }

    /// The plugin is gone, in the middle of whatever it does.
    pub async fn kill(&self) {
        self.pipe.abort();
        self.connection.closed().wait().await;
    }

    pub fn calls(&self) -> Vec<String> {
        self.fake.calls.lock().clone()
    }
}

pub async fn registry() -> Arc<Registry> {
    let registry = Arc::new(Registry::new("shop", ""));
    let metadata = [("keyPrefix", "none"), ("dsn", "db")];
    registry.declare(spec("plug", "state.plug", &metadata)).await.unwrap();
    registry
}

pub async fn store(registry: &Registry) -> Arc<dyn StateStore> {
    registry.state("plug").unwrap().slot.component(&Context::default()).await.unwrap()
}

pub fn get(key: &str) -> GetRequest {
    GetRequest { key: key.into(), ..GetRequest::default() }
}

pub fn set(key: &str) -> SetRequest {
    SetRequest { key: key.into(), ..SetRequest::default() }
}
