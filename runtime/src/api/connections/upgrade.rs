//! From HTTP/1.1 to HTTP/2 where a client asks for it (RFC 7540, 3.2), as Dapr does.
//!
//! The request that asks is answered over HTTP/2, as its first stream. The HTTP/2 server knows
//! nothing of such a beginning: the request is put before it as if the client had sent it after its
//! settings, and so with these in force.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::future::Either;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::body::{Body, Incoming};
use hyper::service::Service;
use hyper::upgrade::{OnUpgrade, Upgraded};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::first_bytes::PREFACE;

/// What the header that has the client's settings is called.
const SETTINGS: &str = "http2-settings";

/// The head of an HTTP/2 frame, in bytes.
const FRAME_HEAD: usize = 9;

/// The largest frame that a server takes which has not said anything else.
const LARGEST_FRAME: usize = 16 << 10;

/// The rest of the head of a frame of HEADERS, in which they and the stream 1 end.
const FIRST_HEADERS: [u8; 6] = [1, 0x5, 0, 0, 0, 1];

/// Headers of a request that are about its connection alone. `host` has a field of its own.
const OF_CONNECTION: [&str; 8] = [
    "host",
    "connection",
    "upgrade",
    SETTINGS,
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "te",
];

/// An upgrade of one connection, once it has been asked for.
#[derive(Debug, Default)]
pub(super) struct Asked(Mutex<Option<(OnUpgrade, Vec<u8>)>>);

/// A service that hears of upgrades. What else comes is passed on.
#[derive(Debug, Clone)]
pub(super) struct Hearing<S> {
    service: S,
    asked: Arc<Asked>,
}

/// The bytes of an upgraded connection, with the first request put in behind the client's settings.
pub(super) struct Resumed<I> {
    io: I,
    first: Vec<u8>,
    come: Vec<u8>,
    state: State,
}

enum State {
    /// The preface and the settings are awaited.
    Beginning,
    /// What is in `come` is passed on, from there on.
    Passing(usize),
    /// Everything is passed on as it comes.
    Through,
}

// === impl Asked ===

impl Asked {
    /// The connection and its first request as HTTP/2 has it, where the client has asked for that
    /// and been told that it may begin.
    pub(super) async fn taken(&self) -> Option<(Upgraded, Vec<u8>)> {
        let (upgrade, first) = self.0.lock().take()?;
        // Its error means that the connection has ended.
        Some((upgrade.await.ok()?, first))
    }
}

// === impl Hearing ===

impl<S> Hearing<S> {
    pub(super) fn new(service: S, asked: Arc<Asked>) -> Self {
        Self { service, asked }
    }
}

impl<S, B> Service<Request<Incoming>> for Hearing<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    B: Default,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response<B>, Infallible>>, S::Future>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        if !is_upgrade(request.headers()) {
            return Either::Right(self.service.call(request));
        }
        let whole = request.version() == Version::HTTP_11 && request.body().is_end_stream();
        let mut answer = Response::new(B::default());
        if !has_settings(request.headers()) {
            *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            return Either::Left(ready(Ok(answer)));
        }
        let upgrade = hyper::upgrade::on(&mut request);
        let (head, body) = request.into_parts();
        let Some(first) = whole.then(|| first_stream(&head)).flatten() else {
            // It is answered as it came.
            return Either::Right(self.service.call(Request::from_parts(head, body)));
        };
        *self.asked.0.lock() = Some((upgrade, first));
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = answer.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("h2c"));
        Either::Left(ready(Ok(answer)))
    }
}

fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(header::UPGRADE)
        && has_token(headers, header::UPGRADE.as_str(), "h2c")
        && has_token(headers, header::CONNECTION.as_str(), "upgrade")
        && has_token(headers, header::CONNECTION.as_str(), SETTINGS)
}

fn has_token(headers: &HeaderMap, name: &str, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|it| it.trim().eq_ignore_ascii_case(token))
}

/// Whether the settings are there once, and could be some. They come again with the preface, which
/// is when they count.
fn has_settings(headers: &HeaderMap) -> bool {
    let mut all = headers.get_all(SETTINGS).iter();
    let (Some(settings), None) = (all.next(), all.next()) else { return false };
    BASE64_URL_SAFE_NO_PAD.decode(settings).is_ok()
}

/// The request as HTTP/2's first stream, whose whole it is. None where one frame does not hold it,
/// or it does not say whom it is for.
fn first_stream(head: &Parts) -> Option<Vec<u8>> {
    let authority = head.headers.get(header::HOST)?;
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut block = Vec::new();
    field(&mut block, ":method", head.method.as_str().as_bytes());
    field(&mut block, ":scheme", b"http");
    field(&mut block, ":authority", authority.as_bytes());
    field(&mut block, ":path", path.as_bytes());
    for (name, value) in &head.headers {
        if !OF_CONNECTION.contains(&name.as_str()) {
            field(&mut block, name.as_str(), value.as_bytes());
        }
    }
    let length = u32::try_from(block.len()).ok()?;
    if block.len() > LARGEST_FRAME {
        return None;
    }
    Some([&length.to_be_bytes()[1..], &FIRST_HEADERS, &block].concat())
}

/// Adds a field to a header block, its name and its value written out (RFC 7541, 6.2.2).
fn field(block: &mut Vec<u8>, name: &str, value: &[u8]) {
    block.push(0);
    for text in [name.as_bytes(), value] {
        length(block, text.len());
        block.extend_from_slice(text);
    }
}

