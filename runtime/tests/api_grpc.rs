//! The gRPC port: Dapr's and Layotto's calls, statuses and details, reflection and health.

mod support;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use replug_proto::dapr::common::v1::{Etag, StateItem};
use replug_proto::dapr::runtime::v1 as dapr;
use replug_proto::dapr::runtime::v1::dapr_client::DaprClient;
use replug_proto::layotto::runtime::v1 as layotto;
use replug_proto::layotto::runtime::v1::runtime_client::RuntimeClient;
use replug_runtime::api::{ApiToken, Phase, ShutdownRequest};
use replug_runtime::resources::MetricsSettings;
use replug_runtime::telemetry::Telemetry;
use support::{Api, spec};
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::{ErrorDetail, StatusExt as _};

fn client(api: &Api) -> DaprClient<Channel> {
    DaprClient::new(api.channel())
}

fn item(key: &str, value: &'static str) -> StateItem {
    StateItem { key: key.into(), value: value.into(), ..StateItem::default() }
}

fn save(states: Vec<StateItem>) -> dapr::SaveStateRequest {
    dapr::SaveStateRequest { store_name: "mem".into(), states }
}

fn get(key: &str) -> dapr::GetStateRequest {
    dapr::GetStateRequest { store_name: "mem".into(), key: key.into(), ..Default::default() }
}

fn etag(value: &str) -> Etag {
    Etag { value: value.into() }
}

