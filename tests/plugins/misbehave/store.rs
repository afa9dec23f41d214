//! The state services: a map in memory, and the wrong answers of some modes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use replug_proto::dapr::components::v1 as pb;
use replug_proto::dapr::components::v1::state_store_server::StateStore;
use replug_proto::dapr::components::v1::transactional_state_operation::Request as Operation;
use replug_proto::dapr::components::v1::transactional_state_store_server::TransactionalStateStore;
use tokio::sync::Mutex;
use tonic::{Request, Response, Status};

use crate::mode::Mode;
use crate::tally;

/// More than the 4 MiB that gRPC takes by default, and than anyone should have to take.
const HUGE_BYTES: usize = 64 * 1024 * 1024;
/// A key whose `Set` is never answered.
const NEVER: &str = "never";
const INSTANCE: &str = "x-component-instance";
/// The key whose value is the number of the process that answers, and its id.
const WHO: &str = "who-serves";

/// Keys to values, with the instance that they belong to.
type Values = HashMap<(String, String), Bytes>;

/// A store per component, all in one map; lost with the process.
#[derive(Clone)]
pub(crate) struct Store {
    mode: Mode,
    values: Arc<Mutex<Values>>,
}

impl Store {
    pub(crate) fn new(mode: Mode) -> Self {
        Self { mode, values: Arc::default() }
    }

    /// Prints what it is to keep.
    fn tell(&self, set: &pb::SetRequest) {
        if self.mode == Mode::Tell {
            println!("given {} = {}", set.key, String::from_utf8_lossy(&set.value));
        }
    }
}

fn instance<T>(request: &Request<T>) -> String {
    let value = request.metadata().get(INSTANCE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

#[tonic::async_trait]
impl StateStore for Store {
    async fn init(
        &self,
        request: Request<pb::InitRequest>,
    ) -> Result<Response<pb::InitResponse>, Status> {
        if self.mode == Mode::Tell {
            let metadata = request.into_inner().metadata.unwrap_or_default();
            let sorted: BTreeMap<_, _> = metadata.properties.into_iter().collect();
            println!("made with {sorted:?}");
        }
        if self.mode == Mode::InitError {
            return Err(Status::failed_precondition("the database is locked"));
        }
        Ok(Response::new(pb::InitResponse {}))
    }

    async fn features(
        &self,
        _: Request<pb::FeaturesRequest>,
    ) -> Result<Response<pb::FeaturesResponse>, Status> {
        Ok(Response::new(pb::FeaturesResponse { features: vec!["TRANSACTIONAL".into()] }))
    }

    async fn ping(
        &self,
        _: Request<pb::PingRequest>,
    ) -> Result<Response<pb::PingResponse>, Status> {
        if self.mode == Mode::PingError {
            return Err(Status::internal("not well today"));
        }
        Ok(Response::new(pb::PingResponse {}))
    }

    async fn get(
        &self,
        request: Request<pb::GetRequest>,
    ) -> Result<Response<pb::GetResponse>, Status> {
        let data = if self.mode == Mode::HugeMessage {
            Bytes::from(vec![0; HUGE_BYTES])
        } else {
            let key = (instance(&request), request.into_inner().key);
            if key.1.ends_with(WHO) {
                let number = std::env::var("REPLUG_INSTANCE").unwrap_or_default();
                let data = format!("{number} {}", std::process::id()).into();
                return Ok(Response::new(pb::GetResponse { data, ..Default::default() }));
            }
            let known = self.values.lock().await.get(&key).cloned();
            match (self.mode, known) {
                (_, Some(value)) => value,
                (Mode::Tally, None) => tally::value(&key.1)?,
                (_, None) => Bytes::new(),
            }
        };
        Ok(Response::new(pb::GetResponse { data, ..Default::default() }))
    }

    async fn set(
        &self,
        request: Request<pb::SetRequest>,
    ) -> Result<Response<pb::SetResponse>, Status> {
        let instance = instance(&request);
        let set = request.into_inner();
        if set.key.ends_with(NEVER) {
            println!("a call that has no end");
            std::future::pending::<()>().await;
        }
        if self.mode == Mode::Tally {
            tally::add(&set.key, &set.value)?;
        }
        self.tell(&set);
        self.values.lock().await.insert((instance, set.key), set.value);
        Ok(Response::new(pb::SetResponse {}))
    }

    async fn delete(
        &self,
        request: Request<pb::DeleteRequest>,
    ) -> Result<Response<pb::DeleteResponse>, Status> {
        let key = (instance(&request), request.into_inner().key);
        self.values.lock().await.remove(&key);
        Ok(Response::new(pb::DeleteResponse {}))
    }
}

#[tonic::async_trait]
impl TransactionalStateStore for Store {
    async fn transact(
        &self,
        request: Request<pb::TransactionalStateRequest>,
    ) -> Result<Response<pb::TransactionalStateResponse>, Status> {
        let instance = instance(&request);
        let mut values = self.values.lock().await;
        for operation in request.into_inner().operations {
            match operation.request {
                Some(Operation::Set(set)) => {
                    self.tell(&set);
                    values.insert((instance.clone(), set.key), set.value);
                }
                Some(Operation::Delete(delete)) => {
                    values.remove(&(instance.clone(), delete.key));
                }
                None => return Err(Status::invalid_argument("an empty operation")),
            }
        }
        Ok(Response::new(pb::TransactionalStateResponse {}))
    }
}
