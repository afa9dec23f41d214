//! The metrics port. Every path answers the same, as daprd's does.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use replug_runtime::api::ListenAddress;
use replug_runtime::registry::Registry;
use replug_runtime::telemetry::Telemetry;
use replug_supervisor::supervisor::Supervisor;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How many may ask at a time; the next ones wait.
const MOST_CONNECTIONS: usize = 64;

/// The text's form, as Prometheus names it.
const FORM: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/// Where metrics are asked for. Connections queue up from now on.
#[derive(Debug)]
pub(crate) struct Listening(std::net::TcpListener);

impl Listening {
    pub(super) fn at(address: &ListenAddress) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("failed to listen on {address}: {error}");
        let ListenAddress::Tcp(text) = address else {
            return Err(format!("failed to listen on {address}: metrics have a TCP address"));
        };
        let listener = std::net::TcpListener::bind(text).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self(listener))
    }

    /// Where that is, the port found.
    pub(crate) fn address(&self) -> String {
        self.0.local_addr().map(|address| address.to_string()).unwrap_or_default()
    }

    /// Answers until the future is dropped.
    pub(crate) async fn serve(
        &self,
        telemetry: Option<Arc<Telemetry>>,
        supervisor: Arc<Supervisor>,
        registry: Arc<Registry>,
    ) -> Infallible {
        let listener = self.0.try_clone().and_then(TcpListener::from_std);
        let listener = match listener {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!("metrics cannot be served: {error}");
                return std::future::pending().await;
            }
        };
        let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            // It is never closed.
            let Ok(permit) = room.clone().acquire_owned().await else { continue };
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!(%error, "a connection to the metrics");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (telemetry, supervisor, registry) =
                (telemetry.clone(), supervisor.clone(), registry.clone());
            connections.spawn(async move {
                let telling = service_fn(move |_: Request<Incoming>| {
                    let text = super::text(telemetry.as_deref(), &supervisor, &registry);
                    let mut answer = Response::new(Full::new(Bytes::from(text)));
                    let headers = answer.headers_mut();
                    headers.insert(CONTENT_TYPE, HeaderValue::from_static(FORM));
                    std::future::ready(Ok::<_, Infallible>(answer))
                });
                let mut server = http1::Builder::new();
                server.timer(TokioTimer::new());
                let over = server.serve_connection(TokioIo::new(stream), telling).await;
                if let Err(error) = over {
                    tracing::debug!(%error, "a connection to the metrics ended");
                }
                drop(permit);
            });
        }
    }
}
