//! Connections to any server, with TLS where the URL says so.

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tower_service::Service;

/// How long TCP, and then TLS, may take.
const CONNECT: Duration = Duration::from_secs(15);

const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

type Fault = Box<dyn StdError + Send + Sync>;

/// Connects to whatever host a URL names.
#[derive(Clone)]
pub(super) struct Connector {
    tcp: HttpConnector,
    tls: TlsConnector,
}

trait Bytewise: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Bytewise for S {}

/// A connection.
pub(super) struct Line {
    stream: Box<dyn Bytewise>,
    /// Whether the server has chosen HTTP/2.
    http2: bool,
}

// === impl Connector ===

impl Connector {
    pub(super) fn new(mut config: ClientConfig) -> Self {
        config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        Self { tcp, tls: TlsConnector::from(Arc::new(config)) }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Line>;
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Line>, Fault>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Service::<Uri>::poll_ready(&mut self.tcp, cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let encrypted = uri.scheme() == Some(&Scheme::HTTPS);
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let (connecting, tls) = (self.tcp.call(uri), self.tls.clone());
        Box::pin(async move {
            let stream = connecting.await?.into_inner();
            if !encrypted {
                return Ok(TokioIo::new(Line { stream: Box::new(stream), http2: false }));
            }
            let shaking = tls.connect(ServerName::try_from(host)?, stream);
            let late = |_| io::Error::new(io::ErrorKind::TimedOut, "TLS handshake timeout");
            let stream = tokio::time::timeout(CONNECT, shaking).await.map_err(late)??;
            let http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
            Ok(TokioIo::new(Line { stream: Box::new(stream), http2 }))
        })
    }
}

// === impl Line ===

impl Connection for Line {
    fn connected(&self) -> Connected {
        let connected = Connected::new();
        if self.http2 { connected.negotiated_h2() } else { connected }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_shutdown(cx)
    }
}