/// The one detail of an error that has nothing but its code to say.
fn reason(status: &Status) -> String {
    match &status.get_error_details_vec()[..] {
        [ErrorDetail::ErrorInfo(info)] => {
            assert_eq!(info.domain, "dapr.io");
            assert!(info.metadata.is_empty(), "{info:?}");
            info.reason.clone()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn values_are_bytes_unless_they_are_called_json() {
    let api = Api::start().await;
    let mut client = client(&api);
    let json = HashMap::from([("contentType".to_owned(), "application/json".to_owned())]);
    let rewritten = StateItem { metadata: json.clone(), ..item("json", r#"{ "b": 1, "a": 2 }"#) };
    client.save_state(save(vec![item("raw", "{ raw"), rewritten])).await.unwrap();
    let got = client.get_state(get("raw")).await.unwrap().into_inner();
    assert_eq!(got.data, "{ raw");
    assert!(!got.etag.is_empty());
    let got = client.get_state(get("json")).await.unwrap().into_inner();
    assert_eq!(got.data, r#"{"a":2,"b":1}"#);
    let missing = client.get_state(get("none")).await.unwrap().into_inner();
    assert_eq!(missing, dapr::GetStateResponse::default());

    let broken = StateItem { metadata: json, ..item("json", "{") };
    let status = client.save_state(save(vec![broken])).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unknown, "unexpected end of JSON input"));
    for (text, why) in [
        ("", "unexpected end of JSON input"),
        ("text", "invalid character 'e' in literal true (expecting 'r')"),
        ("[1] 2", "invalid character '2' after top-level value"),
    ] {
        let json = HashMap::from([("contentType".to_owned(), "application/json".to_owned())]);
        let broken = StateItem { metadata: json, ..item("json", text) };
        let status = client.save_state(save(vec![broken])).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Unknown, why), "{text}");
    }
}

#[tokio::test]
async fn statuses_carry_codes_and_details_as_daprs_do() {
    let api = Api::start().await;
    let mut client = client(&api);
    client.save_state(save(vec![])).await.unwrap();
    client.save_state(save(vec![item("k", "1")])).await.unwrap();

    let status = client.save_state(save(vec![item("", "1")])).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::InvalidArgument, "state key cannot be empty")
    );
    assert_eq!(reason(&status), "ERR_STATE_SAVE");

    let stale = StateItem { etag: Some(etag("77")), ..item("k", "2") };
    let status = client.save_state(save(vec![stale.clone()])).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Aborted, "ERR_STATE_SAVE"));
    // Several at once: the others are saved.
    let status = client.save_state(save(vec![stale.clone(), item("new", "2")])).await.unwrap_err();
    assert_eq!(status.code(), Code::Aborted);
    assert_eq!(client.get_state(get("new")).await.unwrap().into_inner().data, "2");

    let delete = dapr::DeleteStateRequest {
        store_name: "mem".into(),
        key: "k".into(),
        etag: Some(etag("77")),
        ..Default::default()
    };
    let status = client.delete_state(delete).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Aborted, "ERR_STATE_DELETE"));

    let bulk = dapr::DeleteBulkStateRequest { store_name: "mem".into(), states: vec![stale] };
    let status = client.delete_bulk_state(bulk).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Aborted, "ERR_STATE_BULK_DELETE"));

    let unknown = dapr::GetStateRequest { store_name: "nope".into(), ..get("k") };
    let status = client.get_state(unknown).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::InvalidArgument, "state store nope is not found")
    );
    assert_eq!(reason(&status), "DAPR_STATE_NOT_FOUND");

    let status = client.get_state(get("a||b")).await.unwrap_err();
    let message = "input key/keyPrefix 'a||b' can't contain '||'";
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, message));
    match &status.get_error_details_vec()[..] {
        [
            ErrorDetail::BadRequest(bad),
            ErrorDetail::ResourceInfo(resource),
            ErrorDetail::ErrorInfo(info),
        ] => {
            assert_eq!(bad.field_violations[0].field, "a||b");
            assert_eq!(bad.field_violations[0].description, message);
            assert_eq!((&*resource.resource_type, &*resource.resource_name), ("state", "mem"));
            assert_eq!(info.reason, "DAPR_STATE_ILLEGAL_KEY");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_bulk_get_gives_an_item_for_every_key() {
    let api = Api::start().await;
    let mut client = client(&api);
    client.save_state(save(vec![item("a", "\0raw")])).await.unwrap();
    let mut bulk = dapr::GetBulkStateRequest {
        store_name: "mem".into(),
        keys: vec!["a".into(), "none".into()],
        ..Default::default()
    };
    let items = client.get_bulk_state(bulk.clone()).await.unwrap().into_inner().items;
    assert_eq!((items[0].key.as_str(), &items[0].data[..]), ("a", &b"\0raw"[..]));
    assert_eq!(items[1], dapr::BulkStateItem { key: "none".into(), ..Default::default() });
    bulk.keys.clear();
    assert!(client.get_bulk_state(bulk).await.unwrap().into_inner().items.is_empty());
}

#[tokio::test]
async fn a_transaction_that_fails_is_internal_and_an_unknown_operation_unimplemented() {
    let api = Api::start().await;
    let mut client = client(&api);
    client.save_state(save(vec![item("k", "1")])).await.unwrap();
    let transaction = |operations: Vec<(&str, StateItem)>| dapr::ExecuteStateTransactionRequest {
        store_name: "mem".into(),
        operations: operations
            .into_iter()
            .map(|(kind, item)| dapr::TransactionalStateOperation {
                operation_type: kind.into(),
                request: Some(item),
            })
            .collect(),
        ..Default::default()
    };
    let done = transaction(vec![("upsert", item("new", "1")), ("delete", item("k", ""))]);
    client.execute_state_transaction(done).await.unwrap();
    assert_eq!(client.get_state(get("k")).await.unwrap().into_inner().data, "");
    client.execute_state_transaction(transaction(vec![])).await.unwrap();

    let stale = StateItem { etag: Some(etag("77")), ..item("new", "2") };
    let failed = transaction(vec![("upsert", item("other", "1")), ("upsert", stale)]);
    let status = client.execute_state_transaction(failed).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::Internal, "ERR_STATE_TRANSACTION")
    );
    assert!(status.message().starts_with("error while executing state transaction: "));
    assert_eq!(client.get_state(get("other")).await.unwrap().into_inner().data, "");

    let unknown = transaction(vec![("merge", item("k", "1"))]);
    let status = client.execute_state_transaction(unknown).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unimplemented, "operation type merge not supported")
    );
    assert_eq!(reason(&status), "ERR_NOT_SUPPORTED_STATE_OPERATION");
}

