//! What others ask of the task, and what it makes of that.

use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::super::handed::Handed;
use super::super::{Event, Happening, State};
use super::{PluginTask, Told};
use crate::plan::PluginSpec;
use crate::process::Signal;

/// What others ask of the task of one process.
#[derive(Debug)]
pub enum Command {
    /// Have it run.
    Start,
    /// Have it not run.
    Stop,
    /// The same, for a reason that is shown for as long as it stays so.
    StopBecause(String),
    /// Let the calls end that are under way, then have it not run.
    Leave,
    /// Take these settings: those of the process count from its next generation on.
    Adjust(Arc<PluginSpec>),
    /// Show this of the plugin, until there is other news of it.
    Note(String),
    /// Have its next generation run.
    Restart,
    /// Send a signal to the process group, and say whether there is one.
    Signal {
        /// The signal.
        signal: Signal,
        /// Told whether it was sent.
        done: oneshot::Sender<bool>,
    },
    /// Let go of everything for the next program, and end.
    HandOver(oneshot::Sender<Handed<OwnedFd>>),
    /// Have its next generation run beside the present one, and take its place when it can do what
    /// that one can. Where there is another spec, it is what the next generation is started from.
    Replace(Option<Arc<PluginSpec>>, Told),
    /// Say that the task is there and does its work.
    Answer(oneshot::Sender<()>),
}

impl PluginTask {
    /// Does what is asked for. Breaks where nothing is left to do.
    pub(super) async fn obey(&mut self, command: Command) -> ControlFlow<()> {
        match command {
            Command::Start => {
                self.backoff.forget();
                self.happened(Event::Start).await;
            }
            Command::Restart => {
                self.backoff.forget();
                self.happened(Event::Restart).await;
            }
            Command::Replace(spec, told) => self.replace(spec, told).await,
            Command::Stop => {
                // One that has failed is looked after from here on.
                self.backoff.forget();
                self.stop(None).await;
            }
            Command::StopBecause(reason) => self.stop(Some(reason)).await,
            Command::Leave => {
                self.because = None;
                self.goes(Happening::Leave).await;
                self.show_if_at_rest();
            }
            Command::Signal { signal, done } => {
                if let Some(life) = &self.life {
                    life.signal(signal);
                }
                // Whoever asked may have stopped waiting.
                let _ = done.send(self.life.is_some());
            }
            Command::HandOver(asked) => {
                let handed = self.hand_over().await;
                // Whoever asked waits for it: replug has nothing else to do.
                let _ = asked.send(handed);
                return ControlFlow::Break(());
            }
            Command::Adjust(spec) => self.follow(spec),
            Command::Note(reason) => self.status.send_modify(|status| status.reason = reason),
            Command::Answer(asked) => {
                // Whoever asked may have stopped waiting.
                let _ = asked.send(());
            }
        }
        ControlFlow::Continue(())
    }

    async fn stop(&mut self, because: Option<String>) {
        self.hurry();
        self.because = because;
        self.happened(Event::Stop).await;
        self.show_if_at_rest();
    }

    fn show_if_at_rest(&self) {
        if self.state() == State::Stopped && !self.has_others() {
            self.show_as_stopped();
        }
    }
}
