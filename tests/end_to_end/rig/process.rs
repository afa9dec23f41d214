//! Processes that are not the test's children: watched, signalled, and found by a mark.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Timespec;
use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::PATIENCE;

/// A variable whose value is another for every run of replug: all its descendants inherit it, so
/// that whatever it leaves behind is found.
pub(crate) const MARK: &str = "REPLUG_TEST_MARK";

/// A process, whoever its parent is. Its number cannot come to mean another one.
pub(crate) struct Process {
    pid: Pid,
    pidfd: OwnedFd,
}

impl Process {
    /// The process of that number; none where there is none.
    pub(crate) fn find(pid: u32) -> Option<Self> {
        let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        Some(Self { pid, pidfd })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Sends a signal; to a process that has ended already, none.
    pub(crate) fn signal(&self, signal: Signal) {
        match pidfd_send_signal(&self.pidfd, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => panic!("signal {signal:?} to {}: {error}", self.pid()),
        }
    }

    /// Has it hang: sends SIGSTOP and waits until none of its threads runs, which on a busy machine takes
    /// its time. The kernel tells this to nobody but a parent, so it is looked at.
    pub(crate) async fn hang(&self) {
        self.signal(Signal::STOP);
        let begun = Instant::now();
        while self.has_running_threads() {
            assert!(begun.elapsed() < PATIENCE, "process {} does not stop", self.pid());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn has_running_threads(&self) -> bool {
        let Ok(threads) = std::fs::read_dir(format!("/proc/{}/task", self.pid())) else {
            return false;
        };
        let told =
            threads.filter_map(|it| std::fs::read_to_string(it.ok()?.path().join("stat")).ok());
        let state = |stat: String| stat.rsplit_once(") ")?.1.chars().next();
        told.filter_map(state).any(|state| !"TtZX".contains(state))
    }

    /// Kills it.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Waits until it has ended.
    pub(crate) async fn gone(&self) {
        let pidfd = self.pidfd.try_clone().unwrap();
        let waiting = tokio::task::spawn_blocking(move || readable(&pidfd, PATIENCE));
        assert!(waiting.await.unwrap(), "process {} does not end", self.pid());
    }

    /// As [`Self::gone`], where nothing can be awaited. False: it has not ended within `patience`.
    pub(crate) fn gone_within(&self, patience: Duration) -> bool {
        readable(&self.pidfd, patience)
    }

    /// What runs, for a failure's text.
    pub(crate) fn command_line(&self) -> String {
        let line = std::fs::read(format!("/proc/{}/cmdline", self.pid())).unwrap_or_default();
        String::from_utf8_lossy(&line).replace('\0', " ")
    }

    /// The processes that it has started and that have not ended.
    pub(crate) fn children(&self) -> Vec<Self> {
        let pid = self.pid();
        let path = format!("/proc/{pid}/task/{pid}/children");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().filter_map(|child| Self::find(child.parse().unwrap())).collect()
    }

    /// Every process whose environment has the mark.
    pub(crate) fn marked(mark: &str) -> Vec<Self> {
        let wanted = format!("{MARK}={mark}");
        let numbers = std::fs::read_dir("/proc").unwrap();
        let numbers = numbers.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
        // The descriptor comes first: the number may have come to mean another process by now.
        let processes = numbers.filter_map(|pid: u32| Some((Self::find(pid)?, pid)));
        let marked = processes.filter(|(_, pid)| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
        });
        marked.map(|(process, _)| process).collect()
    }
}

/// Waits until the process behind a pidfd has ended. False: it has not within `patience`.
fn readable(pidfd: &OwnedFd, patience: Duration) -> bool {
    let mut waiting = [PollFd::new(pidfd, PollFlags::IN)];
    let patience = Timespec::try_from(patience).unwrap();
    retry_on_intr(|| poll(&mut waiting, Some(&patience))).unwrap() > 0
}
