//! An application that uses one state store, over Dapr's gRPC and HTTP APIs.

use std::net::SocketAddr;

use bytes::Bytes;
use replug_proto::dapr::common::v1::StateItem;
use replug_proto::dapr::runtime::v1::dapr_client::DaprClient;
use replug_proto::dapr::runtime::v1::{
    DeleteStateRequest, ExecuteStateTransactionRequest, GetStateRequest, SaveStateRequest,
    TransactionalStateOperation,
};
use tonic::Request;
use tonic::transport::{Channel, Endpoint};

use super::http::{self, Answer};
use super::{PATIENCE, Status};

/// An application and the store that it uses.
#[derive(Clone)]
pub(crate) struct Application {
    grpc: DaprClient<Channel>,
    http: SocketAddr,
    store: String,
}

impl Application {
    /// An application of the replug of that status.
    pub(crate) fn new(status: &Status, store: &str) -> Self {
        Self { http: status.address("http"), ..Self::over_grpc(status.address("grpc"), store) }
    }

    /// An application that calls over gRPC alone.
    pub(crate) fn over_grpc(address: SocketAddr, store: &str) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let grpc = DaprClient::new(endpoint.connect_lazy());
        Self { grpc, http: address, store: store.to_owned() }
    }

    /// The value of a key; empty where there is none.
    pub(crate) async fn get(&self, key: &str) -> Result<Bytes, tonic::Status> {
        let request =
            GetStateRequest { store_name: self.store.clone(), key: key.into(), ..<_>::default() };
        Ok(self.grpc.clone().get_state(patiently(request)).await?.into_inner().data)
    }

    /// Stores a value.
    pub(crate) async fn save(&self, key: &str, value: &str) -> Result<(), tonic::Status> {
        let request =
            SaveStateRequest { store_name: self.store.clone(), states: vec![item(key, value)] };
        self.grpc.clone().save_state(patiently(request)).await.map(drop)
    }

    /// Removes a key.
    pub(crate) async fn delete(&self, key: &str) -> Result<(), tonic::Status> {
        let request = DeleteStateRequest {
            store_name: self.store.clone(),
            key: key.into(),
            ..<_>::default()
        };
        self.grpc.clone().delete_state(patiently(request)).await.map(drop)
    }

    /// Stores several values in one transaction.
    pub(crate) async fn transact(&self, values: &[(&str, &str)]) -> Result<(), tonic::Status> {
        let operations = values.iter().map(|(key, value)| TransactionalStateOperation {
            operation_type: "upsert".into(),
            request: Some(item(key, value)),
        });
        let request = ExecuteStateTransactionRequest {
            store_name: self.store.clone(),
            operations: operations.collect(),
            ..<_>::default()
        };
        self.grpc.clone().execute_state_transaction(patiently(request)).await.map(drop)
    }

    /// Stores a value, and reads it back.
    pub(crate) async fn assert_works(&self) {
        self.save("works", "yes").await.unwrap();
        assert_eq!(self.get("works").await.unwrap(), "yes");
    }

    /// The answer to an HTTP request on the store, at a path below it.
    pub(crate) async fn http(&self, method: &str, path: &str, body: &str) -> Answer {
        let path = format!("/v1.0/state/{}{path}", self.store);
        http::request(self.http, method, &path, body).await
    }
}

fn item(key: &str, value: &str) -> StateItem {
    StateItem { key: key.into(), value: value.to_owned().into(), ..<_>::default() }
}

/// No call of a test hangs for ever.
fn patiently<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}
