//! What is made of a change of the files that the plugin is made of.

use tokio::sync::oneshot;

use super::super::{State, Then};
use super::{PluginTask, Surroundings};
use crate::files::{FileEvent, FileWatch};
use crate::plan::PluginSpec;

/// The files that the plan wants watched, if any.
pub(super) fn watched(spec: &PluginSpec, surroundings: &Surroundings) -> Option<FileWatch> {
    (!spec.watch.is_empty()).then(|| FileWatch::new(surroundings.watch.clone(), spec.watch.clone()))
}

/// The next thing that happens to the files; never, where none are watched.
pub(super) async fn happens(files: &mut Option<FileWatch>) -> FileEvent {
    match files {
        Some(files) => files.next().await,
        None => std::future::pending().await,
    }
}

impl PluginTask {
    pub(super) async fn files(&mut self, event: FileEvent) {
        let plugin = &self.label;
        let (path, others) = match event {
            FileEvent::Changed { path, others } => (path, others),
            FileEvent::Trouble(reason) => {
                tracing::warn!(plugin, "its files are not all watched: {reason}");
                return;
            }
        };
        let more = if others == 0 { String::new() } else { format!(" (and {others} more)") };
        let path = path.display();
        // What somebody stopped, or has not started yet, gets the change with its next start.
        let wanted = match self.state() {
            State::Stopped => self.failed(),
            State::Stopping(Then::Stay) => false,
            _ => true,
        };
        if !wanted {
            tracing::info!(plugin, "{path} has changed{more}");
            return;
        }
        tracing::info!(plugin, "{path} has changed{more}: started anew");
        // Beside the present generation where that can be, which goes on if the next one is broken.
        // What comes of it is told in the log by whoever does it.
        let (told, _) = oneshot::channel();
        self.replace(None, told).await;
    }
}
