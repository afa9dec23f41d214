//! gRPC over HTTP/2 as cheaply as it can be loaded with: requests are written out before, answers
//! are counted by their frames, and nothing of their headers is decoded.
//!
//! An answer is good if a message of at least the expected length came before the trailers: gRPC
//! sends an error without a message.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use super::operation::Calls;
use super::tally::Tally;
use super::way::Io;
use crate::Failure;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The largest frame that is sent or let be sent: HTTP/2's own least.
const FRAME: usize = 16 << 10;
/// What the peer may send on a stream, and on all of them, before it has to wait.
const STREAM_WINDOW: u32 = 16 << 20;
const CONNECTION_WINDOW: u32 = 1 << 30;
/// The length of a gRPC message's prefix.
const PREFIX: usize = 5;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const INITIAL_WINDOW_SIZE: u16 = 4;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection over which calls of one kind are made.
pub(super) struct Connection {
    io: Box<dyn Io>,
    /// The headers of the first call, and of all others, by the table that the first has filled.
    heads: [Vec<u8>; 2],
    calls: Calls,
    next_call: usize,
    next_stream: u32,
    /// What may be sent on all streams, and on a new one.
    window: i64,
    stream_window: i64,
    /// What was received since the peer was last let go on.
    received: u32,
    streams: Vec<Stream>,
    /// Streams whose request is not sent yet, in their order.
    unsent: VecDeque<u32>,
    input: Box<[u8]>,
    filled: usize,
    output: Vec<u8>,
    written: usize,
}

/// A call under way.
struct Stream {
    id: u32,
    began: Instant,
    rest: Bytes,
    window: i64,
    received: usize,
}

impl Connection {
    /// Speaks HTTP/2 over `io`; the peer's answer is not waited for.
    pub(super) fn new(io: Box<dyn Io>, calls: Calls, headers: &[(&str, &str)]) -> Self {
        let mut output = PREFACE.to_vec();
        let mut settings = INITIAL_WINDOW_SIZE.to_be_bytes().to_vec();
        settings.extend(STREAM_WINDOW.to_be_bytes());
        frame(&mut output, SETTINGS, 0, 0, &settings);
        frame(&mut output, WINDOW_UPDATE, 0, 0, &CONNECTION_WINDOW.to_be_bytes());
        Self {
            io,
            heads: heads(calls.path, headers),
            calls,
            next_call: 0,
            next_stream: 1,
            window: 65_535,
            stream_window: 65_535,
            received: 0,
            streams: Vec::new(),
            unsent: VecDeque::new(),
            input: vec![0; 16 * FRAME].into(),
            filled: 0,
            output,
            written: 0,
        }
    }

    /// Makes calls, so many at once, until `most` have begun or the time has come, and waits for
    /// the last answers.
    pub(super) async fn run(
        &mut self,
        at_once: usize,
        until: Instant,
        most: usize,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let mut begun = 0;
        loop {
            let now = Instant::now();
            while self.streams.len() < at_once && begun < most && now < until {
                self.begin(now);
                begun += 1;
            }
            self.send();
            if self.streams.is_empty() {
                return Ok(());
            }
            self.exchange().await?;
            self.take(tally)?;
        }
    }

    fn begin(&mut self, began: Instant) {
        let id = self.next_stream;
        self.next_stream += 2;
        let head = &self.heads[usize::from(id > 1)];
        frame(&mut self.output, HEADERS, END_HEADERS, id, head);
        let rest = self.calls.requests[self.next_call].clone();
        self.next_call = (self.next_call + 1) % self.calls.requests.len();
        self.streams.push(Stream { id, began, rest, window: self.stream_window, received: 0 });
        self.unsent.push_back(id);
    }

