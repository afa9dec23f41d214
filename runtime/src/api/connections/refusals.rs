//! The line of text that Go's HTTP server puts into the answer to a head that is none. The server
//! here answers such a head by itself, with a status alone, which need not be Go's.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::refused_head::{Words, words};

/// How much of what has come since the last answer is kept, in bytes. What is wrong with a head
/// further on is told by the status.
const KEPT: usize = 2 << 10;

/// What every such answer begins with, which they are, and what fields they have.
const BEGINNING: &[u8] = b"HTTP/1.1 4";
const WORDED: [&str; 2] =
    ["HTTP/1.1 400 Bad Request", "HTTP/1.1 431 Request Header Fields Too Large"];
const NO_BODY: &str = "content-length: 0";
const LAST: &str = "connection: close";

/// Passes everything on, and such answers with the line of text.
pub(super) struct Refusals<I> {
    io: I,
    /// The beginning of what has come since the last answer.
    come: Vec<u8>,
    /// What is left to be written of one.
    rest: Vec<u8>,
    /// What of `rest` has been written; none: there is no such answer under way.
    written: Option<usize>,
}

impl<I> Refusals<I> {
    pub(super) fn new(io: I) -> Self {
        Self { io, come: Vec::new(), rest: Vec::new(), written: None }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Refusals<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        let come = &buf.filled()[before..];
        let room = KEPT.saturating_sub(self.come.len()).min(come.len());
        self.come.extend_from_slice(&come[..room]);
        polled
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Refusals<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.written.is_none() {
            let answer = worded(buf, &self.come);
            self.come.clear();
            match answer {
                Some(answer) => (self.rest, self.written) = (answer, Some(0)),
                None => return Pin::new(&mut self.io).poll_write(cx, buf),
            }
        }
        let this = &mut *self;
        while let Some(written) = this.written.filter(|written| *written < this.rest.len()) {
            match ready!(Pin::new(&mut this.io).poll_write(cx, &this.rest[written..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                more => this.written = Some(written + more),
            }
        }
        this.written = None;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = bufs.iter().find(|buf| !buf.is_empty());
        let refusal = |first: &&IoSlice<'_>| self.written.is_some() || first.starts_with(BEGINNING);
        if let Some(first) = first.filter(refusal) {
            return self.poll_write(cx, first);
        }
        self.come.clear();
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Such an answer to `head` with its text; none: it is another one.
fn worded(answer: &[u8], head: &[u8]) -> Option<Vec<u8>> {
    if !answer.starts_with(BEGINNING) {
        return None;
    }
    let answer = std::str::from_utf8(answer).ok()?.strip_suffix("\r\n\r\n")?;
    let mut lines = answer.split("\r\n");
    let status = lines.next()?;
    if !WORDED.contains(&status) {
        return None;
    }
    let fields: Vec<_> = lines.map(str::to_ascii_lowercase).collect();
    let has = |field: &str| fields.iter().any(|it| it == field);
    if !has(NO_BODY) || !has(LAST) || fields.iter().any(|it| it.starts_with("content-type")) {
        return None;
    }
    let bare = status.strip_prefix("HTTP/1.1 ")?;
    let told = words(head).filter(|_| status == WORDED[0]);
    let (status, text) = told.map_or((bare, bare), |Words { status, text }| (status, text));
    let fields = "Content-Type: text/plain; charset=utf-8\r\nConnection: close";
    Some(format!("HTTP/1.1 {status}\r\n{fields}\r\n\r\n{text}").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_without_a_body_that_ends_the_connection_has_a_text() {
        let bare = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let worded_bare = worded(bare, b"").unwrap();
        assert!(worded_bare.ends_with(b"\r\n\r\n400 Bad Request"), "{worded_bare:?}");
        let head = b"GET / HTTP/2.0\r\nHost: a\r\n\r\n";
        let told = String::from_utf8(worded(bare, head).unwrap()).unwrap();
        assert!(told.starts_with("HTTP/1.1 505 HTTP Version Not Supported: "), "{told}");
        for other in [
            &b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"[..],
            b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
        ] {
            assert_eq!(worded(other, b""), None);
        }
    }
}
