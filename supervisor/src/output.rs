//! What plugins print: read line by line, the last lines kept in memory through all lives of a
//! plugin, passed on to replug's log and to a file of the plugin's own.
//!
//! A plugin can print anything, as fast as it likes. So a line has a longest length, what waits has
//! a most, control characters are spelt out, and the work of writing is done by threads of their
//! own at a low priority, one for the log and one for files. While they keep up, a plugin that
//! prints too fast is held up by its own pipe and nothing is lost. When the log itself is stuck (a
//! terminal that is paused, a pipe that nobody reads), or a disk, plugins are not held up for it:
//! after [`PATIENCE`] lines are dropped, counted, and their number is told as soon as lines are
//! taken again. What is kept in memory is there either way.

mod file;
mod handed;
mod line;
mod pace;
mod policy;
mod printout;
mod queue;
mod reader;
mod reading;
mod said;
mod text;
mod writer;

pub mod log;

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use self::file::FilePolicy;
use self::handed::Unread;
pub use self::handed::{HandedOutput, HandedPrintouts};
use self::line::Line;
pub use self::policy::LogPolicy;
pub use self::printout::{Printout, Tally};
use self::reader::Reader;
pub use self::reading::{Reading, Shown, Wanted};
pub use self::said::{Said, legible};
pub use self::writer::{PluginLog, PluginLogEnd};

/// The `target` of the tracing events that plugins' lines become.
pub const TARGET: &str = "plugin";

/// Lines that are kept for the status.
pub const KEPT_LINES: usize = 20;

/// The longest line in bytes. The rest of a longer one is dropped, and the line says so.
pub const LONGEST_LINE: usize = 8 * 1024;

/// How long a line waits for a log that takes nothing before it is dropped.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// How long output is read on after a generation has ended, for what is in the pipe still.
const AFTER_END: Duration = Duration::from_millis(100);

/// Which of a process's outputs a line was printed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        })
    }
}

/// Whose lines they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The plugin's name.
    pub plugin: Arc<str>,
    /// Which of its processes.
    pub instance: u32,
    /// Which life of it.
    pub generation: u64,
}

/// The output of one generation, read until [`Output::finish`]. Dropping it ends the reading.
#[derive(Debug)]
pub struct Output {
    readers: JoinSet<Option<Unread<OwnedFd>>>,
    /// Turns true when readers are to leave the rest to somebody else.
    leave: watch::Sender<bool>,
    tail: Tail,
}

impl Output {
    /// Begins to read what a process prints; the two pipes are those of
    /// [`crate::process::Process::take_output`]. To be called inside a runtime.
    #[must_use]
    pub fn read(source: &Source, pipes: (OwnedFd, OwnedFd), log: &PluginLog) -> Self {
        let pipes = [(Stream::Stdout, pipes.0), (Stream::Stderr, pipes.1)];
        let unread = |(stream, pipe)| Unread { stream, pipe, begun: Vec::new(), cut: false };
        let whole = HandedOutput { pipes: pipes.map(unread).into(), tail: Vec::new() };
        Self::resume(source, whole, log)
    }

    /// Goes on with what another program has begun to read. To be called inside a runtime.
    #[must_use]
    pub fn resume(source: &Source, handed: HandedOutput<OwnedFd>, log: &PluginLog) -> Self {
        let tail = Tail::default();
        handed.tail.iter().for_each(|line| tail.push(Line::new(line.as_bytes(), false)));
        let (leave, leaving) = watch::channel(false);
        let printout = log.printout(&source.plugin);
        let printout = printout.unwrap_or_else(|| log.keep(&source.plugin, &LogPolicy::default()));
        let mut readers = JoinSet::new();
        for unread in handed.pipes {
            let stream = unread.stream;
            let (printout, tail) = (printout.clone(), tail.clone());
            match Reader::new(unread, printout, source, log, tail) {
                Ok(reader) => {
                    readers.spawn(reader.run(leaving.clone()));
                }
                Err(error) => tracing::error!(
                    plugin = &*source.plugin,
                    %stream,
                    %error,
                    "what it prints cannot be read"
                ),
            }
        }
        Self { readers, leave, tail }
    }

    /// Stops reading, and gives what there is to go on with. What has been read as a whole line by
    /// then is passed on.
    pub async fn hand_over(mut self) -> HandedOutput<OwnedFd> {
        self.leave.send_replace(true);
        let mut pipes = Vec::new();
        while let Some(reader) = self.readers.join_next().await {
            pipes.extend(reader.ok().flatten());
        }
        HandedOutput { pipes, tail: self.tail.lines() }
    }

    /// The last lines that were printed, the latest at the end; at most [`KEPT_LINES`].
    #[must_use]
    pub fn tail(&self) -> Vec<String> {
        self.tail.lines()
    }

    /// Reads what is left after the process has ended, and gives the last lines. A child that made
    /// itself a daemon may hold a pipe open for ever; it is not waited for.
    pub async fn finish(mut self) -> Vec<String> {
        let all_read = async { while self.readers.join_next().await.is_some() {} };
        if timeout(AFTER_END, all_read).await.is_err() {
            self.readers.shutdown().await;
        }
        self.tail.lines()
    }
}

/// The last lines of a generation, as they came.
#[derive(Debug, Clone, Default)]
struct Tail(Arc<Mutex<VecDeque<Line>>>);

impl Tail {
    fn push(&self, line: Line) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    fn lines(&self) -> Vec<String> {
        // Made readable outside the lock: readers push while this is done.
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        lines.iter().map(Line::readable).collect()
    }
}
