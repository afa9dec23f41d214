//! Connections to the application, with TLS where it speaks it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::settings::AppSettings;
use super::tls;
use crate::client_stream::ClientStream;

/// Connects to the application, whatever is asked for. Clones are the same.
#[derive(Clone)]
pub(super) struct Connector(Arc<Target>);

struct Target {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

// === impl Connector ===

impl Connector {
    pub(super) fn new(settings: &AppSettings) -> Self {
        let host = settings.address.trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = settings.protocol.is_encrypted().then(|| {
            let connector = tls::connector(settings.protocol.is_http2());
            (connector, tls::server_name(&host))
        });
        Self(Arc::new(Target { host, port: settings.port, tls }))
    }

    /// A new connection, TLS and all.
    pub(super) async fn connect(&self) -> io::Result<ClientStream> {
        let Target { host, port, tls } = &*self.0;
        let stream = TcpStream::connect((host.as_str(), *port)).await?;
        stream.set_nodelay(true)?;
        match tls {
            None => Ok(ClientStream::Plain(stream)),
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await?;
                Ok(ClientStream::Encrypted(Box::new(stream)))
            }
        }
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<ClientStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<ClientStream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.connect().await.map(TokioIo::new) })
    }
}
