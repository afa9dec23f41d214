//! One HTTP/2 connection of an application to the gRPC port.
//!
//! It gives every call a task of its own, so that one that panics takes no other along, and asks a
//! silent client whether it is still there. What is said over it is the port's.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, Connection, Handshake};
use h2::{Ping, PingPong};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep};

use super::GrpcPort;
use super::unread::Unread;
use crate::api::connections::{
    CONNECTION_WINDOW, FirstBytes, Graceful, KEEP_ALIVE_INTERVAL, KEEP_ALIVE_TIMEOUT, MAX_FRAME,
    MAX_STREAMS, Progress, STREAM_WINDOW, Serve, attend,
};
use crate::api::listener::Io;
use crate::api::server::Ending;
use crate::http2::gathered::{Gathered, Turns};

/// Room for what is written that a connection keeps while it is made use of, in bytes. There are
/// many connections.
const WRITE_ROOM: usize = 8 << 10;

/// How many streams replug may have reset for errors of the client before it is taken for an
/// attacker.
const MAX_ERROR_RESETS: usize = 1024;

type Stream = FirstBytes<Box<dyn Io>>;

/// Serves the port over connections. Clones are the same.
#[derive(Debug, Clone)]
pub(in crate::api) struct OverHttp2 {
    port: Arc<GrpcPort>,
    builder: Arc<Builder>,
}

/// A connection that is served while it is polled.
struct Http2 {
    port: Arc<GrpcPort>,
    turns: Turns<Stream>,
    state: State,
    silence: Silence,
    unread: Arc<Unread>,
    /// No further call is to begin.
    parting: bool,
}

enum State {
    Begins(Handshake<Gathered<Stream>, Bytes>),
    Open(Connection<Gathered<Stream>, Bytes>),
}

/// How long nothing has come from a client.
struct Silence {
    progress: Arc<Progress>,
    next_look: Pin<Box<Sleep>>,
    pings: Option<PingPong>,
    /// The client was asked whether it is still there.
    asked: bool,
}

// === impl OverHttp2 ===

impl OverHttp2 {
    /// `head` is the largest head of a request, in bytes.
    pub(in crate::api) fn new(port: GrpcPort, head: usize) -> Self {
        let mut builder = h2::server::Builder::new();
        builder
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(MAX_FRAME)
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX))
            .max_local_error_reset_streams(Some(MAX_ERROR_RESETS));
        Self { port: Arc::new(port), builder: Arc::new(builder) }
    }
}

impl Serve for OverHttp2 {
    async fn serve(self, io: Box<dyn Io>, end: watch::Receiver<Option<Ending>>) {
        let progress = Arc::new(Progress::default());
        let (io, turns) = Gathered::new(FirstBytes::new(io, progress.clone()), WRITE_ROOM);
        let connection = Http2 {
            port: self.port,
            turns,
            state: State::Begins(self.builder.handshake(io)),
            silence: Silence {
                progress: progress.clone(),
                next_look: Box::pin(sleep(KEEP_ALIVE_INTERVAL)),
                pings: None,
                asked: false,
            },
            unread: Arc::default(),
            parting: false,
        };
        attend(connection, &progress, end).await;
    }
}

// === impl Http2 ===

impl Future for Http2 {
    type Output = Result<(), Box<dyn StdError + Send + Sync>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.silence.poll_end(cx).is_ready() {
            return Poll::Ready(Err("the client does not answer pings".into()));
        }
        let (port, state, silence) = (&this.port, &mut this.state, &mut this.silence);
        let (unread, parting) = (&this.unread, this.parting);
        let polled = this.turns.poll(cx, |cx| {
            loop {
                match state {
                    State::Begins(handshake) => match Pin::new(handshake).poll(cx) {
                        Poll::Ready(Ok(mut connection)) => {
                            silence.pings = connection.ping_pong();
                            if parting {
                                connection.graceful_shutdown();
                            }
                            *state = State::Open(connection);
                        }
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                        Poll::Pending => return Poll::Pending,
                    },
                    State::Open(connection) => match connection.poll_accept(cx) {
                        Poll::Ready(Some(Ok((request, respond)))) => {
                            let unread = unread.clone();
                            tokio::spawn(port.clone().attend(request, respond, unread));
                        }
                        Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                        Poll::Ready(None) => return Poll::Ready(Ok(())),
                        Poll::Pending => return Poll::Pending,
                    },
                }
            }
        });
        polled.map_err(Into::into)
    }
}

impl Graceful for Http2 {
    fn graceful_shutdown(self: Pin<&mut Self>) {
        let this = self.get_mut();
        this.parting = true;
        if let State::Open(connection) = &mut this.state {
            connection.graceful_shutdown();
        }
    }
}

// === impl Silence ===

impl Silence {
    /// Ready when the client was asked and has said nothing.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.next_look.as_mut().poll(cx).is_ready() {
            let heard = self.progress.heard();
            let Some(pings) = &mut self.pings else {
                self.look_in(KEEP_ALIVE_INTERVAL);
                continue;
            };
            // The answer to the last one, so that there can be another.
            let _ = pings.poll_pong(cx);
            if heard {
                self.asked = false;
                self.look_in(KEEP_ALIVE_INTERVAL);
            } else if self.asked {
                return Poll::Ready(());
            } else {
                self.asked = pings.send_ping(Ping::opaque()).is_ok();
                self.look_in(KEEP_ALIVE_TIMEOUT);
            }
        }
        Poll::Pending
    }

    fn look_in(&mut self, time: Duration) {
        self.next_look.as_mut().reset(Instant::now() + time);
    }
}
