//! Reads one pipe to its end.

use std::future;
use std::io;
use std::os::fd::OwnedFd;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::watch;

use super::handed::Unread;
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
    lines: Lines,
    /// Lines that the log did not take since it took one last.
    dropped: u64,
}

impl Reader {
    pub(super) fn new(
        unread: Unread<OwnedFd>,
        source: Source,
        log: PluginLog,
        tail: Tail,
    ) -> io::Result<Self> {
        let Unread { stream, pipe, begun, cut } = unread;
        let pipe = pipe::Receiver::from_owned_fd(pipe)?;
        let lines = Lines::go_on(begun, cut);
        Ok(Self { pipe, source, stream, log, tail, lines, dropped: 0 })
    }

    /// Reads to the end, or until `leave` turns true: then what there is to go on with is given back.
    pub(super) async fn run(mut self, mut leave: watch::Receiver<bool>) -> Option<Unread<OwnedFd>> {
        let mut piece = vec![0; PIECE];
        loop {
            let read = tokio::select! {
                biased;
                () = is_to_leave(&mut leave) => {
                    self.tell_dropped().await;
                    let (begun, cut) = self.lines.begun();
                    let pipe = self.pipe.into_nonblocking_fd().ok()?;
                    return Some(Unread { stream: self.stream, pipe, begun, cut });
                }
                read = self.pipe.read(&mut piece) => read,
            };
            // An error other than an end does not happen to a pipe; it would be an end too.
            let Ok(read @ 1..) = read else { break };
            let mut bytes = &piece[..read];
            while !bytes.is_empty() {
                if let Some(line) = self.lines.next(&mut bytes) {
                    self.pass_on(line).await;
                }
            }
        }
        if let Some(line) = self.lines.rest() {
            self.pass_on(line).await;
        }
        self.tell_dropped().await;
        None
    }

    async fn tell_dropped(&self) {
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

/// Waits until somebody else is to read on.
async fn is_to_leave(leave: &mut watch::Receiver<bool>) {
    if leave.wait_for(|leave| *leave).await.is_err() {
        // Whoever could say it is gone only when this task is to end.
        future::pending::<()>().await;
    }
}
