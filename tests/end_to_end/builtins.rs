//! Built-ins over servers, in the runtime and in processes of their own, which are killed while the
//! server lives on and remembers.

use std::collections::HashMap;

use hyper::{HeaderMap, Request};
use prost::Message as _;
use replug_proto::dapr::runtime::v1 as pb;
use replug_proto::dapr::runtime::v1::dapr_client::DaprClient;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_types::StatusExt as _;

use crate::rig::{Application, Home, PATIENCE, Replug, Status, http};
use crate::servers::redis::Redis;

/// Kills that follow each other closely make the delay grow, which is not what is tested here.
const AT_ONCE: &str = "backoff = { max = \"100ms\" }\n";

fn dapr(status: &Status) -> DaprClient<Channel> {
    let endpoint = format!("http://{}", status.address("grpc"));
    DaprClient::new(Endpoint::from_shared(endpoint).unwrap().connect_lazy())
}

/// A server that one request at a time is read from, and answered or not, by the test.
struct Server(TcpListener);

impl Server {
    async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    /// The next request, up to the end of its body of five bytes.
    async fn request(&self) -> TcpStream {
        let (mut stream, _) =
            tokio::time::timeout(PATIENCE, self.0.accept()).await.unwrap().unwrap();
        let mut request = String::new();
        while !request.ends_with("\r\n\r\nhello") {
            request.push(char::from(stream.read_u8().await.unwrap()));
        }
        stream
    }
}

async fn answer(mut stream: TcpStream, status: &str, headers: &str, body: &str) {
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
}

fn hello() -> pb::InvokeBindingRequest {
    let (name, operation) = ("web".to_owned(), "post".to_owned());
    let (data, metadata) = (b"hello".as_slice().into(), HashMap::new());
    pb::InvokeBindingRequest { name, data, metadata, operation }
}

/// The head of an answer that has no message, and what follows it.
async fn head_and_trailers(
    status: &Status,
    request: &pb::InvokeBindingRequest,
) -> (HeaderMap, HeaderMap) {
    let stream = TcpStream::connect(status.address("grpc")).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    let exchange = async {
        let head = Request::post("http://x/dapr.proto.runtime.v1.Dapr/InvokeBinding")
            .header("content-type", "application/grpc")
            .body(())
            .unwrap();
        let (answer, mut body) = sender.send_request(head, false).unwrap();
        let message = request.encode_to_vec();
        let mut framed = vec![0];
        framed.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        body.send_data([framed, message].concat().into(), true).unwrap();
        let (head, mut body) = answer.await.unwrap().into_parts();
        assert!(body.data().await.is_none());
        (head.headers, body.trailers().await.unwrap().unwrap_or_default())
    };
    tokio::select! {
        exchanged = exchange => exchanged,
        ended = connection => panic!("{ended:?}"),
    }
}

#[tokio::test]
async fn a_status_that_is_no_success_is_told_with_the_answers_metadata() {
    let server = Server::start().await;
    let home = Home::new(&format!(
        "[components.web]\n\
         type = \"bindings.http\"\n\
         metadata = {{ url = {:?}, errorIfNot2XX = true }}\n",
        server.url()
    ));
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("web").await;
    let address = status.address("http");
    let body = r#"{"operation":"post","data":"abc","metadata":{"path":"/a"}}"#;
    let asking = http::request(address, "POST", "/v1.0/bindings/web", body);
    let serving = async {
        let (mut stream, _) = server.0.accept().await.unwrap();
        let mut request = String::new();
        while !request.ends_with("\"abc\"") {
            request.push(char::from(stream.read_u8().await.unwrap()));
        }
        answer(stream, "418 Teapot", "X-Why: short\r\n", "stout").await;
        request
    };
    let (told, request) = tokio::join!(asking, serving);
    assert!(request.starts_with("POST /a HTTP/1.1\r\n"), "{request}");
    assert_eq!(told.status.as_u16(), 500);
    assert_eq!(
        told.body,
        r#"{"errorCode":"ERR_INVOKE_OUTPUT_BINDING","message":"error invoking output binding web: received status code 418"}"#
    );
    for (name, value) in [
        ("metadata.statuscode", "418"),
        ("metadata.status", "418 Teapot"),
        ("metadata.x-why", "short"),
    ] {
        assert_eq!(told.headers[name], value);
    }

    let mut client = dapr(&status);
    let serving = async { answer(server.request().await, "500 No", "X-Why: short\r\n", "").await };
    let (told, ()) = tokio::join!(client.invoke_binding(hello()), serving);
    let told = told.unwrap_err();
    assert_eq!(told.code(), Code::Internal);
    assert_eq!(told.metadata().get("metadata.statuscode").unwrap(), "500");
    assert_eq!(told.metadata().get("metadata.x-why").unwrap(), "short");
    let serving = async { answer(server.request().await, "500 No", "X-Why: short\r\n", "").await };
    let asked = hello();
    let ((head, trailers), ()) = tokio::join!(head_and_trailers(&status, &asked), serving);
    assert_eq!(head["metadata.x-why"], "short", "it comes before the status, as by Dapr");
    assert!(!head.contains_key("grpc-status") && !trailers.contains_key("metadata.x-why"));
    assert_eq!(trailers["grpc-status"], "13");
    let serving =
        async { answer(server.request().await, "201 Made", "X-Why: long\r\n", "yes").await };
    let (told, ()) = tokio::join!(client.invoke_binding(hello()), serving);
    let told = told.unwrap();
    assert_eq!(told.metadata().get("metadata.status").unwrap(), "201 Made");
    let told = told.into_inner();
    assert_eq!((&told.data[..], told.metadata["X-Why"].as_str()), (&b"yes"[..], "long"));
    replug.stop(&home).await;
}

