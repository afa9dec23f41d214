//! One HTTP/2 connection to a plugin's socket.
//!
//! It carries calls only as far as they can be told apart: whether a call was never sent, was
//! refused unprocessed, or was lost on its way decides what may be sent again. It knows nothing of
//! components, gRPC messages or what comes after the connection's end.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, watch};

use crate::http2::gathered::Gathered;
use crate::http2::message::Only;

/// Bytes that a plugin may send on one stream before it has to wait for the reader. Large enough
/// that usual answers never wait for a window update.
const STREAM_WINDOW: u32 = 1 << 20;
/// The same for all streams of a connection together.
const CONNECTION_WINDOW: u32 = 8 << 20;
/// The largest frame a plugin may send.
const MAX_FRAME: u32 = 1 << 20;

/// Room for what is written that a connection keeps while it is made use of, in bytes.
const WRITE_ROOM: usize = 64 << 10;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// One HTTP/2 connection to a plugin. Clones are the same connection; it ends when the last one is
/// gone, or when the plugin ends it.
#[derive(Debug, Clone)]
pub struct Connection {
    sender: SendRequest<Bytes>,
    life: Arc<Life>,
}

#[derive(Debug)]
struct Life {
    id: u64,
    /// True once the connection is of no use for new calls.
    ended: watch::Sender<bool>,
    /// Calls under way.
    calls: AtomicUsize,
    /// Calls that last, which nobody waits for the answer of.
    lasting: AtomicUsize,
    /// Calls that were answered so far.
    answers: AtomicU64,
    /// Rung by the first of the calls that are under way.
    used: Notify,
    /// No call of an application begins any more; those that are under way end by themselves.
    draining: AtomicBool,
    /// Rung by the last of the calls that are under way, while the connection is drained.
    idle: Notify,
    /// Drives the connection; ended with the last clone.
    driver: tokio::task::AbortHandle,
}

impl Drop for Life {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Life {
    /// A call has ended, of those that this counts.
    fn one_less(&self, calls: &AtomicUsize) {
        let last = calls.fetch_sub(1, Ordering::SeqCst) == 1;
        if last && self.draining.load(Ordering::SeqCst) {
            self.idle.notify_waiters();
        }
    }
}

/// Tells when a connection has ended; does not keep it alive.
#[derive(Debug, Clone)]
pub struct Closed(watch::Receiver<bool>);

impl Closed {
    /// Resolves once the connection is of no use for new calls, or nobody holds it any more.
    pub async fn wait(&mut self) {
        // An error means that the connection was dropped, which is an end as well.
        let _ = self.0.wait_for(|ended| *ended).await;
    }
}

/// An answer of which everything has arrived.
#[derive(Debug)]
pub(crate) struct Answer<P> {
    /// Status and headers.
    pub(crate) head: Response<()>,
    /// The body's pieces.
    pub(crate) body: P,
    /// The trailers; none where the answer was headers alone.
    pub(crate) trailers: Option<HeaderMap>,
}

/// What keeps the pieces of an answer's body.
pub(crate) trait Pieces: Default {
    /// Takes the next one.
    fn add(&mut self, piece: Bytes);
}

impl Pieces for Vec<Bytes> {
    fn add(&mut self, piece: Bytes) {
        self.push(piece);
    }
}

impl Pieces for Only {
    fn add(&mut self, piece: Bytes) {
        // A malformed one shows when the whole is asked for its message.
        let _ = self.push(piece, usize::MAX);
    }
}

/// How much of an answer may come.
pub(crate) trait Room {
    /// So many bytes more have come; an error gives the call up.
    fn take(&mut self, bytes: usize) -> Result<(), ConnectionError>;
}

/// Room for so many bytes.
pub(crate) struct UpTo {
    limit: usize,
    taken: usize,
}

/// Why a call over a connection has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The plugin has not seen the call: the connection was gone already, or said so itself.
    #[error("the connection is closed: {0}")]
    Unsent(#[source] h2::Error),
    /// The plugin refused the call without processing it; the connection lives.
    #[error("the plugin refused the call")]
    Refused,
    /// The connection ended with the call on its way: whether it was carried out is not known.
    #[error("the connection was lost: {0}")]
    Lost(#[source] h2::Error),
    /// The plugin ended this one call.
    #[error("the plugin ended the call: {0}")]
    Reset(#[source] h2::Error),
    /// This and other answers together are more than may be in memory.
    #[error("calls under way have {most} bytes in memory already, its `max_bytes`")]
    Crowded {
        /// The bound that they crossed, in bytes.
        most: u64,
    },
    /// The answer is larger than it may be.
    #[error("the plugin's answer is larger than {limit} bytes")]
    TooLarge {
        /// The bound that it crossed, in bytes.
        limit: usize,
    },
}

/// The head of a call: gRPC has no other method.
pub(super) fn head(uri: Uri, headers: HeaderMap) -> Request<()> {
    let mut head = Request::new(());
    *head.method_mut() = Method::POST;
    *head.version_mut() = Version::HTTP_2;
    *head.uri_mut() = uri;
    *head.headers_mut() = headers;
    head
}

// === impl UpTo ===

impl UpTo {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, taken: 0 }
    }
}

impl Room for UpTo {
    fn take(&mut self, bytes: usize) -> Result<(), ConnectionError> {
        self.taken += bytes;
        let limit = self.limit;
        if self.taken > limit { Err(ConnectionError::TooLarge { limit }) } else { Ok(()) }
    }
}

// === impl Connection ===

impl Connection {
    /// Speaks HTTP/2 over `stream`, which is connected to a plugin. The plugin's side of the
    /// handshake is not waited for: a peer that never answers shows in the first call.
    pub async fn open<S>(stream: S) -> Result<Self, ConnectionError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (stream, mut turns) = Gathered::new(stream, WRITE_ROOM);
        let (sender, mut connection) = h2::client::Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(MAX_FRAME)
            .enable_push(false)
            .handshake(stream)
            .await
            .map_err(ConnectionError::Unsent)?;
        let (ended, _) = watch::channel(false);
        let tell = ended.clone();
        let driver = tokio::spawn(async move {
            let driven = poll_fn(|cx| turns.poll(cx, |cx| Pin::new(&mut connection).poll(cx)));
            if let Err(error) = driven.await {
                tracing::debug!(%error, "connection to a plugin ended");
            }
            tell.send_replace(true);
        });
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let life = Life {
            id,
            ended,
            calls: AtomicUsize::new(0),
            lasting: AtomicUsize::new(0),
            answers: AtomicU64::new(0),
            used: Notify::new(),
            draining: AtomicBool::new(false),
            idle: Notify::new(),
            driver: driver.abort_handle(),
        };
        Ok(Self { sender, life: Arc::new(life) })
    }

