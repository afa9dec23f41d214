//! The thread that turns plugins' lines into tracing events. It may block in whatever the events are
//! written to; no async thread does.

use std::io;
use std::thread;
use std::time::Duration;

use rustix::process::setpriority_process;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::line::Line;
use super::{Source, Stream, TARGET};

/// Lines of all plugins that may wait for the thread: at most this many times
/// [`super::LONGEST_LINE`] in memory.
const WAITING: usize = 128;

/// The thread's niceness: requests go before what plugins print.
const NICENESS: i32 = 10;

/// How long the thread is waited for at the end, when the log is stuck.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Where plugins' lines go to become tracing events, with the target [`TARGET`] and the fields
/// `plugin`, `generation` and `stream`. One for the whole of replug; a clone is the same.
#[derive(Debug, Clone)]
pub struct PluginLog {
    lines: mpsc::Sender<Printed>,
}

/// Ends the thread of a [`PluginLog`].
#[derive(Debug)]
pub struct PluginLogEnd(oneshot::Receiver<()>);

/// What is to be said of a plugin's output.
#[derive(Debug)]
pub(super) struct Printed {
    pub(super) source: Source,
    pub(super) stream: Stream,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Line(Line),
    /// So many lines were dropped, because the log was stuck.
    Dropped(u64),
}

impl PluginLog {
    /// Starts the thread. It ends when the last clone is dropped and all lines are written; whoever
    /// ends replug waits for that with the second part.
    ///
    /// The events go to the global subscriber: see [`super::log::subscriber`].
    pub fn start() -> io::Result<(Self, PluginLogEnd)> {
        let (lines, mut waiting) = mpsc::channel::<Printed>(WAITING);
        let (ended, end) = oneshot::channel();
        thread::Builder::new().name("replug-output".into()).spawn(move || {
            // A thread as busy as others, where it may not be less so.
            let _ = setpriority_process(Some(rustix::thread::gettid()), NICENESS);
            while let Some(printed) = waiting.blocking_recv() {
                printed.write();
            }
            // Nobody may be waiting.
            let _ = ended.send(());
        })?;
        Ok((Self { lines }, PluginLogEnd(end)))
    }

    /// Hands a line over, and waits for room as long as `patience`. Whether it was taken.
    pub(super) async fn send(&self, printed: Printed, patience: Duration) -> bool {
        match self.lines.try_send(printed) {
            Ok(()) => {
                // A plugin that prints much gives way, room or not.
                tokio::task::coop::consume_budget().await;
                true
            }
            Err(TrySendError::Full(printed)) => {
                matches!(timeout(patience, self.lines.send(printed)).await, Ok(Ok(())))
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }

    /// Hands a line over if there is room. Whether it was taken.
    pub(super) fn try_send(&self, printed: Printed) -> bool {
        self.lines.try_send(printed).is_ok()
    }
}

impl PluginLogEnd {
    /// Waits until everything that was printed is written, for as long as a log that is not stuck
    /// needs. Every [`PluginLog`] has to be dropped before.
    pub async fn written(self) {
        let _ = timeout(LAST_WORDS, self.0).await;
    }
}

impl Printed {
    fn write(self) {
        let Source { plugin, generation } = self.source;
        let (plugin, stream) = (&*plugin, self.stream);
        match self.what {
            What::Line(line) => {
                let text = line.readable();
                tracing::info!(target: TARGET, plugin, generation, %stream, "{text}");
            }
            What::Dropped(lines) => tracing::warn!(
                target: TARGET,
                plugin,
                generation,
                %stream,
                "{lines} lines are missing here: the log took none"
            ),
        }
    }
}
