//! Listeners and connections: addresses, protocols, a graceful stop, and clients that mean no good.

mod support;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use proptest::prelude::*;
use replug_proto::dapr::runtime::v1 as dapr;
use replug_proto::dapr::runtime::v1::dapr_client::DaprClient;
use replug_runtime::api::{Bound, Phase};
use replug_runtime::registry::Registry;
use support::life::Life;
use support::{Api, spec};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

#[tokio::test]
async fn all_addresses_that_cannot_be_had_are_named_at_once() {
    let taken = [
        tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(),
        tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(),
    ];
    let addresses = taken.map(|listener| (listener.local_addr().unwrap().to_string(), listener));
    let mut settings = support::settings();
    settings.grpc.push(addresses[0].0.parse().unwrap());
    settings.http.push(addresses[1].0.parse().unwrap());
    let errors = Bound::bind(settings).await.unwrap_err();
    assert_eq!(
        errors.to_string(),
        format!(
            "cannot listen on {} for Dapr over gRPC: the port is in use\n\
             cannot listen on {} for Dapr over HTTP: the port is in use",
            addresses[0].0, addresses[1].0
        )
    );
}

#[tokio::test]
async fn unix_sockets_serve_and_are_gone_after_the_stop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("http.sock");
    let mut settings = support::settings();
    settings.http = vec![format!("unix:{}", path.display()).parse().unwrap()];
    let mut api = Api::serve(Arc::new(Registry::new("shop", "")), settings).await;
    api.health.reached(Phase::Ready);
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let request = b"GET /v1.0/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(support::parsed(&answer).status, 204);
    api.stop();
    (&mut api.served).await.unwrap();
    assert!(!path.exists());
}

/// The status of a GET over HTTP/2 without TLS.
async fn over_h2c(address: &str, path: &str) -> Result<u16, h2::Error> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await?;
    let request = http::Request::get(format!("http://x{path}")).body(()).unwrap();
    let ask = async move {
        let mut sender = sender.ready().await?;
        let (answer, _) = sender.send_request(request, true)?;
        answer.await.map(|answer| answer.status().as_u16())
    };
    tokio::select! {
        answer = ask => answer,
        ended = connection => Err(ended.err().unwrap_or(h2::Reason::NO_ERROR.into())),
    }
}

#[tokio::test]
async fn the_http_port_speaks_http2_unless_told_otherwise() {
    let api = Api::start().await;
    assert_eq!(over_h2c(&api.http, "/v1.0/healthz").await.unwrap(), 204);
    let api = Api::start_with(|mut settings| {
        settings.h2c = false;
        settings
    })
    .await;
    assert!(over_h2c(&api.http, "/v1.0/healthz").await.is_err());
    assert_eq!(api.http("GET", "/v1.0/healthz", "").await.status, 204);
}

/// A request that asks for HTTP/2, with more of its head.
fn upgrading(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
         {more}\r\n"
    )
}

/// The settings of a client as its request has them.
const SETTINGS: &str = "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";

/// The first byte of the headers of that stream's answer: where HPACK's table has its status.
async fn answered(stream: &mut TcpStream, wanted: u32) -> u8 {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await.unwrap();
        let of_stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        if (head[3], of_stream) == (1, wanted) {
            return payload[0];
        }
    }
}