    /// Puts out as much of the requests as the peer lets be sent.
    fn send(&mut self) {
        for _ in 0..self.unsent.len() {
            let Some(id) = self.unsent.pop_front() else { return };
            let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == id) else {
                continue;
            };
            loop {
                let room = usize::try_from(self.window.min(stream.window)).unwrap_or(0);
                let part = stream.rest.len().min(FRAME).min(room);
                if part == 0 && !stream.rest.is_empty() {
                    self.unsent.push_back(id);
                    break;
                }
                let part = stream.rest.split_to(part);
                let sent = i64::try_from(part.len()).unwrap_or(i64::MAX);
                self.window -= sent;
                stream.window -= sent;
                let last = stream.rest.is_empty();
                let flags = if last { END_STREAM } else { 0 };
                frame(&mut self.output, DATA, flags, id, &part);
                if last {
                    break;
                }
            }
        }
    }

    /// Writes what there is to write, and reads what has come; waits until something has.
    async fn exchange(&mut self) -> Result<(), Failure> {
        let Self { io, input, filled, output, written, .. } = self;
        let read = poll_fn(|cx| {
            while *written < output.len() {
                match Pin::new(&mut *io).poll_write(cx, &output[*written..]) {
                    Poll::Ready(Ok(more)) => *written += more,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => break,
                }
            }
            let mut buffer = ReadBuf::new(&mut input[*filled..]);
            let read = Pin::new(&mut *io).poll_read(cx, &mut buffer);
            read.map_ok(|()| buffer.filled().len())
        });
        let read = read.await?;
        if *written == output.len() {
            output.clear();
            *written = 0;
        }
        *filled += read;
        if read == 0 { Err("the connection was closed under load".into()) } else { Ok(()) }
    }

    /// Goes through the frames that have come.
    fn take(&mut self, tally: &mut Tally) -> Result<(), Failure> {
        let mut input = std::mem::take(&mut self.input);
        let mut at = 0;
        while let Some(head) = input[at..self.filled].first_chunk::<9>() {
            let [a, b, c, kind, flags, id @ ..] = *head;
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            let end = at + head.len() + length;
            if end > self.filled {
                break;
            }
            let id = u32::from_be_bytes(id) & 0x7fff_ffff;
            self.frame(kind, flags, id, &input[at + head.len()..end], tally)?;
            at = end;
        }
        input.copy_within(at..self.filled, 0);
        self.filled -= at;
        self.input = input;
        Ok(())
    }

    fn frame(
        &mut self,
        kind: u8,
        flags: u8,
        id: u32,
        payload: &[u8],
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        match kind {
            DATA => {
                if let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == id) {
                    stream.received += payload.len();
                }
                self.received += u32::try_from(payload.len())?;
                if self.received > CONNECTION_WINDOW / 2 {
                    let more = std::mem::take(&mut self.received).to_be_bytes();
                    frame(&mut self.output, WINDOW_UPDATE, 0, 0, &more);
                }
                if flags & END_STREAM != 0 {
                    self.end(id, false, tally);
                }
            }
            HEADERS if flags & END_STREAM != 0 => self.end(id, true, tally),
            RST_STREAM => self.end(id, false, tally),
            SETTINGS if flags & ACK == 0 => {
                for setting in payload.chunks_exact(6) {
                    let [name @ .., a, b, c, d] = setting else { continue };
                    if name == INITIAL_WINDOW_SIZE.to_be_bytes() {
                        let size = i64::from(u32::from_be_bytes([*a, *b, *c, *d]));
                        let more = size - self.stream_window;
                        self.stream_window = size;
                        self.streams.iter_mut().for_each(|stream| stream.window += more);
                    }
                }
                frame(&mut self.output, SETTINGS, ACK, 0, &[]);
            }
            PING if flags & ACK == 0 => frame(&mut self.output, PING, ACK, 0, payload),
            GOAWAY => return Err("the server ended the connection under load".into()),
            WINDOW_UPDATE => {
                let more = payload.first_chunk().copied().map_or(0, u32::from_be_bytes);
                let more = i64::from(more);
                if id == 0 {
                    self.window += more;
                } else if let Some(stream) = self.streams.iter_mut().find(|s| s.id == id) {
                    stream.window += more;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, id: u32, with_trailers: bool, tally: &mut Tally) {
        // A stream may be reset that has ended already.
        if let Some(index) = self.streams.iter().position(|stream| stream.id == id) {
            let stream = self.streams.swap_remove(index);
            let good = with_trailers && stream.received >= PREFIX + self.calls.least;
            tally.answered(stream.began.elapsed(), good);
        }
    }
}

fn frame(output: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    output.extend_from_slice(&[length[1], length[2], length[3], kind, flags]);
    output.extend_from_slice(&stream.to_be_bytes());
    output.extend_from_slice(payload);
}

/// The header block of the first call, which fills the peer's table as any client does, and that of
/// those after it, which refers to it.
fn heads(path: &str, more: &[(&str, &str)]) -> [Vec<u8>; 2] {
    // HPACK's static table: `:method: POST` and `:scheme: http`.
    let fixed = [0x80 | 3, 0x80 | 6];
    let usual = [
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", "replug-bench"),
    ];
    let (mut first, mut rest) = (fixed.to_vec(), fixed.to_vec());
    let fields: Vec<_> = usual.iter().chain(more).collect();
    for (index, (name, value)) in fields.iter().enumerate() {
        // A literal that enters the table, and later its place: the newest comes first.
        first.push(0x40);
        for text in [name, value] {
            // Short enough for one byte of length; not Huffman's code.
            first.push(u8::try_from(text.len()).unwrap_or(0x7f) & 0x7f);
            first.extend_from_slice(text.as_bytes());
        }
        let place = 62 + fields.len() - 1 - index;
        rest.push(0x80 | u8::try_from(place).unwrap_or(0));
    }
    [first, rest]
}