#[tokio::test]
async fn calls_that_replug_does_not_have_say_so_in_daprs_words() {
    let api = Api::start().await;
    let expected = (Code::Unimplemented, "this API is currently not implemented");
    let mut dapr = client(&api);
    let unary = dapr.try_lock_alpha1(dapr::TryLockRequest::default()).await.unwrap_err();
    assert_eq!((unary.code(), unary.message()), expected);
    assert!(unary.details().is_empty());
    let request = dapr::SubscribeConfigurationRequest::default();
    let streaming = dapr.subscribe_configuration(request).await.unwrap_err();
    assert_eq!((streaming.code(), streaming.message()), expected);
    let mut layotto = RuntimeClient::new(api.channel());
    let status = layotto.get_next_id(layotto::GetNextIdRequest::default()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), expected);
}

#[tokio::test]
async fn a_message_over_the_limit_exhausts_a_resource() {
    let api = Api::start_with(|mut settings| {
        settings.max_body = 100;
        settings
    })
    .await;
    let large = StateItem { value: vec![b'x'; 200].into(), ..item("k", "") };
    let status = client(&api).save_state(save(vec![large])).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let message = status.message();
    assert!(message.starts_with("grpc: received message larger than max ("), "{message}");
    assert!(message.ends_with(" vs. 100)"), "{message}");
}

#[tokio::test]
async fn requests_may_be_compressed_and_their_answers_are_then() {
    let api = Api::start_with(|mut settings| {
        settings.max_body = 10_000;
        settings
    })
    .await;
    let mut compressing = client(&api)
        .send_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Gzip);
    compressing.save_state(save(vec![item("k", "value")])).await.unwrap();
    let got = compressing.get_state(get("k")).await.unwrap();
    assert_eq!(got.metadata().get("grpc-encoding").unwrap(), "gzip");
    assert_eq!(got.into_inner().data, "value");
    let status = compressing.get_state(dapr::GetStateRequest::default()).await.unwrap_err();
    assert_eq!(reason(&status), "DAPR_STATE_NOT_FOUND");

    // Small where it is sent, and larger than the limit where it is read.
    let large = StateItem { value: vec![b'x'; 100_000].into(), ..item("k", "") };
    let status = compressing.save_state(save(vec![large])).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
}

#[tokio::test]
async fn errors_are_counted_by_their_codes_where_that_is_asked_for() {
    let recorded = MetricsSettings { record_error_codes: true, ..MetricsSettings::default() };
    let telemetry = Arc::new(Telemetry::new("shop", "", &recorded));
    let counting = Arc::clone(&telemetry);
    let api = Api::start_with(|mut settings| {
        settings.telemetry = Some(counting);
        settings
    })
    .await;
    let mut client = client(&api);
    client.get_state(dapr::GetStateRequest::default()).await.unwrap_err();
    client.get_state(get("a||b")).await.unwrap_err();
    client.invoke_binding(dapr::InvokeBindingRequest::default()).await.unwrap_err();
    client.publish_event(dapr::PublishEventRequest::default()).await.unwrap_err();
    client.get_secret(dapr::GetSecretRequest::default()).await.unwrap_err();
    let of = dapr::TransactionalStateOperation {
        operation_type: "noop".into(),
        request: Some(item("k", "1")),
    };
    let transaction = dapr::ExecuteStateTransactionRequest {
        store_name: "mem".into(),
        operations: vec![of],
        ..Default::default()
    };
    client.execute_state_transaction(transaction).await.unwrap_err();
    assert_eq!(api.http("GET", "/v1.0/state/none/k", "").await.status, 400);
    assert_eq!(api.http("POST", "/v1.0/state/mem", "{").await.status, 400);
    let text = telemetry.text();
    for (code, category, count) in [
        ("ERR_STATE_STORE_NOT_FOUND", "state", 2),
        ("ERR_MALFORMED_REQUEST", "state", 1),
        ("ERR_MALFORMED_REQUEST", "common", 1),
        ("ERR_INVOKE_OUTPUT_BINDING", "binding", 1),
        ("ERR_PUBSUB_EMPTY", "pubsub", 1),
        ("ERR_NOT_SUPPORTED_STATE_OPERATION", "state", 1),
    ] {
        let line = format!(
            "dapr_error_code_total{{app_id=\"shop\",category=\"{category}\",error_code=\"{code}\"}} {count}"
        );
        assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
    }
    // A call that is there keeps its name whatever its status.
    let refused = "grpc_server_method=\"/dapr.proto.runtime.v1.Dapr/ExecuteStateTransaction\",\
                   grpc_server_status=\"Unimplemented\"} 1";
    assert!(text.contains(refused), "{text}");
}

