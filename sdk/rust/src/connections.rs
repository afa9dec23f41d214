//! Connections: accepted, served, and brought to an end.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tonic::service::Routes;

/// How much a caller may send ahead on one call, in bytes: large values come without a pause.
const STREAM_WINDOW: u32 = 4 << 20;

/// How much a caller may send ahead on all its calls together, in bytes. A runtime has one
/// connection for all that it calls.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// The largest HTTP/2 frame, in bytes: few frames for a large value, and none that keeps small
/// calls waiting for long.
const FRAME_SIZE: u32 = 256 << 10;

/// How many calls may be given up before they were looked at. More end the connection, and many
/// callers whose patience ends at the same moment are no attack here.
const GIVEN_UP_CALLS: usize = 4096;

/// How long accepting rests after it failed for want of descriptors or memory. There is nothing to
/// wait for that would say when there are some again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The connections of one socket. Dropped, they are cut off.
pub(crate) struct Connections {
    http: http2::Builder<TokioExecutor>,
    service: TowerToHyperService<Routes>,
    ending: GracefulShutdown,
    /// One for each connection, and the owner of them.
    tasks: JoinSet<()>,
}

impl Connections {
    pub(crate) fn new(routes: Routes) -> Self {
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .auto_date_header(false)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME_SIZE)
            .max_concurrent_streams(None)
            .max_pending_accept_reset_streams(GIVEN_UP_CALLS);
        Self {
            http,
            service: TowerToHyperService::new(routes),
            ending: GracefulShutdown::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Accepts and serves until `shutdown` is over; the listener is closed then, and the
    /// connections are as they were.
    pub(crate) async fn accept_until(
        &mut self,
        listener: UnixListener,
        shutdown: impl Future<Output = ()>,
    ) {
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => return,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => self.serve(stream),
                    Err(error) => {
                        tracing::warn!("cannot accept a connection: {error}");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = self.tasks.join_next() => {}
            }
        }
    }

    fn serve(&mut self, stream: UnixStream) {
        let connection = self.http.serve_connection(TokioIo::new(stream), self.service.clone());
        let connection = self.ending.watch(connection);
        self.tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("a connection ended: {error}");
            }
        });
    }

    /// Takes no new calls, waits for those under way, for `patience` at the most, and cuts off the
    /// others.
    pub(crate) async fn drain(mut self, patience: Duration) {
        if tokio::time::timeout(patience, self.ending.shutdown()).await.is_err() {
            tracing::warn!("calls are under way after {patience:?}: they are cut off");
        }
        self.tasks.shutdown().await;
    }
}
