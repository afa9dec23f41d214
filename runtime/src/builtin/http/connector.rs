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
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use crate::client_stream::{ClientStream, HTTP2};

/// How long TCP, and then TLS, may take.
const CONNECT: Duration = Duration::from_secs(15);

const HTTP1: &[u8] = b"http/1.1";

type Fault = Box<dyn StdError + Send + Sync>;

/// Connects to whatever host a URL names.
#[derive(Clone)]
pub(super) struct Connector {
    tcp: HttpConnector,
    tls: TlsConnector,
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
    type Response = TokioIo<ClientStream>;
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<ClientStream>, Fault>> + Send>>;

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
                return Ok(TokioIo::new(ClientStream::Plain(stream)));
            }
            let shaking = tls.connect(ServerName::try_from(host)?, stream);
            let late = |_| io::Error::new(io::ErrorKind::TimedOut, "TLS handshake timeout");
            let stream = tokio::time::timeout(CONNECT, shaking).await.map_err(late)??;
            Ok(TokioIo::new(ClientStream::Encrypted(Box::new(stream))))
        })
    }
}
