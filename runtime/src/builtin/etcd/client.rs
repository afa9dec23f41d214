//! One HTTP/2 connection to the first of the endpoints that answers. gRPC's channel dials anew when it
//! is lost, at the next call; then the endpoints are tried in their order again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use prost::Message;
use replug_component::Error;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint as Origin};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::settings::{Endpoint, Settings};
use crate::builtin::tls::Trust;

/// How long an answer may take, and a connection, as in Dapr's store.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The servers of a cluster.
pub(super) struct Client {
    channel: Grpc<Channel>,
    /// What errors call them.
    shown: String,
}

impl Client {
    /// Nothing is dialled yet.
    pub(super) fn new(settings: &Settings) -> Result<Self, Error> {
        let tls = match &settings.tls {
            None => None,
            Some((ca, certificate, key)) => {
                let client = Some((certificate.as_str(), key.reveal()));
                let trust = Trust { root: Some(ca), client, anybody: false };
                let mut config: ClientConfig = trust.config()?;
                config.alpn_protocols = vec![b"h2".to_vec()];
                Some(TlsConnector::from(Arc::new(config)))
            }
        };
        let endpoints: Arc<[Endpoint]> = settings.endpoints.clone().into();
        let dial = tower::service_fn(move |_| {
            let (endpoints, tls) = (endpoints.clone(), tls.clone());
            async move { dial(&endpoints, tls).await }
        });
        let channel = Origin::from_static("http://etcd").connect_with_connector_lazy(dial);
        let shown: Vec<String> = settings.endpoints.iter().map(ToString::to_string).collect();
        // A value is as large as etcd allows.
        let channel = Grpc::new(channel).max_decoding_message_size(usize::MAX);
        Ok(Self { channel, shown: shown.join(",") })
    }

    /// Calls what changes nothing; once more where the answer is lost.
    pub(super) async fn read<Q, A>(&self, path: &'static str, request: Q) -> Result<A, Error>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        match self.call(path, request.clone()).await {
            Err(status) if status.code() == Code::Unavailable => {
                self.call(path, request).await.map_err(|status| self.failed("read", &status))
            }
            answer => answer.map_err(|status| self.failed("read", &status)),
        }
    }

    /// Calls what changes something.
    pub(super) async fn write<Q, A>(&self, path: &'static str, request: Q) -> Result<A, Error>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        self.call(path, request).await.map_err(|status| self.failed("write", &status))
    }

    async fn call<Q, A>(&self, path: &'static str, request: Q) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut channel = self.channel.clone();
        let calling = async {
            channel.ready().await.map_err(|error| Status::unavailable(in_full(&error)))?;
            let codec: ProstCodec<Q, A> = ProstCodec::default();
            let path = PathAndQuery::from_static(path);
            channel.unary(Request::new(request), path, codec).await
        };
        match tokio::time::timeout(TIMEOUT, calling).await {
            Ok(answer) => answer.map(tonic::Response::into_inner),
            Err(_) => Err(Status::deadline_exceeded(format!(
                "no answer within {}",
                humantime::format_duration(TIMEOUT)
            ))),
        }
    }

    fn failed(&self, doing: &str, status: &Status) -> Error {
        let cause = match std::error::Error::source(status) {
            Some(cause) => format!("{}: {}", status.message(), in_full(cause)),
            None => status.message().to_owned(),
        };
        self.told(&format!("cannot {doing}: {cause}"))
    }

    pub(super) fn told(&self, text: &str) -> Error {
        Error::Failed(format!("etcd {}: {text}", self.shown))
    }
}

/// An error with what caused it.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A connection to the first endpoint that answers; why the last one did not.
async fn dial(
    endpoints: &[Endpoint],
    tls: Option<TlsConnector>,
) -> io::Result<TokioIo<Box<dyn Stream>>> {
    let mut last = None;
    for endpoint in endpoints {
        match tokio::time::timeout(TIMEOUT, dial_one(endpoint, tls.clone())).await {
            Ok(Ok(stream)) => return Ok(TokioIo::new(stream)),
            Ok(Err(error)) => last = Some(error),
            Err(_) => last = Some(io::ErrorKind::TimedOut.into()),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

async fn dial_one(endpoint: &Endpoint, tls: Option<TlsConnector>) -> io::Result<Box<dyn Stream>> {
    let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
    stream.set_nodelay(true)?;
    let Some(tls) = tls else {
        return Ok(Box::new(stream));
    };
    let name = ServerName::try_from(endpoint.host.clone()).map_err(io::Error::other)?;
    Ok(Box::new(tls.connect(name, stream).await?))
}

trait Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Stream for S {}