#[tokio::test]
async fn a_client_that_asks_over_http1_goes_on_over_http2() {
    /// HPACK's table has 200 and 204 there.
    const OK: u8 = 0x88;
    const NO_CONTENT: u8 = 0x89;
    let api = Api::start().await;
    let mut stream = TcpStream::connect(&api.http).await.unwrap();
    stream.write_all(upgrading("/v1.0/healthz", SETTINGS).as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    assert!(
        head.contains("Connection: Upgrade\r\n") && head.contains("Upgrade: h2c\r\n"),
        "{head}"
    );
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    assert_eq!(answered(&mut stream, 1).await, NO_CONTENT);
    // GET, http, and the path and the authority written out.
    let block = b"\x82\x86\x04\x0e/v1.0/metadata\x01\x01x";
    let frame = [b"\0\0\x15\x01\x05\0\0\0\x03", &block[..]].concat();
    stream.write_all(&frame).await.unwrap();
    assert_eq!(answered(&mut stream, 3).await, OK);
}

#[tokio::test]
async fn an_upgrade_that_cannot_be_is_answered_over_http1() {
    let status = async |api: &Api, request: String| {
        let mut stream = TcpStream::connect(&api.http).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        support::parsed(&answer).status
    };
    let api = Api::start().await;
    let healthz = "/v1.0/healthz";
    // With a body, and without settings or with what are none.
    let body = format!("{SETTINGS}Content-Length: 1\r\n");
    assert_eq!(status(&api, upgrading(healthz, &body) + "x").await, 204);
    assert_eq!(status(&api, upgrading(healthz, "")).await, 500);
    assert_eq!(status(&api, upgrading(healthz, "HTTP2-Settings: ?\r\n")).await, 500);
    let whole = upgrading(healthz, SETTINGS);
    assert_eq!(status(&api, whole.replace("h2c", "websocket")).await, 204);
    assert_eq!(status(&api, whole.replace(", HTTP2-Settings", "")).await, 204);
    let api = Api::start_with(|mut settings| {
        settings.h2c = false;
        settings
    })
    .await;
    assert_eq!(status(&api, whole).await, 204);
}

#[tokio::test]
async fn what_is_under_way_ends_before_the_server_does() {
    let mut api = Api::start().await;
    let mut waits = spec("away", "state.nobody-serves-this", &[]);
    waits.hold.hold = Duration::from_millis(500);
    api.registry.declare(waits).await.unwrap();
    let mut stream = TcpStream::connect(&api.http).await.unwrap();
    stream.write_all(b"GET /v1.0/state/away/k HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    // An answer on another connection: the first request has been accepted before.
    api.http("GET", "/v1.0/healthz", "").await;
    api.stop();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = support::parsed(&answer);
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("Retry-After"), Some("1"));
    let told = answer.json();
    assert_eq!(told["errorCode"], "ERR_STATE_GET");
    assert_eq!(told["details"][0]["@type"], "type.googleapis.com/google.rpc.RetryInfo");
    assert_eq!(told["details"][1]["reason"], "REPLUG_COMPONENT_UNAVAILABLE");
    (&mut api.served).await.unwrap();
    assert!(TcpStream::connect(&api.http).await.is_err());
}

#[tokio::test]
async fn a_stream_of_messages_that_has_asked_for_nothing_yet_ends_with_the_server() {
    let mut api = Api::start().await;
    let channel = api.channel();
    let mut client = DaprClient::new(channel.clone());
    let mut opening = std::pin::pin!(client.subscribe_topic_events_alpha1(tokio_stream::pending()));
    assert!(opening.as_mut().now_or_never().is_none());
    // Its answer comes over the same connection: the stream has come before.
    DaprClient::new(channel).get_metadata(dapr::GetMetadataRequest {}).await.unwrap();
    api.stop_within(Duration::from_secs(3600));
    let status = opening.await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");
    assert_eq!(status.message(), "replug is stopping");
    (&mut api.served).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_after_the_grace_is_cut_off() {
    let mut api = Api::start().await;
    let metadata = [("keyPrefix", "none"), ("dsn", "db")];
    api.registry.declare(spec("plug", "state.plug", &metadata)).await.unwrap();
    let mut life = Life::begin(1).await;
    life.attach(&api.registry).await;
    let mut over_http = TcpStream::connect(&api.http).await.unwrap();
    over_http.write_all(b"GET /v1.0/state/plug/hang HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut client = DaprClient::new(api.channel());
    let over_grpc = tokio::spawn(async move {
        let (store_name, key) = ("plug".into(), "hang".into());
        let request = dapr::GetStateRequest { store_name, key, ..Default::default() };
        client.get_state(request).await
    });
    for _ in 0..2 {
        life.hanging.recv().await.unwrap();
    }
    api.stop();
    (&mut api.served).await.unwrap();
    let mut answer = Vec::new();
    over_http.read_to_end(&mut answer).await.ok();
    assert_eq!(answer, b"");
    assert!(over_grpc.await.unwrap().is_err());
    // Nothing works on for a caller that is gone.
    assert_eq!(Arc::strong_count(&api.registry), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_begin_is_not_served() {
    let api = Api::start().await;
    let starts: [&[u8]; 4] =
        [b"", b"P", b"GET /v1.0/healthz HTTP/1.1\r\nHost: x\r\n", b"PRI * HTTP/2.0\r\n"];
    for start in starts {
        let mut stream = TcpStream::connect(&api.http).await.unwrap();
        stream.write_all(start).await.unwrap();
        // Ends by itself; a paused clock goes to the next timer while nothing else happens.
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.ok();
    }
    let mut silent = TcpStream::connect(&api.grpc).await.unwrap();
    silent.read_to_end(&mut Vec::new()).await.ok();
    assert_eq!(api.http("GET", "/v1.0/healthz", "").await.status, 204);
}

#[tokio::test]
async fn connections_past_the_limit_wait_for_others_to_end() {
    let api = Api::start_with(|mut settings| {
        settings.max_connections = 1;
        settings
    })
    .await;
    let mut first = TcpStream::connect(&api.http).await.unwrap();
    first.write_all(b"GET /v1.0/healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    first.read_u8().await.unwrap();
    let second = api.http("GET", "/v1.0/healthz", "");
    let mut second = std::pin::pin!(second);
    tokio::select! {
        biased;
        answer = &mut second => panic!("served beside the first: {answer:?}"),
        () = tokio::task::yield_now() => {}
    }
    drop(first);
    assert_eq!(second.await.status, 204);
}

fn any_request() -> impl Strategy<Value = Vec<u8>> {
    let method = prop_oneof![
        Just("GET".to_owned()),
        Just("POST".to_owned()),
        Just("PUT".to_owned()),
        Just("DELETE".to_owned()),
        "[A-Z]{1,8}",
    ];
    let path = prop_oneof![
        Just("/v1.0/state/mem".to_owned()),
        Just("/v1.0/state/mem/bulk".to_owned()),
        Just("/v1.0/state/mem/transaction".to_owned()),
        Just("/v1.0-alpha1/state/mem/query".to_owned()),
        "/v1\\.0/(state|metadata|healthz)/[a-z|%+./0-9]{0,12}",
        "/[!-~&&[^ #]]{0,40}",
    ];
    let body = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..64),
        any_json().prop_map(|value| value.to_string().into_bytes()),
    ];
    (method, path, "[!-~&&[^#]]{0,20}", body).prop_map(|(method, path, query, body)| {
        let length = body.len();
        let head = format!(
            "{method} {path}?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: \
             {length}\r\n\r\n"
        );
        [head.into_bytes(), body].concat()
    })
}

/// JSON of the shapes and names that the routes look for, with anything in their places.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        "(upsert|delete|first-write|DESC|a\\|\\|b|[a-z]{0,3})".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let name = "(key|KEY|value|etag|metadata|options|operations|operation|request|keys|\
                    parallelism|filter|EQ|IN|OR|sort|page|limit|token|concurrency)";
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::btree_map(name, inner, 0..4)
                .prop_map(|fields| fields.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

#[test]
fn every_request_is_answered_whatever_it_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let api = runtime.block_on(Api::start());
    proptest!(ProptestConfig::with_cases(400), |(request in any_request())| {
        let answer = runtime.block_on(api.raw(&request));
        let answer = support::parsed(&answer);
        prop_assert!(
            matches!(answer.status, 200 | 204 | 400 | 404 | 409 | 500 | 501),
            "{:?} to {:?}", answer, String::from_utf8_lossy(&request)
        );
        if answer.body.starts_with('{') && answer.status >= 400 {
            prop_assert!(answer.json()["errorCode"].is_string());
        }
    });
    let healthy = runtime.block_on(api.http("GET", "/v1.0/healthz", ""));
    assert_eq!(healthy.status, 204);
    runtime.block_on(async { drop(api) });
}