#[tokio::test]
async fn the_token_is_asked_for_by_every_call() {
    let api = Api::start_with(|mut settings| {
        settings.token = ApiToken::new("secret");
        settings
    })
    .await;
    let mut client = client(&api);
    let status = client.get_state(get("k")).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "Unauthorized"));
    let info = status.get_details_error_info().unwrap();
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("Unauthorized", "dapr.io"));
    assert_eq!(info.metadata["http.code"], "401");
    assert!(info.metadata.contains_key("http.error_message"));

    let mut request = Request::new(get("k"));
    request.metadata_mut().insert("dapr-api-token", "secret".parse().unwrap());
    client.get_state(request).await.unwrap();
}

#[tokio::test]
async fn a_callers_deadline_ends_its_waiting_with_the_reason() {
    let api = Api::start().await;
    api.registry.declare(spec("away", "state.nobody-serves-this", &[])).await.unwrap();
    let mut request = Request::new(dapr::GetStateRequest { store_name: "away".into(), ..get("k") });
    request.set_timeout(Duration::from_millis(300));
    let status = api.client_without_timer().get_state(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    match &status.get_error_details_vec()[..] {
        [ErrorDetail::RetryInfo(retry), ErrorDetail::ErrorInfo(info)] => {
            assert!(retry.retry_delay.is_some());
            assert_eq!(info.reason, "REPLUG_COMPONENT_UNAVAILABLE");
            assert_eq!(info.domain, "replug");
            assert_eq!(info.metadata["component"], "away");
            assert_eq!(info.metadata["outcome_unknown"], "false");
            assert!(info.metadata["reason"].contains("state.nobody-serves-this"));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn metadata_is_told_and_written_down() {
    let api = Api::start().await;
    let mut client = client(&api);
    for (key, value) in [("cliPID", "1"), ("", "lost"), ("daprRuntimeVersion", "99")] {
        let request = dapr::SetMetadataRequest { key: key.into(), value: value.into() };
        client.set_metadata(request).await.unwrap();
    }
    let told = client.get_metadata(dapr::GetMetadataRequest {}).await.unwrap().into_inner();
    assert_eq!((told.id.as_str(), told.runtime_version.as_str()), ("shop", "0.1.0"));
    let extended = [("cliPID", "1"), ("daprRuntimeVersion", "0.1.0")];
    let extended = extended.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(told.extended_metadata, HashMap::from(extended));
    let names: Vec<_> = told.registered_components.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["mem", "hi"]);
    assert!(told.registered_components[0].capabilities.contains(&"ACTOR".to_owned()));
    assert_eq!(told.app_connection_properties.unwrap().channel_address, "127.0.0.1");
    assert_eq!(told.actor_runtime.unwrap().placement, "placement: disconnected");
    assert!(told.workflows.is_some());
}

#[tokio::test]
async fn shutdown_is_passed_on() {
    let mut api = Api::start().await;
    let mut client = client(&api);
    client.shutdown(dapr::ShutdownRequest {}).await.unwrap();
    assert_eq!(api.shutdowns.recv().await, Some(ShutdownRequest::Graceful));
    let mut request = Request::new(dapr::ShutdownRequest {});
    request.metadata_mut().insert("dapr-force-shutdown", "true".parse().unwrap());
    client.shutdown(request).await.unwrap();
    assert_eq!(api.shutdowns.recv().await, Some(ShutdownRequest::AtOnce));
}

#[tokio::test]
async fn layottos_greeting_echoes_data_and_names_no_details() {
    let api = Api::start().await;
    let mut client = RuntimeClient::new(api.channel());
    let data = prost_types::Any { type_url: "t".into(), value: vec![1] };
    let request = |service: &str| layotto::SayHelloRequest {
        service_name: service.into(),
        name: "you".into(),
        data: Some(data.clone()),
    };
    let said = client.say_hello(request("hi")).await.unwrap().into_inner();
    assert_eq!((said.hello.as_str(), said.data), ("hey, you", Some(data.clone())));
    for unknown in ["nope", ""] {
        let status = client.say_hello(request(unknown)).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Unknown, "no instance found"));
        assert!(status.details().is_empty());
    }
}

#[tokio::test]
async fn health_is_serving_from_ready_to_stopping() {
    let registry = std::sync::Arc::new(replug_runtime::registry::Registry::new("shop", ""));
    let api = Api::serve(registry, support::settings()).await;
    let mut client = HealthClient::new(api.channel());
    for service in ["", "dapr.proto.runtime.v1.Dapr", "spec.proto.runtime.v1.Runtime"] {
        let check = HealthCheckRequest { service: service.into() };
        let checked = client.check(check).await.unwrap().into_inner();
        assert_eq!(checked.status(), ServingStatus::NotServing, "{service}");
    }
    let watch = client.watch(HealthCheckRequest { service: String::new() }).await;
    let mut watched = watch.unwrap().into_inner();
    for phase in [Phase::Ready, Phase::Stopping] {
        watched.message().await.unwrap();
        api.health.reached(phase);
    }
    let last = watched.message().await.unwrap().unwrap();
    assert_eq!(last.status(), ServingStatus::NotServing);
}

/// The two versions of reflection differ in nothing but their package.
macro_rules! reflected {
    ($api:expr, $version:ident) => {{
        use tonic_reflection::pb::$version::ServerReflectionRequest;
        use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
        use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
        use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;

        let ask = |message| ServerReflectionRequest {
            host: String::new(),
            message_request: Some(message),
        };
        let requests = tokio_stream::iter([
            ask(MessageRequest::ListServices(String::new())),
            ask(MessageRequest::FileContainingSymbol("dapr.proto.runtime.v1.Dapr".into())),
        ]);
        let mut client = ServerReflectionClient::new($api.channel());
        let mut answers = client.server_reflection_info(requests).await.unwrap().into_inner();
        let list = answers.message().await.unwrap().unwrap().message_response;
        let Some(MessageResponse::ListServicesResponse(list)) = list else { panic!("{list:?}") };
        let file = answers.message().await.unwrap().unwrap().message_response;
        assert!(matches!(file, Some(MessageResponse::FileDescriptorResponse(_))), "{file:?}");
        list.service.into_iter().map(|service| service.name).collect::<Vec<_>>()
    }};
}

#[tokio::test]
async fn reflection_names_what_is_served_in_both_versions() {
    let api = Api::start().await;
    let expected = [
        "dapr.proto.runtime.v1.Dapr",
        "spec.proto.runtime.v1.Runtime",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ];
    for served in [reflected!(api, v1), reflected!(api, v1alpha)] {
        assert_eq!(served, expected);
    }
}