/// A text's length, as HPACK has it with a prefix of seven bits (RFC 7541, 5.1).
#[allow(clippy::cast_possible_truncation)] // Held to seven bits.
fn length(block: &mut Vec<u8>, length: usize) {
    const PREFIX: usize = 0x7f;
    if length < PREFIX {
        block.push(length as u8);
        return;
    }
    block.push(PREFIX as u8);
    let mut rest = length - PREFIX;
    while rest > PREFIX {
        block.push((rest & PREFIX) as u8 | 0x80);
        rest >>= 7;
    }
    block.push(rest as u8);
}

// === impl Resumed ===

impl<I> Resumed<I> {
    /// `first` is put in behind the first frame that comes.
    pub(super) fn new(io: I, first: Vec<u8>) -> Self {
        Self { io, first, come: Vec::new(), state: State::Beginning }
    }

    /// Looks whether the beginning is there, and puts the first stream behind it. What begins
    /// otherwise is passed on as it is.
    fn look(&mut self, is_last: bool) {
        let compared = self.come.len().min(PREFACE.len());
        let other = self.come[..compared] != PREFACE[..compared];
        let settings = &self.come[compared..];
        let length = match settings {
            [a, b, c, ..] if settings.len() >= FRAME_HEAD => {
                u32::from_be_bytes([0, *a, *b, *c]) as usize
            }
            _ if other || is_last => {
                self.state = State::Passing(0);
                return;
            }
            _ => return,
        };
        let end = PREFACE.len() + FRAME_HEAD + length;
        if other || length > LARGEST_FRAME {
            self.state = State::Passing(0);
        } else if self.come.len() >= end {
            self.come.splice(end..end, std::mem::take(&mut self.first));
            self.state = State::Passing(0);
        } else if is_last {
            self.state = State::Passing(0);
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Resumed<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            match this.state {
                State::Beginning => {
                    let mut some = [0; 512];
                    let mut some = ReadBuf::new(&mut some);
                    ready!(Pin::new(&mut this.io).poll_read(cx, &mut some))?;
                    let read = some.filled();
                    this.come.extend_from_slice(read);
                    let is_last = read.is_empty();
                    this.look(is_last);
                }
                State::Passing(at) => {
                    let rest = &this.come[at..];
                    let count = rest.len().min(buf.remaining());
                    buf.put_slice(&rest[..count]);
                    if count < rest.len() {
                        this.state = State::Passing(at + count);
                        return Poll::Ready(Ok(()));
                    }
                    this.come = Vec::new();
                    this.state = State::Through;
                    if count > 0 {
                        return Poll::Ready(Ok(()));
                    }
                }
                State::Through => return Pin::new(&mut this.io).poll_read(cx, buf),
            }
        }
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Resumed<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// What is read of these bytes, which come in such pieces.
    fn resumed(bytes: &[u8], piece: usize) -> Vec<u8> {
        let pieces = Pieces(bytes.chunks(piece).map(<[u8]>::to_vec).collect());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut read = Vec::new();
        runtime.block_on(Resumed::new(pieces, b"FIRST".to_vec()).read_to_end(&mut read)).unwrap();
        read
    }

    struct Pieces(std::collections::VecDeque<Vec<u8>>);

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if let Some(piece) = self.0.pop_front() {
                buf.put_slice(&piece);
            }
            Poll::Ready(Ok(()))
        }
    }

    proptest! {
        #[test]
        fn the_first_stream_follows_the_settings_and_nothing_else_is_changed(
            settings in prop::collection::vec(any::<u8>(), 0..60),
            rest in prop::collection::vec(any::<u8>(), 0..60),
            piece in 1_usize..=32,
        ) {
            let length = [0, 0, u8::try_from(settings.len()).unwrap()];
            let beginning = [PREFACE, &length, &[4, 0, 0, 0, 0, 0], &settings].concat();
            let whole = [&beginning[..], &rest].concat();
            prop_assert_eq!(resumed(&whole, piece), [&beginning[..], b"FIRST", &rest].concat());
        }

        #[test]
        fn what_begins_otherwise_or_ends_before_is_passed_on_as_it_is(
            kept in 0..PREFACE.len(),
            rest in prop::collection::vec(any::<u8>(), 0..60),
            piece in 1_usize..=32,
        ) {
            let bytes = [&PREFACE[..kept], b"\0", &rest].concat();
            prop_assert_eq!(resumed(&bytes, piece), bytes);
            prop_assert_eq!(resumed(PREFACE, piece), PREFACE);
        }

        #[test]
        fn a_length_is_read_as_it_is_written(wanted in 0_usize..100_000) {
            let mut block = Vec::new();
            length(&mut block, wanted);
            let read = match block.split_first().unwrap() {
                (&0x7f, rest) => 0x7f + rest.iter().enumerate().map(|(at, byte)| {
                    usize::from(byte & 0x7f) << (7 * at)
                }).sum::<usize>(),
                (&short, _) => usize::from(short),
            };
            prop_assert_eq!(read, wanted);
            prop_assert!(block[1..].iter().rev().skip(1).all(|byte| byte & 0x80 != 0));
            prop_assert!(block.len() == 1 || block.last().unwrap() & 0x80 == 0);
        }
    }
}
