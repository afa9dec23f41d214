//! The question to a web server.

use std::pin::pin;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The port of `http://HOST/`.
const HTTP_PORT: u16 = 80;

/// What the server is told about who asks.
const ASKER: &str = concat!("replug/", env!("CARGO_PKG_VERSION"));

/// A URL whose server is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTarget(Uri);

/// Why a text is no URL that can be asked.
#[derive(Debug, thiserror::Error)]
pub enum WrongUrl {
    /// It is no URL at all.
    #[error("which is no URL")]
    NotOne,
    /// It is not `http://`.
    #[error("which does not begin with http://")]
    Scheme,
    /// It names no server.
    #[error("which names no server")]
    NoHost,
}

impl std::str::FromStr for HttpTarget {
    type Err = WrongUrl;

    fn from_str(text: &str) -> Result<Self, WrongUrl> {
        let uri: Uri = text.parse().map_err(|_| WrongUrl::NotOne)?;
        if uri.scheme_str() != Some("http") {
            return Err(WrongUrl::Scheme);
        }
        if uri.host().is_none_or(str::is_empty) {
            return Err(WrongUrl::NoHost);
        }
        Ok(Self(uri))
    }
}

impl HttpTarget {
    /// Sends GET on a connection of its own. The answer's body is not read.
    pub(super) async fn get(&self) -> Result<(), String> {
        // There is one, or this were no target.
        let host = self.0.host().unwrap_or_default();
        let port = self.0.port_u16().unwrap_or(HTTP_PORT);
        // An IPv6 address stands in brackets in a URL, and without them elsewhere.
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((bare, port)).await;
        let stream = stream.map_err(|error| format!("cannot connect: {error}"))?;
        let status = exchange(stream, self.request()).await;
        let status = status.map_err(|error| format!("no HTTP answer: {error}"))?;
        if status.is_success() || status.is_redirection() {
            return Ok(());
        }
        Err(format!("answers {status}"))
    }

    fn request(&self) -> Request<Empty<Bytes>> {
        let path = self.0.path_and_query().map_or("/", |path| path.as_str());
        let authority = self.0.authority().map_or("", |authority| authority.as_str());
        let mut request = Request::new(Empty::new());
        // Both were parts of a URL, so they are good.
        *request.uri_mut() = path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        if let Ok(authority) = authority.parse() {
            headers.insert(HOST, authority);
        }
        headers.insert(USER_AGENT, hyper::header::HeaderValue::from_static(ASKER));
        headers.insert(CONNECTION, hyper::header::HeaderValue::from_static("close"));
        request
    }
}

async fn exchange(stream: TcpStream, request: Request<Empty<Bytes>>) -> hyper::Result<StatusCode> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut connection = pin!(connection);
    let mut answer = pin!(sender.send_request(request));
    tokio::select! {
        biased;
        answer = &mut answer => answer.map(|answer| answer.status()),
        // The server may close it as soon as the answer is there.
        _ = &mut connection => answer.await.map(|answer| answer.status()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_is_asked() {
        let target = |text: &str| text.parse::<HttpTarget>();
        assert!(target("http://127.0.0.1:8080/healthz?full=1").is_ok());
        assert!(target("http://[::1]:8080").is_ok());
        assert!(matches!(target("https://localhost/"), Err(WrongUrl::Scheme)));
        assert!(matches!(target("localhost:8080"), Err(WrongUrl::Scheme)));
        assert!(matches!(target("/healthz"), Err(WrongUrl::Scheme)));
        assert!(matches!(target("http:// x"), Err(WrongUrl::NotOne)));
        assert!(matches!(target(""), Err(WrongUrl::NotOne)));
    }
}
