//! The files that a plugin is made of: watched, so that it is started anew when one of them has
//! changed and whoever wrote it is done.
//!
//! As with sockets, an event of the kernel says nothing but *look again*. Who looks compares what is
//! there with what was there before, after a time in which nothing was written: an editor writes a
//! file in three steps, and `cargo build` takes its time to replace a binary. This module knows
//! paths and files, and no plugin.

mod look;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until};

use self::look::{Look, Seen};
use crate::sockets::SocketWatch;
use crate::sockets::bell::{Bell, Watched};

/// How long nothing may have been written before a change counts.
const SETTLED: Duration = Duration::from_millis(200);

/// What of the file system counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watching {
    /// A file, or everything in a folder and the folders below it but what is hidden.
    Path(PathBuf),
    /// The files below `base` whose path from there matches.
    Glob {
        /// A folder.
        base: PathBuf,
        /// The pattern, as the `globset` crate understands it, known to be one.
        pattern: String,
    },
}

/// What happens to files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileEvent {
    /// They have changed, and are written no more.
    Changed {
        /// One of them; none, an empty path, where it is only said to be possible.
        path: PathBuf,
        /// How many there are besides.
        others: usize,
    },
    /// Some of them cannot be watched; told once for the same reason.
    Trouble(String),
}

/// Watches files until it is dropped.
#[derive(Debug)]
pub struct FileWatch {
    watch: SocketWatch,
    what: Arc<[Watching]>,
    bell: Arc<Bell>,
    hung: Vec<Watched>,
    /// What is known to whoever asks; none before the first look.
    known: Option<Seen>,
    /// Runs to its end even if nobody waits; aborting it would do nothing.
    looking: Option<JoinHandle<Look>>,
    /// When it is looked again, unless something is written until then.
    settled: Option<Instant>,
    trouble: Option<String>,
    /// Whether the first look is told of as a change.
    tells_first: bool,
}

// === impl FileWatch ===

impl FileWatch {
    /// Watches files, from the first time that it is asked for what happens.
    #[must_use]
    pub fn new(watch: SocketWatch, what: Vec<Watching>) -> Self {
        Self {
            watch,
            what: what.into(),
            bell: Arc::new(Bell::of_writes()),
            hung: Vec::new(),
            known: None,
            looking: None,
            settled: Some(Instant::now()),
            trouble: None,
            tells_first: false,
        }
    }

    /// The same for whoever has read the files before: the first look is told of as a change, since
    /// they may have changed between the two.
    #[must_use]
    pub fn of_what_was_read(watch: SocketWatch, what: Vec<Watching>) -> Self {
        Self { tells_first: true, ..Self::new(watch, what) }
    }

    /// Waits for the next thing to happen. Dropping the future loses nothing.
    pub async fn next(&mut self) -> FileEvent {
        loop {
            if let Some(looking) = &mut self.looking {
                let looked = looking.await;
                self.looking = None;
                // An error comes only when the runtime is ending, and this with it.
                if let Ok(look) = looked
                    && let Some(event) = self.take_in(look)
                {
                    return event;
                }
            }
            let settled = self.settled;
            tokio::select! {
                biased;
                () = self.bell.heard() => self.settled = Some(Instant::now() + SETTLED),
                () = sleep_until(settled.unwrap_or_else(Instant::now)), if settled.is_some() => {
                    self.look();
                }
            }
        }
    }

    fn look(&mut self) {
        self.settled = None;
        let (watch, what, bell) = (self.watch.clone(), self.what.clone(), self.bell.clone());
        let hung = std::mem::take(&mut self.hung);
        self.looking = Some(spawn_blocking(move || {
            // First, since the same bell on the same folder is one watch.
            hung.into_iter().for_each(Watched::end);
            Look::through(&what, &watch, &bell)
        }));
    }

    fn take_in(&mut self, look: Look) -> Option<FileEvent> {
        self.hung = look.hung;
        if look.trouble.is_some() && look.trouble != self.trouble {
            self.trouble.clone_from(&look.trouble);
            // What was seen besides is compared with the next look.
            self.known.get_or_insert(look.seen);
            return look.trouble.map(FileEvent::Trouble);
        }
        let Some(known) = &self.known else {
            self.known = Some(look.seen);
            let first = FileEvent::Changed { path: PathBuf::new(), others: 0 };
            return self.tells_first.then_some(first);
        };
        if known.lacks_of(&look.seen) {
            // About to be written anew: its coming is an event as well.
            return None;
        }
        let mut changed = known.differences(&look.seen);
        let event = changed.pop().map(|path| FileEvent::Changed { path, others: changed.len() });
        self.known = Some(look.seen);
        event
    }
}

#[cfg(test)]
mod tests;
