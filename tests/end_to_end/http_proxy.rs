//! `bindings.http` behind a forward proxy that the environment names: a little one of the test's own,
//! which knows a single server, whatever it is called.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::rig::{Home, PATIENCE, Replug, http};
use crate::servers::{Certificate, Process, bound_to_this_thread, free_port, has_openssl};

/// Where nobody is: an address for examples.
const ELSEWHERE: &str = "192.0.2.1";

/// A forward proxy, with the heads of the requests that have come. It ends with this.
struct Proxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// For names: `plain` is the server behind whole URLs, `tunnelled` the one behind `CONNECT`.
    async fn start(plain: SocketAddr, tunnelled: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (mut tasks, seen) = (JoinSet::new(), heads.clone());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(forward(stream, plain, tunnelled, seen.clone()));
            }
        });
        Self { address, heads, _tasks: tasks }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(char::from(stream.read_u8().await.unwrap()));
    }
    head
}

async fn forward(
    mut client: TcpStream,
    plain: SocketAddr,
    tunnelled: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
) {
    let head = read_head(&mut client).await;
    heads.lock().unwrap().push(head.clone());
    let mut server;
    if head.starts_with("CONNECT ") {
        server = TcpStream::connect(tunnelled).await.unwrap();
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    } else {
        server = TcpStream::connect(plain).await.unwrap();
        // The server is asked by the path, and does not learn of the proxy's own affairs.
        let own = |line: &&str| !line.to_ascii_lowercase().starts_with("proxy-");
        let lines: Vec<&str> = head.split("\r\n").filter(own).collect();
        let (method, rest) = lines[0].split_once(" http://").unwrap();
        let path = &rest[rest.find('/').unwrap()..];
        let head = format!("{method} {path}\r\n{}", lines[1..].join("\r\n"));
        server.write_all(head.as_bytes()).await.unwrap();
    }
    let _ = copy_bidirectional(&mut client, &mut server).await;
}

/// Answers every request with its first line, and closes.
async fn echo(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let head = read_head(&mut stream).await;
        assert!(!head.to_ascii_lowercase().contains("proxy-authorization"), "{head}");
        let line = head.lines().next().unwrap();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{line}",
            line.len()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn requests_go_through_the_proxies_of_the_environment_and_those_to_this_machine_do_not() {
    if !has_openssl() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(echo(listener));
    let certificate = Certificate::new(ELSEWHERE);
    let tunnelled = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut openssl = bound_to_this_thread(None, "openssl".as_ref());
    openssl.args(["s_server", "-www", "-accept", &tunnelled.to_string()]);
    openssl.args(["-cert", &certificate.certificate(), "-key", &certificate.key()]);
    let _server = Process::start(openssl, "ACCEPT");
    let proxy = Proxy::start(plain, tunnelled).await;

    let component = |name: &str, url: &str| {
        let authority = certificate.authority();
        format!(
            "[components.{name}]\n\
             type = \"bindings.http\"\n\
             metadata = {{ url = {url:?}, MTLSRootCA = {authority:?} }}\n"
        )
    };
    let home = Home::new(
        &[
            component("named", "http://shop.test:8080/orders"),
            component("safe", &format!("https://{ELSEWHERE}/orders")),
            component("exempt", "http://nobody.test:1/orders"),
            component("here", &format!("http://{plain}/orders")),
        ]
        .concat(),
    );
    let address = proxy.address;
    let mut replug = Replug::spawn_with(&home, |command| {
        command
            .env("HTTP_PROXY", format!("http://me:s3cret@{address}"))
            .env("https_proxy", address.to_string())
            .env("NO_PROXY", "example.test,nobody.test:1")
    });
    let status = replug
        .until("all are usable", |status| {
            ["named", "safe", "exempt", "here"]
                .iter()
                .all(|name| status.component_is(name, "ready"))
        })
        .await;
    let ask = async |name: &str| {
        let path = format!("/v1.0/bindings/{name}");
        let asking = http::request(status.address("http"), "POST", &path, r#"{"operation":"get"}"#);
        tokio::time::timeout(PATIENCE, asking).await.unwrap()
    };

    let named = ask("named").await;
    assert_eq!((named.status.as_u16(), named.body.as_str()), (200, "GET /orders HTTP/1.1"));
    let [head] = &proxy.heads()[..] else { panic!("one request has come") };
    assert!(head.starts_with("GET http://shop.test:8080/orders HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("roxy-authorization: Basic bWU6czNjcmV0\r\n"), "{head}");

    let safe = ask("safe").await;
    assert_eq!(safe.status.as_u16(), 200, "{}", safe.body);
    assert!(safe.body.contains("s_server"), "{}", safe.body);
    let head = proxy.heads().pop().unwrap();
    assert!(head.starts_with(&format!("CONNECT {ELSEWHERE}:443 HTTP/1.1\r\n")), "{head}");
    assert!(!head.contains("uthorization"), "{head}");

    let here = ask("here").await;
    assert_eq!((here.status.as_u16(), here.body.as_str()), (200, "GET /orders HTTP/1.1"));
    assert_eq!(ask("exempt").await.status.as_u16(), 500);
    assert_eq!(proxy.heads().len(), 2);
}

#[tokio::test]
async fn a_proxy_that_cannot_be_used_is_told_without_its_password() {
    let home = Home::new(
        "[components.web]\n\
         type = \"bindings.http\"\n\
         metadata = { url = \"http://shop.test/\" }\n",
    );
    let mut replug =
        Replug::spawn_with(&home, |command| command.env("HTTP_PROXY", "gopher://me:s3cret@there"));
    let status = replug
        .until("it is told", |status| {
            status.component("web").is_some_and(|web| web.reason.is_some())
        })
        .await;
    let error = status.component("web").unwrap().why().to_owned();
    assert!(error.contains("HTTP_PROXY") && !error.contains("s3cret"), "{error}");
}
