//! What a plugin says that it serves: reflection in both versions, and health.

mod support;

use replug_sdk::Plugin;
use support::{GreeterType, Serving, ShelfType};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

const ABOUT: [&str; 3] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

const STATE: [&str; 4] = [
    "dapr.proto.components.v1.QueriableStateStore",
    "dapr.proto.components.v1.StateStore",
    "dapr.proto.components.v1.TransactionalStateStore",
    "dapr.proto.components.v1.TransactionalStoreMultiMaxSize",
];

const HELLO: &str = "spec.proto.pluggable.v1.hello.Hello";

/// One version's answers: the services, and the names of the files that describe a symbol.
macro_rules! reflection {
    ($version:ident) => {
        mod $version {
            use prost::Message as _;
            use tonic_reflection::pb::$version as pb;

            use super::*;
            use pb::server_reflection_client::ServerReflectionClient;
            use pb::server_reflection_request::MessageRequest;
            use pb::server_reflection_response::MessageResponse;

            async fn ask(
                channel: Channel,
                what: MessageRequest,
            ) -> Result<MessageResponse, Status> {
                let request = pb::ServerReflectionRequest {
                    host: String::new(),
                    message_request: Some(what),
                };
                let mut client = ServerReflectionClient::new(channel);
                let answers = client.server_reflection_info(tokio_stream::once(request)).await?;
                let answer = answers.into_inner().message().await?.unwrap();
                Ok(answer.message_response.unwrap())
            }

            pub async fn services(channel: Channel) -> Vec<String> {
                let list = MessageRequest::ListServices(String::new());
                let Ok(MessageResponse::ListServicesResponse(list)) = ask(channel, list).await
                else {
                    panic!("no list")
                };
                let mut names: Vec<_> = list.service.into_iter().map(|s| s.name).collect();
                names.sort();
                names
            }

            pub async fn file_of(channel: Channel, symbol: &str) -> Result<String, Status> {
                let symbol = MessageRequest::FileContainingSymbol(symbol.to_owned());
                let MessageResponse::FileDescriptorResponse(found) = ask(channel, symbol).await?
                else {
                    panic!("no file")
                };
                let file = &found.file_descriptor_proto[0];
                let file = prost_types::FileDescriptorProto::decode(file.as_slice()).unwrap();
                Ok(file.name.unwrap())
            }
        }
    };
}

reflection!(v1);
reflection!(v1alpha);

#[tokio::test]
async fn reflection_lists_what_is_served_and_nothing_else() {
    let expect = async |plugin: Plugin, contracts: &[&str]| {
        let serving = Serving::start(plugin);
        let channel = serving.channel().await;
        let mut expected = [contracts, &ABOUT].concat();
        expected.sort_unstable();
        assert_eq!(v1::services(channel.clone()).await, expected);
        assert_eq!(v1alpha::services(channel).await, expected);
    };
    let plugin = || Plugin::named("shelf");
    expect(plugin().state(ShelfType::default()), &STATE).await;
    expect(plugin().hello(GreeterType), &[HELLO]).await;
    let both = plugin().state(ShelfType::default()).hello(GreeterType);
    expect(both, &[STATE.as_slice(), &[HELLO]].concat()).await;
}

#[tokio::test]
async fn reflection_describes_what_is_served() {
    let serving = Serving::start(Plugin::named("shelf").state(ShelfType::default()));
    let channel = serving.channel().await;
    let file = v1::file_of(channel.clone(), STATE[1]).await.unwrap();
    assert_eq!(file, "dapr/proto/components/v1/state.proto");
    let file = v1alpha::file_of(channel.clone(), ABOUT[0]).await.unwrap();
    assert!(file.ends_with("health.proto"), "{file}");
    let unknown = v1::file_of(channel, "dapr.proto.runtime.v1.Dapr").await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
}

#[tokio::test]
async fn health_knows_the_plugin_and_its_contracts() {
    let serving = Serving::start(Plugin::named("shelf").state(ShelfType::default()));
    let mut health = HealthClient::new(serving.channel().await);
    for service in ["", STATE[1]] {
        let answer = health.check(HealthCheckRequest { service: service.into() }).await.unwrap();
        assert_eq!(answer.into_inner().status, 1, "{service} is SERVING");
    }
    let unknown = health.check(HealthCheckRequest { service: HELLO.into() }).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
}
