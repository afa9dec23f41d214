//! What nobody should send: each is told Dapr's error, and everything goes on.

mod oversized;

use std::net::SocketAddr;

use replug_proto::dapr::common::v1::StateItem;
use replug_proto::dapr::runtime::v1 as pb;
use replug_proto::dapr::runtime::v1::dapr_client::DaprClient;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::Code;
use tonic::transport::Endpoint;

use crate::rig::http::request;
use crate::rig::{Home, Process, Replug, text};

/// The largest body, in bytes.
const LIMIT: usize = 64 << 10;

/// One component of each block, and a small limit of bodies.
fn home() -> Home {
    let home = Home::empty();
    std::fs::write(home.path("secrets.json"), r#"{"key":"value"}"#).unwrap();
    home.write_raw_plan(
        format!(
            "[runtime]\n\
             app_id = \"app\"\n\
             grpc = \"127.0.0.1:0\"\n\
             http = \"127.0.0.1:0\"\n\
             run_dir = {:?}\n\
             max_message = \"64KiB\"\n\
             [components.store]\n\
             type = \"state.in-memory\"\n\
             [components.bus]\n\
             type = \"pubsub.in-memory\"\n\
             [components.files]\n\
             type = \"bindings.localstorage\"\n\
             metadata = {{ rootPath = {:?} }}\n\
             [components.vault]\n\
             type = \"secretstores.local.file\"\n\
             metadata = {{ secretsFile = {:?} }}\n",
            text(&home.run_dir()),
            text(&home.path("files")),
            text(&home.path("secrets.json")),
        )
        .as_bytes(),
    );
    std::fs::create_dir(home.path("files")).unwrap();
    home
}

/// Method, path, body, and the answer's status and code; no code: its body is no error.
type Case<'c> = (&'c str, &'c str, &'c str, u16, Option<&'c str>);

#[rustfmt::skip] // A table.
const CASES: &[Case<'_>] = &[
    // Components that are not there.
    ("GET", "/v1.0/state/nobody/key", "", 400, Some("ERR_STATE_STORE_NOT_FOUND")),
    ("POST", "/v1.0/state/nobody", "[]", 400, Some("ERR_STATE_STORE_NOT_FOUND")),
    ("DELETE", "/v1.0/state/nobody/key", "", 400, Some("ERR_STATE_STORE_NOT_FOUND")),
    ("POST", "/v1.0/state/nobody/bulk", "{}", 400, Some("ERR_STATE_STORE_NOT_FOUND")),
    ("POST", "/v1.0/state/nobody/transaction", "{}", 400, Some("ERR_STATE_STORE_NOT_FOUND")),
    ("POST", "/v1.0-alpha1/state/nobody/query", "{}", 400, Some("ERR_STATE_STORE_NOT_FOUND")),
    ("POST", "/v1.0/publish/nobody/topic", "1", 404, Some("ERR_PUBSUB_NOT_FOUND")),
    ("POST", "/v1.0/publish/bulk/nobody/topic", "[]", 404, Some("ERR_PUBSUB_NOT_FOUND")),
    ("POST", "/v1.0/bindings/nobody", r#"{"operation":"get"}"#, 500, Some("ERR_INVOKE_OUTPUT_BINDING")),
    ("GET", "/v1.0/secrets/nobody/key", "", 401, Some("ERR_SECRET_STORE_NOT_FOUND")),
    ("GET", "/v1.0/secrets/nobody/bulk", "", 401, Some("ERR_SECRET_STORE_NOT_FOUND")),
    // Empty names.
    ("POST", "/v1.0/publish/bus/", "1", 404, Some("ERR_DIRECT_INVOKE")),
    ("POST", "/v1.0/state/store", r#"[{"key":"","value":1}]"#, 400, Some("ERR_MALFORMED_REQUEST")),
    ("POST", "/v1.0/state/store", r#"[{"value":1}]"#, 400, Some("ERR_MALFORMED_REQUEST")),
    ("POST", "/v1.0/bindings/files", "{}", 500, Some("ERR_INVOKE_OUTPUT_BINDING")),
    // Names that cannot be.
    ("GET", "/v1.0/state/store/a%7C%7Cb", "", 400, Some("ERR_MALFORMED_REQUEST")),
    ("POST", "/v1.0/state/store", r#"[{"key":"a||b","value":1}]"#, 400, Some("ERR_MALFORMED_REQUEST")),
    ("GET", "/v1.0/secrets/vault/nothing", "", 500, Some("ERR_SECRET_GET")),
    // Malformed JSON.
    ("POST", "/v1.0/state/store", "", 400, Some("ERR_MALFORMED_REQUEST")),
    ("POST", "/v1.0/state/store", "[{", 400, Some("ERR_MALFORMED_REQUEST")),
    ("POST", "/v1.0/state/store/bulk", "{\"keys\"", 400, Some("ERR_MALFORMED_REQUEST")),
    ("POST", "/v1.0/state/store/transaction", "nonsense", 400, Some("ERR_MALFORMED_REQUEST")),
    ("POST", "/v1.0-alpha1/state/store/query", "{", 500, Some("ERR_STATE_QUERY")),
    ("POST", "/v1.0/publish/bulk/bus/topic", "[{", 400, Some("ERR_PUBSUB_EVENTS_SER")),
    ("POST", "/v1.0/bindings/files", "{", 400, Some("ERR_MALFORMED_REQUEST")),
    // Wrong types.
    ("POST", "/v1.0/state/store", r#"{"key":"a"}"#, 400, Some("ERR_MALFORMED_REQUEST")),
    ("POST", "/v1.0/state/store", r#"[{"key":1,"value":1}]"#, 400, Some("ERR_MALFORMED_REQUEST")),
    ("POST", "/v1.0/state/store/bulk", r#"{"keys":"a"}"#, 400, Some("ERR_MALFORMED_REQUEST")),
    ("POST", "/v1.0/state/store/transaction", r#"{"operations":1}"#, 400, Some("ERR_MALFORMED_REQUEST")),
    ("POST", "/v1.0/bindings/files", r#"{"operation":5}"#, 400, Some("ERR_MALFORMED_REQUEST")),
    ("POST", "/v1.0/publish/bulk/bus/topic", r#"{"entryId":"1"}"#, 400, Some("ERR_PUBSUB_EVENTS_SER")),
    ("POST", "/v1.0/publish/bus/topic?metadata.rawPayload=perhaps", "1", 400, Some("ERR_PUBSUB_REQUEST_METADATA")),
    ("POST", "/v1.0/state/store/transaction", r#"{"operations":[{"operation":"upsert","request":{"key":1}}]}"#, 400, Some("ERR_MALFORMED_REQUEST")),
    ("POST", "/v1.0/state/store/transaction", r#"{"operations":[{"operation":"upsert","request":1}]}"#, 400, Some("ERR_MALFORMED_REQUEST")),
    ("POST", "/v1.0/bindings/files", r#"{"operation":"get","metadata":"a"}"#, 400, Some("ERR_MALFORMED_REQUEST")),
    // Half a character reads as the replacement character.
    ("POST", "/v1.0/state/store", r#"[{"key":"half","value":"\ud800"}]"#, 204, None),
    // Duplicate keys: the last counts, as in Go.
    ("POST", "/v1.0/state/store/bulk", r#"{"keys":["twice"],"keys":[]}"#, 200, None),
    ("POST", "/v1.0/state/store/transaction", r#"{"operations":[{"operation":"copy","operation":"upsert","request":{"key":"b","key":"a","value":1}}]}"#, 204, None),
    ("POST", "/v1.0/bindings/files", r#"{"operation":"burn","operation":"list"}"#, 200, None),
    ("POST", "/v1.0/publish/bulk/bus/topic", r#"[{"entryId":"1","entryId":"2","event":1,"contentType":"application/json"}]"#, 204, None),
    ("POST", "/v1.0/state/store", r#"[{"key":"a","key":"twice","value":1,"value":2}]"#, 204, None),
    ("GET", "/v1.0/state/store/twice", "", 200, None),
    ("POST", "/v1.0/publish/bulk/bus/topic", r#"[{"entryId":"1","event":1,"contentType":"application/json"},{"entryId":"1","event":2,"contentType":"application/json"}]"#, 400, Some("ERR_PUBSUB_EVENTS_SER")),
    // Unknown operations and routes.
    ("POST", "/v1.0/state/store/transaction", r#"{"operations":[{"operation":"copy","request":{"key":"a"}}]}"#, 400, Some("ERR_NOT_SUPPORTED_STATE_OPERATION")),
    ("POST", "/v1.0/bindings/files", r#"{"operation":"burn"}"#, 500, Some("ERR_INVOKE_OUTPUT_BINDING")),
    ("GET", "/v1.0/nothing", "", 404, Some("ERR_DIRECT_INVOKE")),
    ("PATCH", "/v1.0/state/store/key", "", 404, Some("ERR_DIRECT_INVOKE")),
    ("GET", "/v1.0/configuration/store", "", 501, Some("ERR_API_UNIMPLEMENTED")),
];

async fn still_serves(address: SocketAddr) {
    let answer = request(address, "GET", "/v1.0/healthz", "").await;
    assert_eq!(answer.status.as_u16(), 204, "{}", answer.body);
}

#[tokio::test]
async fn every_bad_request_over_http_is_told_daprs_error() {
    let home = home();
    let mut replug = Replug::start(&home).await;
    let mut address = None;
    for component in ["store", "bus", "files", "vault"] {
        address = Some(replug.until_usable(component).await.address("http"));
    }
    let address = address.unwrap();
    let mut wrong = Vec::new();
    for &(method, path, body, status, code) in CASES {
        let answer = request(address, method, path, body).await;
        let told: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let says = code.is_none() || told["message"].as_str().is_some_and(|it| !it.is_empty());
        if (answer.status.as_u16(), told["errorCode"].as_str()) != (status, code) || !says {
            wrong.push(format!("{method} {path} {body}: {} {}", answer.status, answer.body));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let twice = request(address, "GET", "/v1.0/state/store/twice", "").await;
    assert_eq!(twice.body, "2");

    let long = "n".repeat(3 << 10);
    for (path, wanted) in [
        (format!("/v1.0/state/{long}/key"), 400),
        (format!("/v1.0/state/store/{long}"), 204),
        (format!("/v1.0/secrets/vault/{long}"), 500),
    ] {
        let answer = request(address, "GET", &path, "").await;
        assert_eq!(
            answer.status.as_u16(),
            wanted,
            "{}",
            &answer.body[..answer.body.len().min(200)]
        );
    }
    still_serves(address).await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn bytes_that_are_no_text_are_told_so_or_kept_as_they_are() {
    let home = home();
    let mut replug = Replug::start(&home).await;
    replug.until_usable("bus").await;
    let address = replug.until_usable("store").await.address("http");
    for (path, body, wanted) in [
        ("/v1.0/state/store", &b"[{\"key\":\"\xff\xfe\",\"value\":1}]"[..], &[204, 400][..]),
        ("/v1.0/state/store", b"\xff\xfe\x00", &[400]),
        // Whatever is published is data.
        ("/v1.0/publish/bus/topic", b"\xff\xfe\x00", &[204]),
        ("/v1.0/publish/bus/%ff%fe", b"1", &[204, 400]),
        ("/v1.0/state/%ff%fe", b"[]", &[400]),
        ("/v1.0/bindings/files", b"{\"operation\":\"\xff\"}", &[500]),
        ("/v1.0/bindings/files", b"\xff", &[400]),
        ("/v1.0/state/store/bulk", b"{\"keys\":[\"\xff\"]}", &[200]),
        ("/v1.0/state/store/bulk", b"\xff", &[400]),
        ("/v1.0/state/store/transaction", b"\xff", &[400]),
        ("/v1.0-alpha1/state/store/query", b"\xff", &[500]),
        ("/v1.0/publish/bulk/bus/topic", b"\xff", &[400]),
        ("/v1.0/state/store/bulk?metadata.a=%ff", b"{}", &[200]),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        let status: u16 = answer.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(wanted.contains(&status), "{path}: {answer}");
    }
    still_serves(address).await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn every_bad_request_over_grpc_is_told_daprs_code() {
    let home = home();
    let mut replug = Replug::start(&home).await;
    let mut status = replug.status().await;
    for component in ["store", "bus", "files", "vault"] {
        status = replug.until_usable(component).await;
    }
    let endpoint = format!("http://{}", status.address("grpc"));
    let mut dapr = DaprClient::new(Endpoint::from_shared(endpoint).unwrap().connect_lazy());
    let get = |store: &str, key: &str| pb::GetStateRequest {
        store_name: store.into(),
        key: key.into(),
        ..Default::default()
    };
    for (request, code) in [
        (get("nobody", "key"), Code::InvalidArgument),
        (get("", "key"), Code::InvalidArgument),
        (get(&"n".repeat(4 << 10), "key"), Code::InvalidArgument),
        (get("store", "a||b"), Code::InvalidArgument),
    ] {
        assert_eq!(dapr.get_state(request).await.unwrap_err().code(), code);
    }
    let save = |key: &str, value: Vec<u8>| pb::SaveStateRequest {
        store_name: "store".into(),
        states: vec![StateItem { key: key.into(), value: value.into(), ..Default::default() }],
    };
    for (request, code) in [
        (save("", b"1".to_vec()), Code::InvalidArgument),
        (save("a||b", b"1".to_vec()), Code::InvalidArgument),
        (save("a", vec![0; LIMIT + 1]), Code::ResourceExhausted),
    ] {
        assert_eq!(dapr.save_state(request).await.unwrap_err().code(), code);
    }
    let publish = |pubsub: &str, topic: &str, kind: &str| pb::PublishEventRequest {
        pubsub_name: pubsub.into(),
        topic: topic.into(),
        data: b"{".to_vec().into(),
        data_content_type: kind.into(),
        ..Default::default()
    };
    for (request, code) in [
        (publish("", "topic", ""), Code::InvalidArgument),
        (publish("nobody", "topic", ""), Code::InvalidArgument),
        (publish("bus", "", ""), Code::InvalidArgument),
        (publish("bus", "topic", "application/cloudevents+json"), Code::InvalidArgument),
    ] {
        assert_eq!(dapr.publish_event(request).await.unwrap_err().code(), code);
    }
    let invoke = |name: &str, operation: &str| pb::InvokeBindingRequest {
        name: name.into(),
        operation: operation.into(),
        ..Default::default()
    };
    for request in [invoke("nobody", "get"), invoke("files", ""), invoke("files", "burn")] {
        assert_eq!(dapr.invoke_binding(request).await.unwrap_err().code(), Code::Internal);
    }
    let secret = |store: &str, key: &str| pb::GetSecretRequest {
        store_name: store.into(),
        key: key.into(),
        ..Default::default()
    };
    for (request, code) in [
        (secret("nobody", "key"), Code::InvalidArgument),
        (secret("vault", "nothing"), Code::Internal),
    ] {
        assert_eq!(dapr.get_secret(request).await.unwrap_err().code(), code);
    }
    let transaction = pb::ExecuteStateTransactionRequest {
        store_name: "store".into(),
        operations: vec![pb::TransactionalStateOperation {
            operation_type: "copy".into(),
            request: Some(StateItem { key: "a".into(), ..Default::default() }),
        }],
        ..Default::default()
    };
    let refused = dapr.execute_state_transaction(transaction).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    assert!(Process::find(replug.pid()).is_some(), "it runs on");
    dapr.get_state(get("store", "key")).await.unwrap();
    replug.stop(&home).await;
}
