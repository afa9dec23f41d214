//! The application beside a sidecar: it answers whatever is asked of it over HTTP/1.1, and keeps what
//! it was sent.

use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::chunked;

/// How long the answer to a path that begins with `/slow` takes: daprd measures no less than a
/// millisecond.
const SLOW: Duration = Duration::from_millis(20);

/// An application that listens until it is dropped.
#[derive(Debug)]
pub(super) struct App {
    port: u16,
    received: Arc<Mutex<Vec<Received>>>,
    accepting: AbortHandle,
}

/// A request that it was sent.
#[derive(Debug, Clone)]
pub(super) struct Received {
    /// Method and path.
    pub(super) what: String,
    /// Its fields, with names in lower case, in the order of their names.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

// === impl App ===

impl App {
    pub(super) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let received = Arc::<Mutex<Vec<_>>>::default();
        let kept = Arc::clone(&received);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&kept)));
            }
        });
        Ok(Self { port, received, accepting: accepting.abort_handle() })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// What it was sent since it was last asked.
    pub(super) fn take(&self) -> Vec<Received> {
        std::mem::take(&mut *self.received.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Answers on one connection until it ends or breaks.
async fn serve(stream: TcpStream, kept: Arc<Mutex<Vec<Received>>>) {
    let mut stream = BufReader::new(stream);
    while let Ok(Some(request)) = read(&mut stream).await {
        if request.path().starts_with("/slow") {
            tokio::time::sleep(SLOW).await;
        }
        let (status, kind, body) = answer(&request);
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nX-Of-App: yes\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let whole = [answer.as_bytes(), &body].concat();
        if stream.get_mut().write_all(&whole).await.is_err() {
            return;
        }
    }
}

/// What the application makes of a request: its path says the status, if it begins with one, or what
/// becomes of a message.
fn answer(request: &Received) -> (String, &'static str, Vec<u8>) {
    let path = request.path();
    if let Some(word) = path.strip_prefix("/said/") {
        return (
            "200 OK".to_owned(),
            "application/json",
            format!(r#"{{"status":"{word}"}}"#).into(),
        );
    }
    if path.starts_with("/dapr/subscribe") {
        return ("200 OK".to_owned(), "application/json", b"[]".to_vec());
    }
    if path.starts_with("/dapr/config") {
        return ("404 Not Found".to_owned(), "text/plain", Vec::new());
    }
    match path.strip_prefix("/status/").and_then(|rest| rest.get(..3)) {
        Some(status) => (format!("{status} Said"), "text/plain", format!("it is {status}").into()),
        None => ("200 OK".to_owned(), "application/json", request.body.clone()),
    }
}

// === impl Received ===

impl Received {
    /// The path with its query.
    fn path(&self) -> &str {
        self.what.split_once(' ').map_or("", |(_, path)| path)
    }
}

/// The next request; none: the connection has ended.
async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Received>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let what = line.rsplit_once(' ').map_or("", |(what, _)| what).to_owned();
    let (mut headers, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        if name == "content-length" {
            length = value.parse().unwrap_or(0);
        }
        headers.push((name, value));
    }
    headers.sort();
    let body = if headers.iter().any(|(name, _)| name == "transfer-encoding") {
        chunked::body(stream).await?
    } else {
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        body
    };
    Ok(Some(Received { what, headers, body }))
}
