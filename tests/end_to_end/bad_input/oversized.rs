//! Bodies and heads over the limits: Dapr's answers, letter by letter.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::rig::Replug;

use super::{LIMIT, home, still_serves};

/// A request that is the last of its connection.
const LAST: &[u8] = b"GET /v1.0/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// Sends a text, and reads what comes until the connection ends.
async fn sent(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that has seen enough need not read the rest.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// A request with a body that says how long it is, over a connection that could go on.
fn whole(method: &str, path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}").into()
}

/// The same of a body that comes in chunks.
fn chunked(method: &str, path: &str, body: &str) -> Vec<u8> {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).into()
}

#[tokio::test]
async fn a_body_over_the_limit_is_told_by_its_route_and_the_connection_goes_on() {
    let home = home();
    let mut replug = Replug::start(&home).await;
    for component in ["bus", "files"] {
        replug.until_usable(component).await;
    }
    let address = replug.until_usable("store").await.address("http");
    let text = "x".repeat(LIMIT);
    let long = format!(r#"["{text}"]"#);
    let object = format!(r#"{{"a":"{text}"}}"#);
    let malformed =
        |cause: &str| format!(r#"{{"errorCode":"ERR_MALFORMED_REQUEST","message":"{cause}"}}"#);
    let too_large = malformed("stream too large");
    let not_decoded = malformed("failed deserializing HTTP body: stream too large");
    let not_read = r#"{"errorCode":"ERR_BODY_READ","message":"failed to read request body: stream too large"}"#;
    for (method, path, body, status, told) in [
        ("POST", "/v1.0/state/store", &long, 400, too_large.as_str()),
        ("POST", "/v1.0/state/store/bulk", &object, 400, not_decoded.as_str()),
        ("POST", "/v1.0/state/store/transaction", &object, 400, not_decoded.as_str()),
        ("POST", "/v1.0-alpha1/state/store/query", &object, 400, not_read),
        ("POST", "/v1.0/bindings/files", &object, 400, not_decoded.as_str()),
        ("PUT", "/v1.0/metadata/key", &long, 400, not_read),
        ("GET", "/v1.0/metadata", &long, 400, not_read),
        (
            "POST",
            "/v1.0/publish/bus/t",
            &long,
            500,
            r#"{"errorCode":"ERR_PUBSUB_PUBLISH_MESSAGE","message":"error when publishing to topic t in pubsub bus: stream too large""#,
        ),
        (
            "POST",
            "/v1.0/publish/bulk/bus/t",
            &long,
            400,
            r#"{"errorCode":"ERR_PUBSUB_EVENTS_SER","message":"error when unmarshaling the request for topic t pubsub bus: stream too large""#,
        ),
        // Its beginning is looked at first.
        ("POST", "/v1.0/state/store", &text, 400, ""),
    ] {
        let more = format!("{body}x");
        for request in [whole(method, path, &more), chunked(method, path, &more)] {
            let answer = sent(address, &[request.as_slice(), LAST].concat()).await;
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {path}: {answer}");
            assert!(head.contains("\r\nContent-Type: application/json"), "{head}");
            assert!(answer.contains("HTTP/1.1 204 "), "{method} {path}: {answer}");
            let told = if told.is_empty() {
                &malformed("invalid character 'x' looking for beginning of value")
            } else {
                told
            };
            assert!(body.starts_with(told), "{method} {path}: {body}");
        }
    }
    // What follows the first value is not read at all.
    let padded = format!(r#"[{{"key":"padded","value":1}}]{}"#, " ".repeat(LIMIT));
    let request = whole("POST", "/v1.0/state/store", &padded);
    let request = String::from_utf8(request).unwrap();
    let request = request.replacen("Host: x", "Host: x\r\nConnection: close", 1);
    let answer = sent(address, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    still_serves(address).await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused_and_one_below_it_is_read() {
    let home = home();
    let mut replug = Replug::start(&home).await;
    let address = replug.until_usable("store").await.address("http");
    for (size, status) in [(7 << 10, 204), (9 << 10, 431), (70 << 10, 431)] {
        let text = "a".repeat(size);
        // A head that is refused ends the connection, which nobody asks for.
        let close = if status == 204 { "Connection: close\r\n" } else { "" };
        for request in [
            format!("GET /v1.0/healthz HTTP/1.1\r\nHost: x\r\n{close}X-A: {text}\r\n\r\n"),
            format!("GET /v1.0/state/store/{text} HTTP/1.1\r\nHost: x\r\n{close}\r\n"),
        ] {
            let answer = sent(address, request.as_bytes()).await;
            // Where much is left unread, the answer may be lost with the connection.
            if size < 70 << 10 || !answer.is_empty() {
                assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{size}: {answer}");
                assert!(answer.contains("\r\nConnection: close"), "{answer}");
            }
        }
    }
    still_serves(address).await;
    replug.stop(&home).await;
}
