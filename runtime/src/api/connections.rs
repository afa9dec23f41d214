//! The connections of one listener: accepted, served, and ended.
//!
//! Every connection is a task that the listener's loop owns. It knows HTTP/1.1 and HTTP/2 and
//! nothing of what is served over them.

mod first_bytes;
mod last_calls;
mod refusals;
mod refused_head;
mod upgrade;

use std::convert::Infallible;
use std::error::Error as StdError;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::rt::{Read, Write};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::first_bytes::Telling;
pub(super) use self::first_bytes::{FirstBytes, Progress};
use self::last_calls::Closing;
pub use self::last_calls::LastCalls;
use self::refusals::Refusals;
pub(super) use self::refused_head::is_of_host;
use self::upgrade::{Asked, Hearing, Resumed};
use super::listener::{Io, Listener};
use super::server::Ending;

/// How long a new connection may take to begin: HTTP/1.1 with the whole head of a request, HTTP/2
/// with its preface. A peer that is slower than this is not served.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection that was accepted and has not begun yet may take to do so when it is time to
/// end: whoever has connected just now is about to send something.
const LAST_BEGINNING: Duration = Duration::from_millis(250);

/// How long no connection is accepted after the system refused one, for want of descriptors mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bytes a client may send on one HTTP/2 stream before it has to wait for the reader: a usual
/// request never waits for a window update.
pub(super) const STREAM_WINDOW: u32 = 1 << 20;

/// The same for all streams of a connection together.
pub(super) const CONNECTION_WINDOW: u32 = 8 << 20;

/// The largest HTTP/2 frame a client may send.
pub(super) const MAX_FRAME: u32 = 64 << 10;

/// Calls that one HTTP/2 connection may have under way. Applications share one connection among
/// all their tasks, and callers that wait for a plugin count too.
pub(super) const MAX_STREAMS: u32 = 16_384;

/// How often a silent HTTP/2 client is asked whether it is still there.
pub(super) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(60);

/// How long it may take to say so.
pub(super) const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// The least that hyper takes for an HTTP/1.1 head.
const LEAST_HEAD: usize = 8 << 10;

/// The most fields of an HTTP/1.1 head. Dapr takes as many as its read buffer holds; here each head has
/// room made for this many.
const MOST_FIELDS: usize = 512;

/// What a listener speaks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Protocol {
    /// HTTP/1.1 alone.
    Http1,
    /// Whichever the client begins with.
    Either,
}

/// Serves connections.
pub(super) trait Serve: Clone + Send + Sync + 'static {
    /// Serves one, until it ends by itself or `end` asks for that.
    fn serve(
        self,
        io: Box<dyn Io>,
        end: watch::Receiver<Option<Ending>>,
    ) -> impl Future<Output = ()> + Send;
}

/// A connection that is served while it is polled, until it ends.
pub(super) trait Graceful:
    Future<Output = Result<(), Box<dyn StdError + Send + Sync>>>
{
    /// Lets no further request begin, and ends the connection after those that have begun.
    fn graceful_shutdown(self: Pin<&mut Self>);
}

