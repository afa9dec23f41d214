//! Whether a new connection has begun to be of use: a whole HTTP/1.1 head, or HTTP/2's preface.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use hyper::service::Service;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// What every HTTP/2 connection begins with.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What is known of a connection's beginning.
#[derive(Debug, Default)]
pub(in crate::api) struct Progress {
    begun: AtomicBool,
    /// Something has come since somebody asked.
    heard: AtomicBool,
    /// Tells who waits for it.
    news: Notify,
}

impl Progress {
    /// Whether the client has shown that it means to use the connection.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// Waits until it has. Only one may wait.
    pub(super) async fn begins(&self) {
        if !self.has_begun() {
            self.news.notified().await;
        }
    }

    /// Whether something has come since this was asked last.
    pub(in crate::api) fn heard(&self) -> bool {
        self.heard.swap(false, Ordering::Relaxed)
    }

    fn begun(&self) {
        // Asked first: every request comes by here.
        if !self.has_begun() {
            self.begun.store(true, Ordering::Relaxed);
            self.news.notify_one();
        }
    }
}

/// Looks for the preface among the first bytes that are read, and passes everything on.
pub(in crate::api) struct FirstBytes<I> {
    io: I,
    progress: Arc<Progress>,
    /// How much of the preface was there so far; none: it is there, or something else is.
    matched: Option<usize>,
}

impl<I> FirstBytes<I> {
    pub(in crate::api) fn new(io: I, progress: Arc<Progress>) -> Self {
        Self { io, progress, matched: Some(0) }
    }

    fn look_at(&mut self, matched: usize, read: &[u8]) {
        let rest = &PREFACE[matched..];
        let compared = rest.len().min(read.len());
        self.matched = if rest[..compared] != read[..compared] {
            None
        } else if compared == rest.len() {
            self.progress.begun();
            None
        } else {
            Some(matched + compared)
        };
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for FirstBytes<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.progress.heard.store(true, Ordering::Relaxed);
        }
        if let Some(matched) = self.matched {
            self.look_at(matched, &buf.filled()[before..]);
        }
        polled
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for FirstBytes<I> {
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

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

/// A service that tells of the first request, whose head has then arrived.
#[derive(Debug, Clone)]
pub(in crate::api) struct Telling<S> {
    service: S,
    progress: Arc<Progress>,
}

impl<S> Telling<S> {
    pub(super) fn new(service: S, progress: Arc<Progress>) -> Self {
        Self { service, progress }
    }
}

impl<R, S: Service<R>> Service<R> for Telling<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, request: R) -> Self::Future {
        self.progress.begun();
        self.service.call(request)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use proptest::prelude::*;

    use super::*;

    async fn begun_by(bytes: &[u8]) -> bool {
        let progress = Arc::new(Progress::default());
        // One byte at a time, the way a slow client sends them.
        let slow = Pieces(bytes.chunks(1).map(<[u8]>::to_vec).collect());
        let mut io = FirstBytes::new(slow, progress.clone());
        io.read_to_end(&mut Vec::new()).await.unwrap();
        progress.has_begun()
    }

    /// A reader that gives its bytes in the pieces it was made of.
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

    #[tokio::test]
    async fn a_preface_in_pieces_is_a_beginning_and_half_of_it_is_none() {
        assert!(begun_by(PREFACE).await);
        assert!(begun_by(&[PREFACE, b"more"].concat()).await);
        assert!(!begun_by(&PREFACE[..20]).await);
        assert!(!begun_by(b"POST / HTTP/1.1\r\nHost: x").await);
    }

    proptest! {
        #[test]
        fn it_is_http2_where_the_preface_is_whole_however_it_comes(
            kept in 0..=PREFACE.len(),
            rest in prop::collection::vec(any::<u8>(), 0..40),
            // No longer than the shortest buffer that is read into.
            piece in 1_usize..=32,
        ) {
            let bytes = [&PREFACE[..kept], &rest].concat();
            let progress = Arc::new(Progress::default());
            let pieces = Pieces(bytes.chunks(piece).map(<[u8]>::to_vec).collect());
            let mut io = FirstBytes::new(pieces, progress.clone());
            let mut read = Vec::new();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(io.read_to_end(&mut read)).unwrap();
            prop_assert_eq!(progress.has_begun(), bytes.starts_with(PREFACE));
            prop_assert_eq!(read, bytes);
        }
    }
}
