//! A connection to a server, whatever it goes through.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What bytes can be sent and received over.
pub(super) trait Bytes: AsyncRead + AsyncWrite + Send {}
impl<S: AsyncRead + AsyncWrite + Send> Bytes for S {}

/// A connection.
pub(super) struct Wire {
    bytes: Pin<Box<dyn Bytes>>,
    /// The server has chosen HTTP/2, which it can with TLS.
    http2: bool,
    /// A proxy is at the other end, and is asked by whole URLs.
    asks_proxy: bool,
}

impl Wire {
    pub(super) fn new(bytes: impl Bytes + 'static) -> Self {
        Self { bytes: Box::pin(bytes), http2: false, asks_proxy: false }
    }

    pub(super) fn speaking_http2(self, http2: bool) -> Self {
        Self { http2, ..self }
    }

    pub(super) fn asking_a_proxy(self) -> Self {
        Self { asks_proxy: true, ..self }
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        let connected = Connected::new().proxy(self.asks_proxy);
        if self.http2 { connected.negotiated_h2() } else { connected }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.bytes.as_mut().poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.bytes.as_mut().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.bytes.as_mut().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.bytes.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.bytes.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.bytes.as_mut().poll_shutdown(cx)
    }
}
