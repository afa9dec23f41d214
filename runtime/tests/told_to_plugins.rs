//! What a plugin is told of an application's call, and the application of what it answers, where Dapr
//! does something that nobody would guess.

mod support;

use std::sync::Arc;

use replug_component::Metadata;
use replug_component::pubsub::PublishRequest;
use replug_proto::dapr::components::v1 as pb;
use replug_proto::dapr::runtime::v1::InvokeBindingRequest;
use replug_runtime::plugin::Contract;
use replug_runtime::registry::Registry;
use support::life::{CX, Life, registry};
use support::raw::{Call, Raw};
use support::{Api, plain, settings, spec};

/// A window that nothing here fills.
const WIDE: u32 = 1 << 20;

/// The registry of one component, and the life of its plugin.
async fn plugin(component_type: &str, contract: Contract) -> (Arc<Registry>, Raw) {
    let registry = Arc::new(Registry::new("shop", ""));
    registry.declare(spec("plug", component_type, &[])).await.unwrap();
    let mut life = Raw::begin(WIDE).await;
    life.attach_as(&registry, contract).await;
    (registry, life)
}

/// What is asked, past its prefix.
async fn read<M: prost::Message + Default>(call: &mut Call) -> M {
    M::decode(&call.read().await[5..]).unwrap()
}

#[tokio::test]
async fn a_null_over_http_is_refused_before_anything_is_stored() {
    let registry = registry().await;
    let life = Life::begin(1).await;
    life.attach(&registry).await;
    let api = Api::serve(registry, settings()).await;
    let refused = plain(
        "ERR_STATE_SAVE",
        "failed saving state in state store plug: an attempt to set a nil value was received, try to \
         use Delete instead",
    );
    for body in [
        r#"[{"key":"a","value":null}]"#,
        r#"[{"key":"a"}]"#,
        r#"[{"key":"a","value":1},{"key":"b","value":null}]"#,
    ] {
        let answer = api.http("POST", "/v1.0/state/plug", body).await;
        assert_eq!((answer.status, &answer.body), (500, &refused), "{body}");
    }
    assert_eq!(life.calls(), ["init db"]);
    // A text that reads so is a value.
    let answer = api.http("POST", "/v1.0/state/plug", r#"[{"key":"a","value":"null"}]"#).await;
    assert_eq!(answer.status, 204);
    assert_eq!(life.calls(), ["init db", "set a"]);
}

#[tokio::test]
async fn a_secret_without_values_is_no_content_over_http() {
    let (registry, mut life) = plugin("secretstores.plug", Contract::DaprSecrets).await;
    let api = Api::serve(registry, settings()).await;
    let asked = tokio::spawn(async move { api.http("GET", "/v1.0/secrets/plug/k", "").await });
    let call = life.call().await;
    call.answer(&pb::GetSecretResponse::default());
    let answer = life.until(asked).await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
}

#[tokio::test]
async fn a_binding_knows_the_authority_of_a_call_over_grpc_and_nothing_of_grpcs_own() {
    let (registry, mut life) = plugin("bindings.plug", Contract::DaprOutputBinding).await;
    let api = Api::serve(registry, settings()).await;
    let authority = api.grpc.clone();
    let mut client = api.client_without_timer();
    let asked = tokio::spawn(async move {
        let (name, operation) = ("plug".to_owned(), "create".to_owned());
        let message = InvokeBindingRequest { name, operation, ..InvokeBindingRequest::default() };
        let mut request = tonic::Request::new(message);
        request.set_timeout(std::time::Duration::from_secs(60));
        request.metadata_mut().insert("mine", "1".parse().unwrap());
        client.invoke_binding(request).await
    });
    let mut call = life.call().await;
    let told: pb::InvokeRequest = read(&mut call).await;
    call.answer(&pb::InvokeResponse::default());
    life.until(asked).await.unwrap().unwrap();
    assert_eq!(told.metadata["dapr-authority"], authority);
    assert_eq!(told.metadata["mine"], "1");
    for name in ["te", "grpc-timeout", "dapr-grpc-timeout"] {
        assert_eq!(told.metadata.get(name), None, "{name}");
    }
}

#[tokio::test]
async fn a_message_has_its_content_type_in_its_metadata_alone() {
    let (registry, mut life) = plugin("pubsub.plug", Contract::DaprPubSub).await;
    let published = tokio::spawn(async move {
        let component = registry.pubsub("plug").unwrap().slot.component(&CX).await.unwrap();
        let metadata = Metadata::from([("content-type".to_owned(), "text/plain".to_owned())]);
        let content_type = Some("text/plain".to_owned());
        let request = PublishRequest {
            topic: "dead".to_owned(),
            metadata,
            content_type,
            ..PublishRequest::default()
        };
        component.publish(&CX, request).await
    });
    let mut call = life.call().await;
    let told: pb::PublishRequest = read(&mut call).await;
    call.answer(&pb::PublishResponse::default());
    life.until(published).await.unwrap().unwrap();
    assert_eq!((told.topic.as_str(), told.content_type.as_str()), ("dead", ""));
    assert_eq!(told.metadata["content-type"], "text/plain");
}
