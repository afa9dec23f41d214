//! From a connection to what the plugin behind it serves: reflection, then Ping.

use replug_proto::dapr::components::v1::PingRequest;
use replug_proto::dapr::components::v1::input_binding_client::InputBindingClient;
use replug_proto::dapr::components::v1::output_binding_client::OutputBindingClient;
use replug_proto::dapr::components::v1::pub_sub_client::PubSubClient;
use replug_proto::dapr::components::v1::secret_store_client::SecretStoreClient;
use replug_proto::dapr::components::v1::state_store_client::StateStoreClient;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1, v1alpha};

use super::connection::Connection;
use super::contract::{Contract, Contracts};
use super::direct::Direct;

/// Why a connection leads to no usable plugin.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The plugin does not answer reflection, in either version.
    #[error("serves no gRPC reflection (neither v1 nor v1alpha), so replug cannot know what it is")]
    NoReflection,
    /// Reflection failed.
    #[error("reflection failed: {}", told(.0))]
    Reflection(Status),
    /// The plugin serves no contract that replug knows.
    #[error("serves no component that replug knows, only {}", .services.join(", "))]
    NothingKnown {
        /// What it serves.
        services: Vec<String>,
    },
    /// The plugin says that it cannot be used at this moment.
    #[error("Ping of {} failed: {}", .contract.service(), told(.status))]
    Ping {
        /// Whose Ping.
        contract: Contract,
        /// Its answer.
        status: Status,
    },
}

fn told(status: &Status) -> String {
    match status.message() {
        "" => format!("{:?}", status.code()),
        message => format!("{:?}: {message}", status.code()),
    }
}

/// Asks the plugin behind `connection` what it serves, and whether it is ready for calls.
///
/// Waits as long as the plugin takes; the caller bounds it. A contract's Ping may be unimplemented:
/// Dapr never calls it.
pub async fn probe(connection: &Connection) -> Result<Contracts, ProbeError> {
    let services = services(connection).await?;
    let contracts = Contracts::known_among(services.iter().map(String::as_str));
    if contracts.is_empty() {
        return Err(ProbeError::NothingKnown { services });
    }
    ping_contracts(connection, &contracts).await?;
    Ok(contracts)
}

/// Asks the plugin behind `connection` whether it is still there and fit for calls: by its
/// contract's Ping, by `grpc.health.v1` where it serves that, and by reflection where it has neither.
///
/// Waits as long as the plugin takes; the caller bounds it.
pub async fn ping(connection: &Connection, contracts: &Contracts) -> Result<(), ProbeError> {
    ping_contracts(connection, contracts).await?;
    if contracts.has(Contract::GrpcHealth) {
        check_health(connection).await
    } else if PINGED.into_iter().any(|contract| contracts.has(contract)) {
        Ok(())
    } else {
        services(connection).await.map(drop)
    }
}

/// The contracts that have a Ping.
const PINGED: [Contract; 5] = [
    Contract::DaprState,
    Contract::DaprSecrets,
    Contract::DaprPubSub,
    Contract::DaprInputBinding,
    Contract::DaprOutputBinding,
];

/// The Ping of each of Dapr's contracts. Dapr itself never calls it, so it may be unimplemented.
async fn ping_contracts(connection: &Connection, contracts: &Contracts) -> Result<(), ProbeError> {
    let direct = || Direct::new(connection);
    if contracts.has(Contract::DaprState) {
        let answer = StateStoreClient::new(direct()).ping(PingRequest {}).await;
        answered(Contract::DaprState, answer)?;
    }
    if contracts.has(Contract::DaprSecrets) {
        let answer = SecretStoreClient::new(direct()).ping(PingRequest {}).await;
        answered(Contract::DaprSecrets, answer)?;
    }
    if contracts.has(Contract::DaprPubSub) {
        let answer = PubSubClient::new(direct()).ping(PingRequest {}).await;
        answered(Contract::DaprPubSub, answer)?;
    }
    if contracts.has(Contract::DaprInputBinding) {
        let answer = InputBindingClient::new(direct()).ping(PingRequest {}).await;
        answered(Contract::DaprInputBinding, answer)?;
    }
    if contracts.has(Contract::DaprOutputBinding) {
        let answer = OutputBindingClient::new(direct()).ping(PingRequest {}).await;
        answered(Contract::DaprOutputBinding, answer)?;
    }
    Ok(())
}

fn answered<T>(contract: Contract, answer: Result<T, Status>) -> Result<(), ProbeError> {
    match answer {
        Err(status) if status.code() != Code::Unimplemented => {
            Err(ProbeError::Ping { contract, status })
        }
        _ => Ok(()),
    }
}

async fn check_health(connection: &Connection) -> Result<(), ProbeError> {
    let failed = |status| ProbeError::Ping { contract: Contract::GrpcHealth, status };
    let request = HealthCheckRequest::default();
    let answer = HealthClient::new(Direct::new(connection)).check(request).await.map_err(failed)?;
    match answer.into_inner().status() {
        ServingStatus::NotServing => Err(failed(Status::unavailable("it says NOT_SERVING"))),
        _ => Ok(()),
    }
}

/// The full names of all services, by reflection v1, else v1alpha.
async fn services(connection: &Connection) -> Result<Vec<String>, ProbeError> {
    match services_v1(connection).await {
        Err(status) if status.code() == Code::Unimplemented => {}
        answer => return answer.map_err(ProbeError::Reflection),
    }
    services_v1alpha(connection).await.map_err(|status| match status.code() {
        Code::Unimplemented => ProbeError::NoReflection,
        _ => ProbeError::Reflection(status),
    })
}

/// One version of the reflection service; the two differ in nothing but their package.
macro_rules! list_services {
    ($name:ident, $version:ident) => {
        async fn $name(connection: &Connection) -> Result<Vec<String>, Status> {
            use $version::server_reflection_client::ServerReflectionClient;
            use $version::server_reflection_request::MessageRequest;
            use $version::server_reflection_response::MessageResponse;

            let request = $version::ServerReflectionRequest {
                host: String::new(),
                message_request: Some(MessageRequest::ListServices(String::new())),
            };
            let mut answers = ServerReflectionClient::new(Direct::new(connection))
                .server_reflection_info(tokio_stream::once(request))
                .await?
                .into_inner();
            let answer = answers.message().await?.and_then(|answer| answer.message_response);
            match answer {
                Some(MessageResponse::ListServicesResponse(list)) => {
                    Ok(list.service.into_iter().map(|service| service.name).collect())
                }
                Some(MessageResponse::ErrorResponse(error)) => {
                    Err(Status::new(Code::from_i32(error.error_code), error.error_message))
                }
                _ => Err(Status::internal("the answer lists no services")),
            }
        }
    };
}

list_services!(services_v1, v1);
list_services!(services_v1alpha, v1alpha);
