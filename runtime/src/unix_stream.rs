//! A connected Unix socket that wakes nobody when its peer reads.
//!
//! tokio registers a socket for reading and for writing at once. Of a Unix socket the kernel then
//! tells also whenever the peer has read something, and there is room again: each message that is
//! sent wakes its sender once more, for nothing. Here room is watched for only once it was missing.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::net::{SendFlags, Shutdown};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

/// So many writes in a row that found room end the watch for it.
const PATIENCE: u8 = 64;

/// A connected Unix socket that is woken by what it can read, and by room for what it writes only
/// while there is none. A write that finds none fails where there is no second descriptor to be had.
#[derive(Debug)]
pub struct QuietUnixStream {
    /// What tokio calls the reading end of a pipe is a descriptor that is registered for reading
    /// alone, and read as any other.
    reads: pipe::Receiver,
    /// While room is watched for.
    room: Option<Room>,
}

/// A second descriptor of the same socket, registered for writing alone.
#[derive(Debug)]
struct Room {
    writes: pipe::Sender,
    /// Writes in a row that found some.
    plenty: u8,
}

// === impl QuietUnixStream ===

impl QuietUnixStream {
    /// Takes over `stream`. Within a runtime with IO, as that was made; fails where the kernel
    /// watches no more descriptors.
    pub fn new(stream: UnixStream) -> io::Result<Self> {
        // It does not block: tokio has made it so.
        let descriptor = OwnedFd::from(stream.into_std()?);
        Ok(Self { reads: pipe::Receiver::from_owned_fd_unchecked(descriptor)?, room: None })
    }

    fn poll_write_by(
        &mut self,
        cx: &mut Context<'_>,
        at_once: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<usize>,
        later: impl FnOnce(Pin<&mut pipe::Sender>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let room = match &mut self.room {
            Some(room) => room,
            None => match at_once(self.reads.as_fd()) {
                Err(rustix::io::Errno::AGAIN) => {
                    let again = self.reads.as_fd().try_clone_to_owned()?;
                    let writes = pipe::Sender::from_owned_fd_unchecked(again)?;
                    self.room.insert(Room { writes, plenty: 0 })
                }
                Err(rustix::io::Errno::INTR) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                written => return Poll::Ready(written.map_err(Into::into)),
            },
        };
        let written = later(Pin::new(&mut room.writes), cx);
        room.plenty = if written.is_ready() { room.plenty + 1 } else { 0 };
        if room.plenty == PATIENCE {
            self.room = None;
        }
        written
    }
}

impl AsyncRead for QuietUnixStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reads).poll_read(cx, buf)
    }
}

impl AsyncWrite for QuietUnixStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_by(
            cx,
            |socket| rustix::net::send(socket, buf, SendFlags::NOSIGNAL),
            |writes, cx| writes.poll_write(cx, buf),
        )
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_by(
            cx,
            |socket| rustix::io::writev(socket, parts),
            |writes, cx| writes.poll_write_vectored(cx, parts),
        )
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(rustix::net::shutdown(&self.reads, Shutdown::Write).map_err(Into::into))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn pair() -> (QuietUnixStream, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        (QuietUnixStream::new(near).unwrap(), far)
    }

    #[tokio::test]
    async fn megabytes_go_through_both_ways_however_little_room_there_is() {
        let (near, mut far) = pair();
        let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        let (mut reads, mut writes) = tokio::io::split(near);
        let echo = tokio::spawn(async move {
            let (mut from, mut to) = far.split();
            tokio::io::copy(&mut from, &mut to).await.unwrap();
            to.shutdown().await.unwrap();
        });
        let written = sent.clone();
        let writing = tokio::spawn(async move {
            writes.write_all(&written).await.unwrap();
            writes.shutdown().await.unwrap();
        });
        let mut got = Vec::new();
        reads.read_to_end(&mut got).await.unwrap();
        assert!(got == sent, "{} bytes", got.len());
        echo.await.unwrap();
        writing.await.unwrap();
    }

    #[tokio::test]
    async fn room_is_watched_for_only_where_it_was_missing() {
        let (mut near, mut far) = pair();
        near.write_all(b"small").await.unwrap();
        assert!(near.room.is_none());
        let flood = vec![1; 4 << 20];
        let reader = tokio::spawn(async move {
            let mut got = Vec::new();
            far.read_to_end(&mut got).await.unwrap();
            got.len()
        });
        near.write_all(&flood).await.unwrap();
        assert!(near.room.is_some());
        for _ in 0..2 * PATIENCE {
            near.write_all(b"x").await.unwrap();
        }
        assert!(near.room.is_none());
        near.shutdown().await.unwrap();
        assert_eq!(reader.await.unwrap(), 5 + flood.len() + 2 * usize::from(PATIENCE));
    }

    #[tokio::test]
    async fn a_peer_that_goes_ends_what_is_read_and_what_is_written() {
        let (mut near, far) = pair();
        drop(far);
        assert_eq!(near.read(&mut [0; 8]).await.unwrap(), 0);
        let error = near.write_all(b"late").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