/// Serves the listener's connections, `most` at a time, until `end` says how that is to end. Then no
/// more are accepted, clients are asked to go, and what is under way after the ending's time is cut
/// off. Gives the listener back where somebody else is to go on with it: connections queue up in it
/// meanwhile.
///
/// Dropping the future ends everything at once.
pub(super) async fn serve(
    listener: Listener,
    most: usize,
    service: impl Serve,
    mut end: watch::Receiver<Option<Ending>>,
) -> Option<Listener> {
    let told = end.clone();
    let mut connections = JoinSet::new();
    let ending = loop {
        tokio::select! {
            ending = is_told(&mut end) => break ending,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < most => {
                match accepted {
                    Ok(io) => {
                        connections.spawn(service.clone().serve(io, told.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(address = %listener.address(), %error, "cannot accept");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
    };
    let (listener, grace) = match ending {
        Ending::Stop { grace } => {
            drop(listener);
            (None, grace)
        }
        Ending::HandOver { grace } => (Some(listener), grace),
    };
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(grace, ended).await.is_err() {
        tracing::warn!("{} connections are cut off with calls under way", connections.len());
        connections.shutdown().await;
    }
    listener
}

/// Serves an HTTP service over connections. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct OverHttp<S> {
    builder: Arc<auto::Builder<TokioExecutor>>,
    /// The same for connections that have been upgraded; none: none are.
    upgraded: Option<Arc<auto::Builder<TokioExecutor>>>,
    service: S,
    last_calls: LastCalls,
}

impl<S> OverHttp<S> {
    /// `head` is the largest head of a request, in bytes.
    pub(super) fn new(service: S, protocol: Protocol, head: usize, last_calls: LastCalls) -> Self {
        let upgraded = match protocol {
            Protocol::Http1 => None,
            Protocol::Either => Some(Arc::new(builder(protocol, head).http2_only())),
        };
        Self { builder: Arc::new(builder(protocol, head)), upgraded, service, last_calls }
    }
}

impl<S, B> Serve for OverHttp<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Default + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    async fn serve(self, io: Box<dyn Io>, end: watch::Receiver<Option<Ending>>) {
        let _open = self.last_calls.opened();
        let progress = Arc::new(Progress::default());
        let io = FirstBytes::new(Refusals::new(io), progress.clone());
        let io = TokioIo::new(io);
        let Some(upgraded) = self.upgraded else {
            let service = Closing::new(self.service, self.last_calls.clone());
            let service = Telling::new(service, progress.clone());
            attend(self.builder.serve_connection(io, service), &progress, end).await;
            return;
        };
        let asked = Arc::new(Asked::default());
        let service = Hearing::new(self.service.clone(), asked.clone());
        let service = Closing::new(service, self.last_calls.clone());
        let service = Telling::new(service, progress.clone());
        let connection = self.builder.serve_connection_with_upgrades(io, service);
        attend(connection, &progress, end.clone()).await;
        let Some((io, first)) = asked.taken().await else { return };
        // It has to begin once more, with the preface.
        let progress = Arc::new(Progress::default());
        let io = FirstBytes::new(TokioIo::new(io), progress.clone());
        let io = TokioIo::new(Resumed::new(io, first));
        let service = Telling::new(self.service, progress.clone());
        attend(upgraded.serve_connection(io, service), &progress, end).await;
    }
}

impl<I, S, B> Graceful for auto::UpgradeableConnection<'_, I, S, TokioExecutor>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    I: Read + Write + Unpin + Send + 'static,
{
    fn graceful_shutdown(self: Pin<&mut Self>) {
        auto::UpgradeableConnection::graceful_shutdown(self);
    }
}

// One that cannot be upgraded is of this type and no other: a builder that is told to speak one version
// only goes by that here alone.
impl<I, S, B> Graceful for auto::Connection<'_, I, S, TokioExecutor>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    I: Read + Write + Unpin + Send + 'static,
{
    fn graceful_shutdown(self: Pin<&mut Self>) {
        auto::Connection::graceful_shutdown(self);
    }
}

fn builder(protocol: Protocol, head: usize) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let head = head.max(LEAST_HEAD);
    builder
        .http1()
        .max_buf_size(head)
        .max_headers(MOST_FIELDS)
        // As Go writes them, for clients that compare header names letter by letter.
        .title_case_headers(true)
        // Only the first head of a connection is timed, by `FirstBytes`: a client may keep an idle
        // connection for later.
        .header_read_timeout(None);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(MAX_FRAME)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX))
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
    match protocol {
        Protocol::Http1 => builder.http1_only(),
        Protocol::Either => builder,
    }
}

/// Sees a connection through: it has to begin in time, and to end when it is told to.
pub(super) async fn attend(
    connection: impl Graceful,
    progress: &Progress,
    mut end: watch::Receiver<Option<Ending>>,
) {
    let mut connection = pin!(connection);
    let mut overdue = pin!(tokio::time::sleep(BEGIN_TIMEOUT));
    let mut timed = true;
    let mut stopping = false;
    let mut is_to_stop = pin!(async {
        is_told(&mut end).await;
        let _ = tokio::time::timeout(LAST_BEGINNING, progress.begins()).await;
    });
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error, "a client's connection ended");
                }
                return;
            }
            () = overdue.as_mut(), if timed => {
                if !progress.has_begun() {
                    return;
                }
                timed = false;
            }
            () = is_to_stop.as_mut(), if !stopping => {
                connection.as_mut().graceful_shutdown();
                stopping = true;
            }
        }
    }
}

/// Resolves once it is time to end. When nobody is left who could say so, that is a stop at once.
async fn is_told(end: &mut watch::Receiver<Option<Ending>>) -> Ending {
    match end.wait_for(Option::is_some).await.as_deref() {
        Ok(Some(ending)) => *ending,
        _ => Ending::Stop { grace: Duration::ZERO },
    }
}
