//! Reads one pipe to its end.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use super::line::{Line, Lines};
use super::writer::{Printed, What};
use super::{PATIENCE, PluginLog, Source, Stream, Tail};

/// How much is read at once, in bytes. A task that reads gives way to others by itself: tokio counts
/// what it reads and what it sends.
const PIECE: usize = 8 * 1024;

/// Reads one pipe to its end.
pub(super) struct Reader {
    pipe: pipe::Receiver,
    source: Source,
    stream: Stream,
    log: PluginLog,
    tail: Tail,
    /// Lines that the log did not take since it took one last.
    dropped: u64,
}

impl Reader {
    pub(super) fn new(
        pipe: OwnedFd,
        source: Source,
        stream: Stream,
        log: PluginLog,
        tail: Tail,
    ) -> io::Result<Self> {
        let pipe = pipe::Receiver::from_owned_fd(pipe)?;
        Ok(Self { pipe, source, stream, log, tail, dropped: 0 })
    }

    pub(super) async fn run(mut self) {
        let mut piece = vec![0; PIECE];
        let mut lines = Lines::default();
        // An error other than an end does not happen to a pipe; it would be an end too.
        while let Ok(read @ 1..) = self.pipe.read(&mut piece).await {
            let mut bytes = &piece[..read];
            while !bytes.is_empty() {
                if let Some(line) = lines.next(&mut bytes) {
                    self.pass_on(line).await;
                }
            }
        }
        if let Some(line) = lines.rest() {
            self.pass_on(line).await;
        }
        if self.dropped > 0 {
            let dropped = self.printed(What::Dropped(self.dropped));
            // If the log is stuck to the end, nobody will know.
            let _ = self.log.send(dropped, PATIENCE).await;
        }
    }

    async fn pass_on(&mut self, line: Line) {
        self.tail.push(line.clone());
        let line = self.printed(What::Line(line));
        if self.dropped > 0 {
            // It was stuck a moment ago. It is not waited for until it takes lines again.
            let dropped = self.printed(What::Dropped(self.dropped));
            if !self.log.try_send(dropped) {
                self.dropped += 1;
                return;
            }
            self.dropped = 0;
        }
        if !self.log.send(line, PATIENCE).await {
            self.dropped += 1;
        }
    }

    fn printed(&self, what: What) -> Printed {
        Printed { source: self.source.clone(), stream: self.stream, what }
    }
}
