//! HTTP/1.1 as cheaply as it can be loaded with: requests are written out before, and of an answer
//! nothing is read but its status and its length. One call at a time on a connection.

use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::operation::Calls;
use super::tally::Tally;
use super::way::Io;
use crate::Failure;

/// A connection over which calls of one kind are made.
pub(super) struct Connection {
    io: Box<dyn Io>,
    calls: Calls,
    next_call: usize,
    input: Vec<u8>,
}

impl Connection {
    pub(super) fn new(io: Box<dyn Io>, calls: Calls) -> Self {
        Self { io, calls, next_call: 0, input: Vec::with_capacity(64 << 10) }
    }

    /// Makes one call after the other, until `most` have begun or the time has come.
    pub(super) async fn run(
        &mut self,
        until: Instant,
        most: usize,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        for _ in 0..most {
            let began = Instant::now();
            if began >= until {
                break;
            }
            let request = &self.calls.requests[self.next_call];
            self.next_call = (self.next_call + 1) % self.calls.requests.len();
            self.io.write_all(request).await?;
            let (status, length) = self.answer().await?;
            let good = (200..300).contains(&status) && length >= self.calls.least;
            tally.answered(began.elapsed(), good);
        }
        Ok(())
    }

    /// The status and the body's length of the next answer, once all of it is there.
    async fn answer(&mut self) -> Result<(u16, usize), Failure> {
        self.input.clear();
        let head = loop {
            self.more().await?;
            if let Some(at) = self.input.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let text = std::str::from_utf8(&self.input[..head])?.to_ascii_lowercase();
        let status: u16 = text.get(9..12).ok_or("an answer without a status")?.parse()?;
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length = match length {
            Some(length) => length.trim().parse()?,
            None if status == 204 => 0,
            None => return Err(format!("an answer without a length:\n{text}").into()),
        };
        while self.input.len() < head + length {
            self.more().await?;
        }
        Ok((status, length))
    }

    async fn more(&mut self) -> Result<(), Failure> {
        match self.io.read_buf(&mut self.input).await? {
            0 => Err("the connection was closed under load".into()),
            _ => Ok(()),
        }
    }
}
