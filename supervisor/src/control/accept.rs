//! Connections to the control socket: as many as there may be, from those who may ask.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::transport::server::Connected;

use super::peer::Peer;

/// Connections at a time. Those beyond wait until others end.
const MAX_CONNECTIONS: usize = 512;

/// Connections of which it is looked up at a time whether their users may ask.
const MAX_LOOK_UPS: usize = 16;

/// How long no connection is accepted after the system refused one, for want of descriptors mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A connection from somebody who may ask.
pub(super) struct Caller {
    stream: UnixStream,
    peer: Peer,
    /// Its place among the connections that there may be.
    _place: OwnedSemaphorePermit,
}

/// Accepts connections, and ends those of others without a word. Never ends.
pub(super) fn permitted(
    listener: UnixListener,
    group: Option<u32>,
) -> impl Stream<Item = io::Result<Caller>> {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let accepted = stream::unfold((listener, places), |(listener, places)| async {
        // The semaphore is never closed.
        let place = places.clone().acquire_owned().await.ok()?;
        let stream = accept(&listener).await;
        Some(((stream, place), (listener, places)))
    });
    let looked_up = accepted.map(move |(stream, place)| async move {
        let peer = Peer::of(&stream)?;
        if !peer.is_permitted(group).await {
            tracing::warn!("the control socket is not for {peer}: not answered");
            return None;
        }
        Some(Ok(Caller { stream, peer, _place: place }))
    });
    // In whatever order the look-ups end.
    Box::pin(looked_up.buffer_unordered(MAX_LOOK_UPS).filter_map(std::future::ready))
}

async fn accept(listener: &UnixListener) -> UnixStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!("cannot accept a connection to the control socket: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

// === impl Caller ===

impl Connected for Caller {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer
    }
}

impl AsyncRead for Caller {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Caller {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
