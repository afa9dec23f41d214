//! Writes of one turn of an HTTP/2 connection that go out together.
//!
//! h2 flushes after every larger frame. With many calls under way on one connection each would cost
//! a system call, so what is written is gathered, and sent when the connection has had its turn.

use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most that is gathered, in bytes; beyond it, writers wait for the peer.
const MOST: usize = 64 << 10;

/// A write as large as this, in bytes, is worth a system call of its own, and is not copied.
const LARGE: usize = 16 << 10;

/// What is shorter, in bytes, is seldom a call, whose frames take more: mostly it answers a ping or
/// gives back a window.
const SHORT: usize = 32;

/// After so many turns in which a quarter of its room was enough, a connection keeps less.
const PATIENCE: u8 = 64;

/// The least room that is worth giving back, in bytes.
const SMALL: usize = 2 << 10;

/// A byte stream whose writes are gathered; sent by [`Turns`] that were made with it.
#[derive(Debug)]
pub(crate) struct Gathered<I>(Arc<Mutex<State<I>>>);

/// Gives a connection over a gathered stream its turns.
#[derive(Debug)]
pub(crate) struct Turns<I> {
    state: Arc<Mutex<State<I>>>,
    /// The connection has let others go first, and has its turn now.
    due: bool,
    /// It has put off what is not urgent already.
    put_off: bool,
}

#[derive(Debug)]
struct State<I> {
    io: I,
    /// What was written by the connection and is not sent yet.
    waiting: Vec<u8>,
    /// How much of that is sent.
    sent: usize,
    /// How much room is kept for the next turn, in bytes.
    kept: usize,
    /// Turns in a row in which less would have been enough.
    modest: u8,
    /// Nothing can be sent any more.
    broken: Option<io::ErrorKind>,
}

impl<I> Gathered<I> {
    /// Gathers what is written to `io`. Room of up to `kept` bytes stays for the next turn, as long
    /// as it is made use of.
    pub(crate) fn new(io: I, kept: usize) -> (Self, Turns<I>) {
        let state = State { io, waiting: Vec::new(), sent: 0, kept, modest: 0, broken: None };
        let state = Arc::new(Mutex::new(state));
        (Self(state.clone()), Turns { state, due: false, put_off: false })
    }
}

// === impl Turns ===

impl<I: AsyncWrite + Unpin> Turns<I> {
    /// Polls the connection, then sends what it has written. It is first sent to the end of the
    /// queue of all tasks: who is there already may have more for it to write. What is too short for
    /// a call, such as the answer to a ping, waits for another round: what was woken by the same
    /// bytes is sent before.
    pub(crate) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        connection: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        if !self.due {
            self.due = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.due = false;
        let polled = connection(cx);
        let mut state = self.state.lock();
        if polled.is_pending() && !self.put_off && state.is_not_urgent() {
            self.put_off = true;
            cx.waker().wake_by_ref();
            return polled;
        }
        self.put_off = false;
        let sent = state.poll_send(cx);
        drop(state);
        if polled.is_pending() && matches!(sent, Poll::Ready(Err(_))) {
            // It learns of it by its next write, if it does not by reading to the end.
            self.due = true;
            cx.waker().wake_by_ref();
        }
        polled
    }
}

// === impl State ===

impl<I: AsyncWrite + Unpin> State<I> {
    /// Sends all that waits.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.intact()?;
        while self.sent < self.waiting.len() {
            let rest = &self.waiting[self.sent..];
            match ready!(Pin::new(&mut self.io).poll_write(cx, rest)) {
                Ok(0) => return Poll::Ready(Err(self.breaks(io::ErrorKind::WriteZero.into()))),
                Ok(sent) => self.sent += sent,
                Err(error) => return Poll::Ready(Err(self.breaks(error))),
            }
        }
        if self.sent > 0 {
            self.clear();
        }
        Poll::Ready(Ok(()))
    }

    /// Whether there is something to send that hardly anybody waits for.
    fn is_not_urgent(&self) -> bool {
        self.sent == 0 && (1..SHORT).contains(&self.waiting.len())
    }

    /// Everything is sent.
    fn clear(&mut self) {
        let (used, room) = (mem::take(&mut self.sent), self.waiting.capacity());
        self.waiting.clear();
        self.modest = if room > SMALL && used <= room / 4 { self.modest + 1 } else { 0 };
        if room > self.kept || self.modest == PATIENCE {
            self.modest = 0;
            self.waiting.shrink_to((room / 2).min(self.kept));
        }
    }

    fn intact(&self) -> io::Result<()> {
        self.broken.map_or(Ok(()), |kind| Err(kind.into()))
    }

    fn breaks(&mut self, error: io::Error) -> io::Error {
        self.broken = Some(error.kind());
        error
    }

    /// Takes what there is room for; waits where there is none.
    fn poll_gather(
        &mut self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.intact()?;
        if self.waiting.len() >= MOST {
            ready!(self.poll_send(cx))?;
        }
        if self.waiting.capacity() == 0 {
            // At once: grown bit by bit it would be copied as often.
            self.waiting.reserve_exact(self.kept);
        }
        let mut taken = 0;
        for part in parts {
            let room = MOST - self.waiting.len();
            let part = &part[..part.len().min(room)];
            self.waiting.extend_from_slice(part);
            taken += part.len();
        }
        Poll::Ready(Ok(taken))
    }
}