    /// Tells this connection from every other of the process.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.life.id
    }

    /// Whether it is of no use for new calls any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        *self.life.ended.borrow()
    }

    /// Tells when the connection has ended.
    #[must_use]
    pub fn closed(&self) -> Closed {
        Closed(self.life.ended.subscribe())
    }

    /// Waits until a call is under way, which may be so at once. For one who waits at a time.
    pub async fn in_use(&self) {
        while !self.is_in_use() {
            self.life.used.notified().await;
        }
    }

    /// Whether a call is under way.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.calls() > 0
    }

    /// How many calls were answered so far, whatever the answer. While it grows, somebody is there.
    #[must_use]
    pub fn answers(&self) -> u64 {
        self.life.answers.load(Ordering::Relaxed)
    }

    /// How many calls are under way.
    pub(crate) fn calls(&self) -> usize {
        self.life.calls.load(Ordering::Relaxed)
    }

    /// Begins a call of replug's own, such as an initialisation.
    pub(crate) fn enter(&self) -> UnderWay {
        // In one order with `drain`: see `admit`.
        if self.life.calls.fetch_add(1, Ordering::SeqCst) == 0 {
            self.life.used.notify_one();
        }
        UnderWay(self.clone())
    }

    /// Begins a call of an application; none while the connection is drained.
    ///
    /// Counted first and asked then: either whoever drains sees this call and waits for it, or the
    /// call sees that it comes too late.
    pub(crate) fn admit(&self) -> Option<UnderWay> {
        let under_way = self.enter();
        (!self.life.draining.load(Ordering::SeqCst)).then_some(under_way)
    }

    /// Lets no further call of an application begin. Whoever chooses among connections has to be
    /// told before, so that the calls have somewhere else to go.
    pub(crate) fn drain(&self) {
        self.life.draining.store(true, Ordering::SeqCst);
    }

    /// Begins a call that lasts, for which the connection is not in use; none while it is drained.
    pub(crate) fn last(&self) -> Result<Lasting, ConnectionError> {
        // As in `admit`.
        self.life.lasting.fetch_add(1, Ordering::SeqCst);
        let lasting = Lasting(self.clone());
        if self.life.draining.load(Ordering::SeqCst) {
            return Err(ConnectionError::Refused);
        }
        Ok(lasting)
    }

    /// Waits until no call is under way, nor one that lasts. Dropping the future leaves the connection as it is.
    pub(crate) async fn drained(&self) {
        loop {
            // Enlisted before the look: a call that ends in between is not missed.
            let idle = self.life.idle.notified();
            tokio::pin!(idle);
            idle.as_mut().enable();
            let under_way = &self.life.calls;
            let lasting = &self.life.lasting;
            if under_way.load(Ordering::SeqCst) + lasting.load(Ordering::SeqCst) == 0 {
                return;
            }
            idle.await;
        }
    }

    fn unsent(&self, error: h2::Error) -> ConnectionError {
        self.life.ended.send_replace(true);
        ConnectionError::Unsent(error)
    }

    /// What an error says of a call that was handed to the connection.
    fn failed(&self, error: h2::Error) -> ConnectionError {
        if error.is_reset() {
            return match error.reason() {
                Some(h2::Reason::REFUSED_STREAM) => ConnectionError::Refused,
                _ => ConnectionError::Reset(error),
            };
        }
        self.life.ended.send_replace(true);
        // A GOAWAY from the plugin names the last call it processed; h2 gives this error to the
        // calls after it, and lets those before it end by themselves.
        if error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR) {
            return ConnectionError::Unsent(error);
        }
        ConnectionError::Lost(error)
    }
}

