//! Connections to any server, with TLS where the URL says so, and through a proxy where there is one.

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
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::proxies::{Proxies, Proxy, Way};
use super::wire::Wire;
use crate::client_stream::HTTP2;

/// How long TCP, and then TLS, may take.
const CONNECT: Duration = Duration::from_secs(15);

const HTTP1: &[u8] = b"http/1.1";

type Fault = Box<dyn StdError + Send + Sync>;

type Connecting = Pin<Box<dyn Future<Output = Result<TokioIo<Wire>, Fault>> + Send>>;

/// Connects to whatever host a URL names.
#[derive(Clone)]
pub(super) struct Connector {
    proxies: Arc<Proxies>,
    direct: Direct,
    tls: TlsConnector,
}

/// Connects without a proxy, as it is done to one: over TLS without HTTP/2 where the URL says so.
#[derive(Clone)]
struct Direct {
    tcp: HttpConnector,
    tls: TlsConnector,
}

// === impl Connector ===

impl Connector {
    pub(super) fn new(mut config: ClientConfig, proxies: Arc<Proxies>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        config.alpn_protocols = vec![HTTP1.to_vec()];
        let direct = Direct { tcp, tls: TlsConnector::from(Arc::new(config.clone())) };
        config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
        Self { proxies, direct, tls: TlsConnector::from(Arc::new(config)) }
    }

    async fn connect(self, url: Uri) -> Result<TokioIo<Wire>, Fault> {
        let wire = match self.proxies.of(&url) {
            None => self.direct.tcp(url.clone()).await?,
            Some((proxy, way)) => self.through(proxy, way, &url).await.map_err(|fault| {
                // What it says of itself has to do with the proxy, and not with the URL.
                io::Error::other(format!("proxy {proxy}: {}", super::exchange::causes(&*fault)))
            })?,
        };
        let wire = if encrypted(&url) { handshake(&self.tls, &url, wire).await? } else { wire };
        Ok(TokioIo::new(wire))
    }

    async fn through(&self, proxy: &Proxy, way: Way, url: &Uri) -> Result<Wire, Fault> {
        let (mut direct, there) = (self.direct.clone(), proxy.uri.clone());
        match way {
            Way::Asked => Ok(direct.call(there).await?.into_inner().asking_a_proxy()),
            Way::Tunnel => {
                let mut tunnel = Tunnel::new(there, direct);
                if let Some(login) = proxy.login() {
                    tunnel = tunnel.with_auth(login.clone());
                }
                Ok(tunnel.call(url.clone()).await?.into_inner())
            }
            Way::Socks => {
                let mut socks = SocksV5::new(there, direct);
                if let Some((user, password)) = proxy.socks_login() {
                    socks = socks.with_auth(user.to_owned(), password.to_owned());
                }
                Ok(socks.call(with_port(url)?).await?.into_inner())
            }
        }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Wire>;
    type Error = Fault;
    type Future = Connecting;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.direct.poll_ready(cx)
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        Box::pin(self.clone().connect(url))
    }
}

// === impl Direct ===

impl Direct {
    async fn tcp(&self, url: Uri) -> Result<Wire, Fault> {
        Ok(Wire::new(self.tcp.clone().call(url).await?.into_inner()))
    }
}

impl Service<Uri> for Direct {
    type Response = TokioIo<Wire>;
    type Error = Fault;
    type Future = Connecting;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Service::<Uri>::poll_ready(&mut self.tcp, cx).map_err(Into::into)
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let direct = self.clone();
        Box::pin(async move {
            let wire = direct.tcp(url.clone()).await?;
            let wire =
                if encrypted(&url) { handshake(&direct.tls, &url, wire).await? } else { wire };
            Ok(TokioIo::new(wire))
        })
    }
}

fn encrypted(url: &Uri) -> bool {
    url.scheme() == Some(&Scheme::HTTPS)
}

/// TLS with the host of the URL.
async fn handshake(tls: &TlsConnector, url: &Uri, wire: Wire) -> Result<Wire, Fault> {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let shaking = tls.connect(ServerName::try_from(host)?, wire);
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "TLS handshake timeout");
    let stream = tokio::time::timeout(CONNECT, shaking).await.map_err(late)??;
    let http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
    Ok(Wire::new(stream).speaking_http2(http2))
}

/// The same URL with the port that it means.
fn with_port(url: &Uri) -> Result<Uri, Fault> {
    let port = url.port_u16().unwrap_or(if encrypted(url) { 443 } else { 80 });
    let mut parts = url.clone().into_parts();
    let host = url.host().unwrap_or_default();
    parts.authority = Some(format!("{host}:{port}").parse()?);
    Ok(Uri::from_parts(parts)?)
}