// === impl Gathered ===

impl<I: AsyncRead + Unpin> AsyncRead for Gathered<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Also once nothing can be sent any more: what the peer has said before is still to be read.
        Pin::new(&mut self.0.lock().io).poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Gathered<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock();
        if parts.iter().map(|part| part.len()).sum::<usize>() < LARGE {
            return state.poll_gather(cx, parts);
        }
        ready!(state.poll_send(cx))?;
        Pin::new(&mut state.io).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// At once: what waits is sent after the turn.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.lock().intact())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        ready!(state.poll_send(cx))?;
        Pin::new(&mut state.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn what_is_written_in_one_turn_is_sent_when_the_turn_is_over() {
        let (near, mut far) = duplex(1 << 20);
        let (mut gathered, mut turns) = Gathered::new(near, 4 << 10);
        gathered.write_all(b"head ").await.unwrap();
        gathered.flush().await.unwrap();
        gathered.write_all(b"body").await.unwrap();
        poll_fn(|cx| turns.poll(cx, |_| Poll::Ready(()))).await;
        let mut read = vec![0; 64];
        let count = far.read(&mut read).await.unwrap();
        assert_eq!(&read[..count], b"head body");
    }

    #[tokio::test]
    async fn what_is_no_call_goes_after_who_was_woken_with_it() {
        let (near, mut far) = duplex(1 << 10);
        let (mut gathered, mut turns) = Gathered::new(near, 4 << 10);
        gathered.write_all(&[0; SHORT - 1]).await.unwrap();
        let polls = Arc::new(Mutex::new(0));
        let turn = tokio::spawn({
            let polls = polls.clone();
            async move {
                poll_fn(|cx| {
                    turns.poll(cx, |_| {
                        *polls.lock() += 1;
                        if *polls.lock() < 3 { Poll::Pending } else { Poll::Ready(()) }
                    })
                })
                .await;
            }
        });
        let mut read = [0; 64];
        let mut waiting = tokio::io::ReadBuf::new(&mut read);
        let mut seen = Vec::new();
        let count = poll_fn(|cx| {
            seen.push(*polls.lock());
            Pin::new(&mut far)
                .poll_read(cx, &mut waiting)
                .map(|read| read.map(|()| waiting.filled().len()))
        });
        assert_eq!(count.await.unwrap(), SHORT - 1);
        // In its first turn it was put off.
        assert_eq!(seen.last(), Some(&2));
        turn.abort();
    }

    #[tokio::test]
    async fn bytes_keep_their_order_however_large_the_pieces_and_slow_the_peer() {
        let (near, mut far) = duplex(1000);
        let (mut gathered, mut turns) = Gathered::new(near, 4 << 10);
        let sent: Vec<u8> = (0..400_000_u32).map(|n| (n % 251) as u8).collect();
        let pieces = [3, 20_000, 70_000, 100, 100_000, 209_897];
        assert_eq!(pieces.iter().sum::<usize>(), sent.len());
        let wanted = sent.clone();
        let reader = tokio::spawn(async move {
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.unwrap();
            assert!(all == wanted, "{} bytes", all.len());
        });
        let mut rest = &sent[..];
        for piece in pieces {
            let (piece, after) = rest.split_at(piece);
            gathered.write_all(piece).await.unwrap();
            poll_fn(|cx| turns.poll(cx, |_| Poll::Ready(()))).await;
            rest = after;
        }
        gathered.shutdown().await.unwrap();
        drop((gathered, turns));
        reader.await.unwrap();
    }

    #[tokio::test]
    async fn what_a_peer_has_said_before_it_went_is_read_and_then_nothing_can_be_written() {
        let (near, mut far) = duplex(64);
        let (mut gathered, mut turns) = Gathered::new(near, 4 << 10);
        gathered.write_all(b"lost").await.unwrap();
        far.write_all(b"last words").await.unwrap();
        drop(far);
        poll_fn(|cx| turns.poll(cx, |_| Poll::Ready(()))).await;
        let mut read = String::new();
        gathered.read_to_string(&mut read).await.unwrap();
        assert_eq!(read, "last words");
        let error = gathered.write_u8(0).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
