//! Reads one pipe to its end.

use std::future;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, sleep};

use super::handed::Unread;
use super::line::{Line, Lines};
use super::pace::Pace;
use super::printout::{Printout, Record};
use super::queue::{Printed, Queue, What};
use super::{PATIENCE, PluginLog, Source, Stream, Tail};

/// How much is read at once, in bytes. The room for it is on the stack, and only while there is
/// something to read: a plugin that prints nothing takes none.
const PIECE: usize = 8 * 1024;

/// Reads one pipe to its end.
pub(super) struct Reader {
    pipe: pipe::Receiver,
    lines: Lines,
    pace: Pace,
    printout: Arc<Printout>,
    instance: u32,
    generation: u64,
    stream: Stream,
    order: PluginLog,
    tail: Tail,
    to_log: Way,
    to_file: Way,
}

/// The way of lines to a thread that writes them.
struct Way {
    queue: Queue,
    /// Lines that it did not take since it took one last.
    dropped: u64,
    /// Counts what is dropped.
    lost: fn(&Printout, u64),
}

/// What there was to read.
enum Piece {
    Lines { lines: Vec<Line>, bytes: usize },
    Nothing,
    End,
}

// === impl Reader ===

impl Reader {
    pub(super) fn new(
        unread: Unread<OwnedFd>,
        printout: Arc<Printout>,
        source: &Source,
        log: &PluginLog,
        tail: Tail,
    ) -> io::Result<Self> {
        let Unread { stream, pipe, begun, cut } = unread;
        Ok(Self {
            pipe: pipe::Receiver::from_owned_fd(pipe)?,
            lines: Lines::go_on(begun, cut),
            pace: Pace::new(Instant::now()),
            printout,
            instance: source.instance,
            generation: source.generation,
            stream,
            order: log.clone(),
            tail,
            to_log: Way { queue: log.to_log(), dropped: 0, lost: Printout::lost_to_log },
            to_file: Way { queue: log.to_files(), dropped: 0, lost: Printout::lost_to_file },
        })
    }

    /// Reads to the end, or until `leave` turns true: then what there is to go on with is given back.
    pub(super) async fn run(mut self, mut leave: watch::Receiver<bool>) -> Option<Unread<OwnedFd>> {
        loop {
            let readable = tokio::select! {
                biased;
                () = is_to_leave(&mut leave) => {
                    self.tell_dropped().await;
                    let (begun, cut) = self.lines.begun();
                    let pipe = self.pipe.into_nonblocking_fd().ok()?;
                    return Some(Unread { stream: self.stream, pipe, begun, cut });
                }
                readable = self.pipe.readable() => readable,
            };
            // An error does not happen to a pipe; it would be an end.
            if readable.is_err() {
                break;
            }
            match self.read() {
                Piece::Lines { lines, bytes } => {
                    for line in lines {
                        self.pass_on(line).await;
                    }
                    if let Some(pause) = self.pace.read(bytes, Instant::now()) {
                        // The plugin waits in its pipe.
                        sleep(pause).await;
                    }
                }
                Piece::Nothing => {}
                Piece::End => break,
            }
            // One that prints much gives way to others, whether or not it makes lines.
            consume_budget().await;
        }
        if let Some(line) = self.lines.rest() {
            self.pass_on(line).await;
        }
        self.tell_dropped().await;
        None
    }

    async fn tell_dropped(&self) {
        for way in [&self.to_log, &self.to_file] {
            if way.dropped > 0 {
                let dropped = self.printed(What::Dropped(way.dropped));
                // If the way is blocked to the end, the count tells of it.
                let _ = way.queue.send(dropped, PATIENCE).await;
            }
        }
    }

    fn read(&mut self) -> Piece {
        let mut piece = [0; PIECE];
        match self.pipe.try_read(&mut piece) {
            Ok(0) => Piece::End,
            Ok(read) => {
                let (mut bytes, mut lines) = (&piece[..read], Vec::new());
                while !bytes.is_empty() {
                    lines.extend(self.lines.next(&mut bytes));
                }
                Piece::Lines { lines, bytes: read }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Piece::Nothing,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Piece::Nothing,
            Err(_) => Piece::End,
        }
    }

    async fn pass_on(&mut self, line: Line) {
        self.tail.push(line.clone());
        let record = Record {
            order: self.order.next_order(),
            at: SystemTime::now(),
            instance: self.printout.told_apart(self.instance),
            generation: self.generation,
            stream: self.stream,
            line,
        };
        self.printout.push(record.clone());
        if self.printout.is_logged() {
            let line = self.printed(What::Line(record.clone()));
            let dropped = self.printed(What::Dropped(self.to_log.dropped));
            self.to_log.pass(line, dropped).await;
        }
        if self.printout.file().is_some() {
            let line = self.printed(What::Line(record));
            let dropped = self.printed(What::Dropped(self.to_file.dropped));
            self.to_file.pass(line, dropped).await;
        }
    }

    fn printed(&self, what: What) -> Printed {
        let (generation, stream) = (self.generation, self.stream);
        let instance = self.printout.told_apart(self.instance);
        Printed { printout: self.printout.clone(), instance, generation, stream, what }
    }
}

// === impl Way ===

impl Way {
    /// Hands a line over. Before it, where earlier ones were dropped, that they were.
    async fn pass(&mut self, line: Printed, dropped: Printed) {
        let printout = line.printout.clone();
        if self.dropped > 0 {
            // It was blocked a moment ago. It is not waited for until it takes lines again.
            if !self.queue.try_send(dropped) {
                self.drop_one(&printout);
                return;
            }
            self.dropped = 0;
        }
        if !self.queue.send(line, PATIENCE).await {
            self.drop_one(&printout);
        }
    }

    fn drop_one(&mut self, printout: &Printout) {
        self.dropped += 1;
        (self.lost)(printout, 1);
    }
}

/// Waits until somebody else is to read on.
async fn is_to_leave(leave: &mut watch::Receiver<bool>) {
    if leave.wait_for(|leave| *leave).await.is_err() {
        // Whoever could say it is gone only when this task is to end.
        future::pending::<()>().await;
    }
}