/// Kills the plugin of `bindings.http` when the server has the request and has not answered, and gives
/// what comes of the call. `again` is what the server does meanwhile.
async fn killed_in_flight(
    replay: &str,
    again: impl AsyncFnOnce(&Server),
) -> Result<pb::InvokeBindingResponse, tonic::Status> {
    let server = Server::start().await;
    let home = Home::new(&format!(
        "[plugins.web]\n\
         builtin = \"bindings.http\"\n\
         {AT_ONCE}\
         [components.web]\n\
         type = \"bindings.http\"\n\
         metadata = {{ url = {:?} }}\n\
         {replay}",
        server.url()
    ));
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("web").await;
    assert_eq!(status.component("web").unwrap().served_by.as_deref(), Some("web"));
    let mut client = dapr(&status);
    // Once, so that nothing is left to be made at the kill.
    let serving = async { answer(server.request().await, "200 OK", "", "yes").await };
    let (told, ()) = tokio::join!(client.invoke_binding(hello()), serving);
    assert_eq!(told.unwrap().into_inner().data, "yes");

    let killing = async {
        let in_flight = server.request().await;
        replug.kill_at_once("web").await;
        drop(in_flight);
        again(&server).await;
    };
    let (told, ()) = tokio::join!(client.invoke_binding(hello()), killing);
    let serving = async { answer(server.request().await, "200 OK", "", "yes").await };
    let (next, ()) = tokio::join!(client.invoke_binding(hello()), serving);
    assert_eq!(next.unwrap().into_inner().data, "yes", "the next call is held, and then made");
    replug.stop(&home).await;
    told.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn the_outcome_of_an_invocation_is_unknown_when_its_plugin_is_killed() {
    let told = killed_in_flight("", async |_| {}).await.unwrap_err();
    assert_eq!(told.code(), Code::Unavailable, "{told:?}");
    let details = told.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!(info.reason, "REPLUG_COMPONENT_UNAVAILABLE");
    assert_eq!(info.metadata["outcome_unknown"], "true");
}

#[tokio::test]
async fn an_invocation_is_made_again_where_that_is_asked_for() {
    let again = async |server: &Server| {
        answer(server.request().await, "200 OK", "", "again").await;
    };
    let told = killed_in_flight("replay = \"all\"\n", again).await.unwrap();
    assert_eq!(told.data, "again");
}

#[tokio::test]
async fn values_in_redis_outlive_the_plugin_that_has_put_them_there() {
    let Some(redis) = Redis::start(&[]) else { return };
    let home = Home::new(&format!(
        "[plugins.redis]\n\
         builtin = \"state.redis\"\n\
         {AT_ONCE}\
         [components.orders]\n\
         type = \"state.redis\"\n\
         metadata = {{ redisHost = {:?} }}\n",
        redis.socket()
    ));
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("orders").await;
    // As Dapr says of its store of that name.
    let capabilities = ["ETAG", "TRANSACTIONAL", "TTL", "KEYS_LIKE"];
    assert_eq!(status.component("orders").unwrap().capabilities, capabilities);
    let orders = Application::new(&status, "orders");
    for life in 0..3 {
        orders.save(&format!("key {life}"), "\"kept\"").await.unwrap();
        replug.kill_at_once("redis").await;
        // Held until the plugin is there again.
        assert_eq!(orders.get(&format!("key {life}")).await.unwrap(), "\"kept\"");
    }
    let prefix = redis.cli(&["KEYS", "*key 0"]);
    assert!(prefix.ends_with("||key 0"), "{prefix}");
    replug.until_ready("redis").await;
    replug.stop(&home).await;
}
