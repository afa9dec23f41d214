//! Calls in which both sides send messages for as long as they like, over one connection.
//!
//! Such a call belongs to its connection and ends with it: nothing is sent again, and nobody waits
//! at a gate for it. What is sent goes out by a task of the call's own, whether the caller reads or
//! not: a caller that wants no more messages for now has answers to give all the same.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{RecvStream, SendStream};
use http::header::HeaderValue;
use http::{Request, Response};
use http_body::{Body as _, Frame};
use tokio::task::JoinSet;
use tonic::Status;
use tonic::body::Body;
use tower_service::Service;

use super::connection::{Connection, Lasting, head};
use super::direct::localhost;
use super::link::{CallError, INSTANCE};

/// What a generated client makes such calls through, over one connection. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    connection: Connection,
    instance: HeaderValue,
}

impl Streams {
    pub(super) fn new(connection: &Connection, instance: &HeaderValue) -> Self {
        Self { connection: connection.clone(), instance: instance.clone() }
    }
}

impl Service<Request<Body>> for Streams {
    type Response = Response<Incoming>;
    type Error = CallError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, CallError>> + Send>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { connection, instance } = self.clone();
        Box::pin(open(connection, instance, request))
    }
}

/// The answer's messages, and what is still being sent. Dropped before its end, the call is
/// cancelled at the plugin.
pub(crate) struct Incoming {
    /// What the caller sends is sent while this is held.
    _sending: JoinSet<()>,
    incoming: RecvStream,
    lasting: Lasting,
    ended: bool,
}

/// What the caller sends, on its way.
struct Outgoing {
    body: Body,
    stream: SendStream<Bytes>,
    /// What there is no room for yet.
    rest: Bytes,
    done: bool,
}

async fn open(
    connection: Connection,
    instance: HeaderValue,
    request: Request<Body>,
) -> Result<Response<Incoming>, CallError> {
    let mut lasting = connection.last()?;
    let (parts, body) = request.into_parts();
    let mut head = head(localhost(parts.uri)?, parts.headers);
    head.headers_mut().insert(INSTANCE.clone(), instance);

    let (answer, stream): (ResponseFuture, _) = lasting.open(head).await?;
    let mut outgoing = Outgoing { body, stream, rest: Bytes::new(), done: false };
    let mut sending = JoinSet::new();
    sending.spawn(poll_fn(move |cx| outgoing.poll_send(cx)));
    let answered = answer.await.map_err(|error| lasting.failed(error))?;
    lasting.answered();
    Ok(answered.map(|incoming| Incoming { _sending: sending, incoming, lasting, ended: false }))
}

impl http_body::Body for Incoming {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        let read = if let Some(read) = ready!(this.incoming.poll_data(cx)) {
            read.and_then(|chunk| {
                this.incoming.flow_control().release_capacity(chunk.len())?;
                Ok(Some(Frame::data(chunk)))
            })
        } else {
            let trailers = ready!(this.incoming.poll_trailers(cx));
            this.ended = true;
            trailers.map(|trailers| trailers.map(Frame::trailers))
        };
        this.lasting.answered();
        let lost = |error| Status::unavailable(this.lasting.failed(error).to_string());
        Poll::Ready(read.map_err(lost).transpose())
    }
}

// === impl Outgoing ===

impl Outgoing {
    /// Sends what there is to send and room for. Ready when everything is sent, or nothing can be:
    /// why not, the answer tells.
    fn poll_send(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        while !self.done {
            if !self.rest.is_empty() {
                self.stream.reserve_capacity(self.rest.len());
                while self.stream.capacity() == 0 {
                    let Some(Ok(_)) = ready!(self.stream.poll_capacity(cx)) else {
                        self.done = true;
                        return Poll::Ready(());
                    };
                }
                let room = self.stream.capacity().min(self.rest.len());
                let chunk = self.rest.split_to(room);
                self.done = self.stream.send_data(chunk, false).is_err();
                continue;
            }
            if let Some(Ok(frame)) = ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                self.rest = frame.into_data().unwrap_or_default();
            } else {
                self.done = true;
                // A stream that is gone needs no end.
                self.stream.send_data(Bytes::new(), true).ok();
            }
        }
        Poll::Ready(())
    }
}