/// A call that is under way, until this is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay(Connection);

// === impl UnderWay ===

impl UnderWay {
    /// The connection that the call is made over.
    pub(crate) fn connection(&self) -> &Connection {
        &self.0
    }

    /// Makes the call, whose request is `body`, and waits for the whole answer, as far as there is
    /// room. Dropping the future cancels the call at the plugin.
    pub(crate) async fn unary<P: Pieces>(
        &mut self,
        head: Request<()>,
        body: Bytes,
        room: &mut impl Room,
    ) -> Result<Answer<P>, ConnectionError> {
        let Connection { sender, .. } = &mut self.0;
        let ready = poll_fn(|cx| sender.poll_ready(cx)).await;
        let sent = ready.and_then(|()| sender.send_request(head, false));
        let connection = &self.0;
        let (response, mut request) = sent.map_err(|error| connection.unsent(error))?;
        request.send_data(body, true).map_err(|error| connection.failed(error))?;

        let answered = response.await.map_err(|error| connection.failed(error))?;
        let (head, mut incoming) = answered.into_parts();
        let mut body = P::default();
        while let Some(chunk) = incoming.data().await {
            let chunk = chunk.map_err(|error| connection.failed(error))?;
            room.take(chunk.len())?;
            // The chunk stays in memory until its caller has it; the plugin may go on meanwhile,
            // since `room` bounds what one call can pile up.
            let released = incoming.flow_control().release_capacity(chunk.len());
            released.map_err(|error| connection.failed(error))?;
            body.add(chunk);
        }
        let trailers = incoming.trailers().await.map_err(|error| connection.failed(error))?;
        connection.life.answers.fetch_add(1, Ordering::Relaxed);
        Ok(Answer { head: Response::from_parts(head, ()), body, trailers })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.life.one_less(&self.0.life.calls);
    }
}

/// A call that lasts, until this is dropped. The connection can be drained when it has ended, and
/// whoever made it has to see to that.
#[derive(Debug)]
pub(crate) struct Lasting(Connection);

// === impl Lasting ===

impl Lasting {
    /// Makes the call, whose messages are yet to be sent and received.
    pub(crate) async fn open(
        &mut self,
        head: Request<()>,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), ConnectionError> {
        let Connection { sender, .. } = &mut self.0;
        let ready = poll_fn(|cx| sender.poll_ready(cx)).await;
        let sent = ready.and_then(|()| sender.send_request(head, false));
        sent.map_err(|error| self.0.unsent(error))
    }

    /// Something came from the plugin.
    pub(crate) fn answered(&self) {
        self.0.life.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// What an error says of it.
    pub(crate) fn failed(&self, error: h2::Error) -> ConnectionError {
        self.0.failed(error)
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        self.0.life.one_less(&self.0.life.lasting);
    }
}
