//! replug's log in JSON, from which the lives of its one plugin are known the moment they change.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::ChildStderr;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::{Failure, PATIENCE};

/// How many lines are kept for a failure's text.
const KEPT_LINES: usize = 40;

/// One generation of the plugin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Life {
    /// Counted from 1; 0 before the first.
    pub(crate) generation: u64,
    pub(crate) pid: u32,
    pub(crate) ready: bool,
}

/// A log that is being read.
#[derive(Debug)]
pub(super) struct Log {
    life: watch::Receiver<Life>,
    lines: Lines,
    reader: JoinHandle<()>,
}

/// The last lines.
type Lines = Arc<Mutex<VecDeque<String>>>;

// === impl Log ===

impl Log {
    /// Reads what replug writes until it ends.
    pub(super) fn follow(stderr: ChildStderr) -> Self {
        let (told, life) = watch::channel(Life::default());
        let lines = Lines::default();
        let reader = tokio::spawn(read(stderr, told, lines.clone()));
        Self { life, lines, reader }
    }

    pub(super) fn life(&self) -> Life {
        *self.life.borrow()
    }

    /// Waits for a generation that `wanted` is true of.
    pub(super) async fn until(&mut self, wanted: impl Fn(&Life) -> bool) -> Result<Life, Failure> {
        let found = timeout(PATIENCE, self.life.wait_for(wanted)).await;
        let found = found.map(|found| found.map(|life| *life));
        match found {
            Ok(Ok(life)) => Ok(life),
            Ok(Err(_)) => Err(format!("replug has ended\n{self}").into()),
            Err(_) => Err(format!("the plugin is at {:?}\n{self}", self.life()).into()),
        }
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read(stderr: ChildStderr, told: watch::Sender<Life>, kept: Lines) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        told.send_if_modified(|life| note(life, &line));
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT_LINES {
            kept.pop_front();
        }
        kept.push_back(line);
    }
}

/// Takes in one line. True: it told of the plugin's life.
fn note(known: &mut Life, line: &str) -> bool {
    let Ok(event) = serde_json::from_str::<Value>(line) else { return false };
    let Some(generation) = event["generation"].as_u64() else { return false };
    let message = event["message"].as_str().unwrap_or_default();
    if message == "started" {
        let pid = event["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
        *known = Life { generation, pid: pid.unwrap_or_default(), ready: false };
        true
    } else if message.starts_with("plugin ready") && known.generation == generation {
        known.ready = true;
        true
    } else if message.starts_with("ended") && known.generation == generation {
        known.ready = false;
        true
    } else {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_read_from_the_log() {
        let mut life = Life::default();
        let lines = [
            r#"{"message":"started","plugin":"store","generation":2,"pid":70}"#,
            r#"{"message":"something else","generation":2}"#,
            r#"{"message":"plugin ready, serves state.sqlite","generation":2}"#,
        ];
        assert_eq!(lines.map(|line| note(&mut life, line)), [true, false, true]);
        assert_eq!(life, Life { generation: 2, pid: 70, ready: true });
        assert!(note(&mut life, r#"{"message":"ended: killed by SIGKILL","generation":2}"#));
        assert!(!life.ready);
        assert!(!note(&mut life, "no JSON"));
    }
}
