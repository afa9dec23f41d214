//! The way to a thread that may block where no async thread may: in a log that is stuck, in a disk.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::process::setpriority_process;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::oneshot;
use tokio::task::coop::consume_budget;
use tokio::time::timeout;

use super::Stream;
use super::printout::{Printout, Record};

/// Lines of all plugins that may wait for the thread: at most this many times
/// [`super::LONGEST_LINE`] in memory.
const WAITING: usize = 128;

/// The thread's niceness: requests go before what plugins print.
const NICENESS: i32 = 10;

/// A queue of lines; a clone leads to the same thread, which ends when the last one is dropped.
#[derive(Debug, Clone)]
pub(super) struct Queue(mpsc::Sender<Printed>);

/// What is to be said of a plugin's output.
#[derive(Debug)]
pub(super) struct Printed {
    pub(super) printout: Arc<Printout>,
    /// Which of the plugin's processes, where there are several.
    pub(super) instance: Option<u32>,
    pub(super) generation: u64,
    pub(super) stream: Stream,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Line(Record),
    /// So many lines were dropped, because the thread was blocked.
    Dropped(u64),
}

impl Queue {
    /// Starts a thread that takes all lines there are at a time, at most [`WAITING`]. The second
    /// part resolves when it has ended.
    pub(super) fn start(
        name: &str,
        mut write: impl FnMut(&mut Vec<Printed>) + Send + 'static,
    ) -> io::Result<(Self, oneshot::Receiver<()>)> {
        let (lines, mut waiting) = mpsc::channel::<Printed>(WAITING);
        let (ended, end) = oneshot::channel();
        thread::Builder::new().name(name.into()).spawn(move || {
            // A thread as busy as others, where it may not be less so.
            let _ = setpriority_process(Some(rustix::thread::gettid()), NICENESS);
            let mut printed = Vec::new();
            while waiting.blocking_recv_many(&mut printed, WAITING) > 0 {
                write(&mut printed);
                printed.clear();
            }
            // Nobody may be waiting.
            let _ = ended.send(());
        })?;
        Ok((Self(lines), end))
    }

    /// Hands a line over, and waits for room as long as `patience`. Whether it was taken.
    pub(super) async fn send(&self, printed: Printed, patience: Duration) -> bool {
        match self.0.try_send(printed) {
            Ok(()) => {
                // A plugin that prints much gives way, room or not.
                consume_budget().await;
                true
            }
            Err(TrySendError::Full(printed)) => {
                matches!(timeout(patience, self.0.send(printed)).await, Ok(Ok(())))
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }

    /// Hands a line over if there is room. Whether it was taken.
    pub(super) fn try_send(&self, printed: Printed) -> bool {
        self.0.try_send(printed).is_ok()
    }
}
