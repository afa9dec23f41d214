//! replug's log in JSON, from which the lives of its plugins are known the moment they change.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::ChildStderr;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::Failure;

/// How many lines are kept for a failure's text.
const KEPT_LINES: usize = 40;

/// One generation of a plugin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Life {
    /// Counted from 1; 0 before the first.
    pub(crate) generation: u64,
    pub(crate) pid: u32,
    pub(crate) ready: bool,
}

/// The latest generation of every plugin that has had one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lives {
    by_name: HashMap<String, Life>,
    ready: usize,
    /// Where applications call over gRPC, once replug has said so.
    grpc: Option<String>,
}

/// A log that is being read.
#[derive(Debug)]
pub(super) struct Log {
    lives: watch::Receiver<Lives>,
    kept: Lines,
    reader: JoinHandle<()>,
}

/// The last lines.
type Lines = Arc<Mutex<VecDeque<String>>>;

// === impl Log ===

impl Log {
    /// Reads what replug writes until it ends.
    pub(super) fn follow(stderr: ChildStderr) -> Self {
        let (told, lives) = watch::channel(Lives::default());
        let kept = Lines::default();
        let reader = tokio::spawn(read(stderr, told, kept.clone()));
        Self { lives, kept, reader }
    }

    pub(super) fn life(&self, plugin: &str) -> Life {
        self.lives.borrow().of(plugin)
    }

    /// Where applications call over gRPC, once that was said.
    pub(super) fn grpc(&self) -> Option<String> {
        self.lives.borrow().grpc().map(str::to_owned)
    }

    /// The process of every plugin's latest generation.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.lives.borrow().by_name.values().map(|life| life.pid).collect()
    }

    /// The processes of the latest generations of those plugins that `wanted` is true of.
    pub(super) fn pids_of(&self, wanted: impl Fn(&str) -> bool) -> Vec<u32> {
        let lives = self.lives.borrow();
        let wanted = lives.by_name.iter().filter(|(plugin, _)| wanted(plugin));
        wanted.map(|(_, life)| life.pid).collect()
    }

    /// Waits until `wanted` is true of the plugins, and gives what it is then of one of them.
    pub(super) async fn until(
        &mut self,
        plugin: &str,
        patience: Duration,
        wanted: impl Fn(&Lives) -> bool,
    ) -> Result<Life, Failure> {
        let found = timeout(patience, self.lives.wait_for(wanted)).await;
        let found = found.map(|found| found.map(|lives| lives.of(plugin)));
        match found {
            Ok(Ok(life)) => Ok(life),
            Ok(Err(_)) => Err(format!("replug has ended\n{self}").into()),
            Err(_) => {
                let lives = self.lives.borrow().clone();
                let known = lives.by_name.len();
                let of = lives.of(plugin);
                let text =
                    format!("{} of {known} plugins are ready, {plugin} is at {of:?}", lives.ready);
                Err(format!("{text}\n{self}").into())
            }
        }
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// The gRPC address in the line that says what is served where.
fn grpc_place(message: &str) -> Option<&str> {
    let (_, places) = message.split_once(" serves app ")?.1.split_once(" on ")?;
    places.split(", ").find_map(|place| place.strip_prefix("grpc "))
}

// === impl Lives ===

impl Lives {
    /// The latest generation of the plugin.
    pub(crate) fn of(&self, plugin: &str) -> Life {
        self.by_name.get(plugin).copied().unwrap_or_default()
    }

    /// How many are ready at this moment.
    pub(crate) fn ready(&self) -> usize {
        self.ready
    }

    /// Whether all have had `generation` or a later one.
    pub(crate) fn reached(&self, generation: u64) -> bool {
        self.by_name.values().all(|life| life.generation >= generation)
    }

    /// Where applications call over gRPC, once replug has said so.
    pub(crate) fn grpc(&self) -> Option<&str> {
        self.grpc.as_deref()
    }

    /// Takes in one line. True: it told of a plugin's life, or where applications call.
    fn note(&mut self, line: &str) -> bool {
        let Ok(event) = serde_json::from_str::<Value>(line) else { return false };
        if let Some(place) = grpc_place(event["message"].as_str().unwrap_or_default()) {
            self.grpc = Some(place.to_owned());
            return true;
        }
        let (Some(generation), Some(plugin)) =
            (event["generation"].as_u64(), event["plugin"].as_str())
        else {
            return false;
        };
        let message = event["message"].as_str().unwrap_or_default();
        let known = self.of(plugin);
        let now = if message == "started" {
            let pid = event["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
            Life { generation, pid: pid.unwrap_or_default(), ready: false }
        } else if message.starts_with("plugin ready") && known.generation == generation {
            Life { ready: true, ..known }
        } else if message.starts_with("plugin ready") && known.generation < generation {
            // It has taken the place of one that goes; the log does not tell its process.
            Life { generation, pid: 0, ready: true }
        } else if message.starts_with("ended") && known.generation == generation {
            Life { ready: false, ..known }
        } else {
            return false;
        };
        self.ready = self.ready + usize::from(now.ready) - usize::from(known.ready);
        self.by_name.insert(plugin.to_owned(), now);
        true
    }
}

async fn read(stderr: ChildStderr, told: watch::Sender<Lives>, kept: Lines) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        told.send_if_modified(|lives| lives.note(&line));
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT_LINES {
            kept.pop_front();
        }
        kept.push_back(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_are_read_from_the_log() {
        let mut known = Lives::default();
        let lines = [
            r#"{"message":"started","plugin":"store","generation":2,"pid":70}"#,
            r#"{"message":"something else","plugin":"store","generation":2}"#,
            r#"{"message":"plugin ready, serves state.sqlite","plugin":"store","generation":2}"#,
            r#"{"message":"started","plugin":"other","generation":1,"pid":71}"#,
        ];
        assert_eq!(lines.map(|line| known.note(line)), [true, false, true, true]);
        assert_eq!(known.grpc(), None);
        let serves =
            r#"{"message":"replug 0.1.0 serves app bench on http 127.0.0.1:1, grpc 127.0.0.1:2"}"#;
        assert!(known.note(serves));
        assert_eq!(known.grpc(), Some("127.0.0.1:2"));
        assert_eq!(known.of("store"), Life { generation: 2, pid: 70, ready: true });
        assert_eq!((known.ready(), known.reached(1), known.reached(2)), (1, true, false));
        let ended = r#"{"message":"ended: killed by SIGKILL","plugin":"store","generation":2}"#;
        assert!(known.note(ended));
        assert_eq!((known.of("store").ready, known.ready()), (false, 0));
        assert!(!known.note("no JSON"));
        let next = r#"{"message":"plugin ready, serves x","plugin":"other","generation":2}"#;
        let gone = r#"{"message":"ended: exit status 0","plugin":"other","generation":1}"#;
        assert_eq!([next, gone].map(|line| known.note(line)), [true, false]);
        assert_eq!(known.of("other"), Life { generation: 2, pid: 0, ready: true });
    }
}
