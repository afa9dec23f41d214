//! An application that uses a state store, a pubsub and a binding over Dapr's gRPC API, on a
//! connection of its own.

use bytes::Bytes;
use replug_proto::dapr::common::v1::StateItem;
use replug_proto::dapr::runtime::v1::dapr_client::DaprClient;
use replug_proto::dapr::runtime::v1::{
    GetStateRequest, InvokeBindingRequest, PublishEventRequest, SaveStateRequest,
};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_types::StatusExt as _;

use crate::plugin::{BINDING, BUS, COMPONENT, TOPIC};
use crate::{Failure, PATIENCE};

/// An application. Clones share its connection.
#[derive(Debug, Clone)]
pub(crate) struct Application(DaprClient<Channel>);

impl Application {
    /// Connects to a replug's gRPC address.
    pub(crate) async fn connect(address: &str) -> Result<Self, Failure> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
        Ok(Self(DaprClient::new(endpoint.connect().await?)))
    }

    /// The value of a key; empty where there is none.
    pub(crate) async fn get(&mut self, key: String) -> Result<Bytes, Status> {
        let request =
            GetStateRequest { store_name: COMPONENT.to_owned(), key, ..Default::default() };
        Ok(self.0.get_state(patiently(request)).await?.into_inner().data)
    }

    /// Stores a value.
    pub(crate) async fn save(&mut self, key: String, value: Bytes) -> Result<(), Status> {
        let item = StateItem { key, value, ..Default::default() };
        let request = SaveStateRequest { store_name: COMPONENT.to_owned(), states: vec![item] };
        self.0.save_state(patiently(request)).await.map(drop)
    }

    /// Publishes a text.
    pub(crate) async fn publish(&mut self, message: String) -> Result<(), Status> {
        let request = PublishEventRequest {
            pubsub_name: BUS.to_owned(),
            topic: TOPIC.to_owned(),
            data: message.into_bytes().into(),
            data_content_type: "text/plain".to_owned(),
            ..Default::default()
        };
        self.0.publish_event(patiently(request)).await.map(drop)
    }

    /// Invokes the binding, with an operation that changes nothing.
    pub(crate) async fn invoke(&mut self) -> Result<(), Status> {
        let (name, operation) = (BINDING.to_owned(), "last".to_owned());
        let request = InvokeBindingRequest { name, operation, ..Default::default() };
        self.0.invoke_binding(patiently(request)).await.map(drop)
    }
}

/// No call hangs for ever.
fn patiently<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}

/// Whether replug says of a failed write that it may have been carried out or not.
pub(crate) fn outcome_unknown(status: &Status) -> bool {
    let info = status.get_details_error_info();
    info.is_some_and(|info| info.metadata.get("outcome_unknown").is_some_and(|it| it == "true"))
}
