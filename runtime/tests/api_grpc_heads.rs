//! Heads of calls over gRPC, as they are on the wire: which are refused, and what answers have of them.

mod support;

use bytes::Bytes;
use http::{HeaderMap, Request};
use prost::Message as _;
use replug_proto::dapr::runtime::v1::GetStateRequest;
use support::Api;
use tokio::net::TcpStream;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Trace and span of [`PARENT`], and of a call in no trace, in gRPC's form.
const IN_BINARY: &str = "AAAK92UZFs1D3YRI6yEcgDGcAbeta3FpIDMxAgE";
const NO_TRACE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAQAAAAAAAAAAAgA";

/// What came of a call: its HTTP status, its head, and its trailers where there is more than a head.
struct Heard {
    status: u16,
    head: HeaderMap,
    trailers: Option<HeaderMap>,
}

impl Heard {
    fn code(&self) -> &str {
        let end = self.trailers.as_ref().unwrap_or(&self.head);
        end["grpc-status"].to_str().unwrap()
    }

    fn text(&self) -> String {
        let end = self.trailers.as_ref().unwrap_or(&self.head);
        tonic::Status::from_header_map(end).unwrap().message().to_owned()
    }
}

/// An API whose answers have traces.
async fn traced() -> Api {
    Api::start_with(|mut settings| {
        settings.traces = replug_runtime::api::Traces::Told;
        settings
    })
    .await
}

/// Reads the key `k` of a store. Fields take the place of the usual ones.
async fn get(api: &Api, store: &str, fields: &[(&str, &str)]) -> Result<Heard, h2::Error> {
    let request = GetStateRequest { store_name: store.into(), key: "k".into(), ..<_>::default() };
    let message = request.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    ask(api, "/dapr.proto.runtime.v1.Dapr/GetState", fields, [&[0], &length[..], &message].concat())
        .await
}

async fn ask(
    api: &Api,
    path: &str,
    fields: &[(&str, &str)],
    body: Vec<u8>,
) -> Result<Heard, h2::Error> {
    let stream = TcpStream::connect(&api.grpc).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await?;
    let connection = tokio::spawn(connection);
    let mut sender = sender.ready().await?;
    let mut request = Request::post(format!("http://x{path}"));
    if !fields.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/grpc");
    }
    for (name, value) in fields {
        request = match *name {
            ":method" => request.method(*value),
            name => request.header(name, *value),
        };
    }
    let (answer, mut stream) = sender.send_request(request.body(()).unwrap(), false)?;
    // It may be refused already.
    let _ = stream.send_data(Bytes::from(body), true);
    let (head, mut body) = answer.await?.into_parts();
    while let Some(piece) = body.data().await {
        body.flow_control().release_capacity(piece?.len())?;
    }
    let trailers = body.trailers().await?;
    connection.abort();
    Ok(Heard { status: head.status.as_u16(), head: head.headers, trailers })
}

#[tokio::test]
async fn a_head_that_cannot_be_read_is_refused_with_a_status_beside_gos() {
    let api = traced().await;
    for (fields, status, code, text) in [
        (
            ("content-type", "text/plain"),
            415,
            "3",
            "invalid gRPC request content-type \"text/plain\"",
        ),
        (
            ("grpc-timeout", "nonsense"),
            400,
            "13",
            "malformed grpc-timeout: transport: timeout unit is not recognized: \"nonsense\"",
        ),
        (
            ("x-bin", "!"),
            400,
            "13",
            "malformed binary metadata \"!\" in header \"x-bin\": illegal base64 data at input byte 0",
        ),
        (
            (":method", "PUT"),
            405,
            "13",
            "Received a HEADERS frame with :method \"PUT\" which should be POST",
        ),
        (("baggage", "=b"), 200, "3", "invalid baggage header: invalid key: \"\""),
    ] {
        let heard = get(&api, "mem", &[fields]).await.unwrap();
        assert_eq!((heard.status, heard.code(), heard.text().as_str()), (status, code, text));
        assert!(heard.trailers.is_none(), "{fields:?}");
        assert_eq!(heard.head["content-type"], "application/grpc");
    }
    let heard = ask(&api, "/nothing", &[], vec![0; 5]).await.unwrap();
    assert_eq!(
        (heard.code(), heard.text().as_str()),
        ("12", "malformed method name: \"/nothing\"")
    );
}

#[tokio::test]
async fn answers_have_the_trace_of_their_call_whether_they_are_errors_or_not() {
    let api = traced().await;
    for store in ["mem", "nobody"] {
        for (fields, trace) in [
            (&[][..], NO_TRACE),
            (&[("traceparent", PARENT)], IN_BINARY),
            (&[("traceparent", "nonsense")], NO_TRACE),
            (&[("grpc-trace-bin", IN_BINARY)], IN_BINARY),
            (&[("grpc-trace-bin", "AA"), ("traceparent", PARENT)], NO_TRACE),
        ] {
            let heard = get(&api, store, fields).await.unwrap();
            assert_eq!(heard.head["grpc-trace-bin"], trace, "{store}: {fields:?}");
            assert!(heard.trailers.is_some(), "{store}: {fields:?}");
        }
    }
    let own = [("baggage", "a=b"), ("baggage", "c=d"), ("content-type", "application/grpc+proto")];
    let heard = get(&api, "mem", &own).await.unwrap();
    assert_eq!(heard.head["baggage"], "a=b,c=d");
    assert_eq!(heard.head["content-type"], "application/grpc+proto");
    let untraced = get(&Api::start().await, "mem", &[("baggage", "=b")]).await.unwrap();
    assert!(untraced.code() == "0" && !untraced.head.contains_key("grpc-trace-bin"));
    // One that cannot be read has no call that could be traced.
    let heard = ask(&api, "/dapr.proto.runtime.v1.Dapr/GetState", &[], vec![0, 0]).await.unwrap();
    assert!(heard.trailers.is_none() && !heard.head.contains_key("grpc-trace-bin"));
}

#[tokio::test]
async fn a_head_over_grpc_may_be_32_times_as_large_as_the_read_buffer() {
    const BUFFER: usize = 1024;
    let api = Api::start_with(|mut settings| {
        settings.read_buffer = BUFFER;
        settings
    })
    .await;
    // Some of it is taken by what every call has.
    let fitting = "x".repeat(31 * BUFFER);
    let heard = get(&api, "mem", &[("x-large", &fitting)]).await.unwrap();
    assert_eq!((heard.status, heard.code()), (200, "0"));
    let large = "x".repeat(32 * BUFFER);
    match get(&api, "mem", &[("x-large", &large)]).await {
        Ok(heard) => assert_eq!(heard.status, 431),
        Err(error) => assert!(error.is_reset() || error.is_go_away(), "{error}"),
    }
}
