//! Orphans: processes whose parents have ended and that the kernel gave to replug, because replug is
//! the first process of its container, or was made a subreaper. Nobody else waits for them, so
//! replug does, or their process ids would be taken for ever.
//!
//! Anywhere else there are none and this does nothing. It knows no plugin: whose an orphan was, the
//! kernel does not tell, but see [`super::mark`].

use std::fs;
use std::io;
use std::process;

use nix::sys::prctl::{get_child_subreaper, set_child_subreaper};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Has the kernel give this process, from now on, whatever its descendants leave behind, so that
/// what left its plugin's group can be found and ended. From then on nothing but a
/// [`super::Spawner`] may start processes and wait for them.
pub fn adopt_orphans() -> io::Result<()> {
    Ok(set_child_subreaper(true)?)
}

/// Waits for orphans, and leaves alone whoever is not one.
pub(super) struct Orphans {
    /// Tells that some child has ended; none where no orphans come.
    child_ended: Option<Signal>,
}

impl Orphans {
    /// To be called inside a runtime, and before the first child is started.
    pub(super) fn listen() -> io::Result<Self> {
        let come = process::id() == 1 || get_child_subreaper()?;
        let child_ended = come.then(|| signal(SignalKind::child())).transpose()?;
        Ok(Self { child_ended })
    }

    /// Waits until some child, orphan or not, may have ended. Dropping the future loses nothing.
    pub(super) async fn may_have_ended(&mut self) {
        match &mut self.child_ended {
            Some(child_ended) => {
                child_ended.recv().await;
            }
            None => std::future::pending().await,
        }
    }

    /// The orphans that there are, some of which may have ended; none where none come.
    ///
    /// The kernel gives them to the first thread, so what the spawner's own thread has started is
    /// not among them.
    pub(super) fn adopted(&self) -> Vec<u32> {
        if self.child_ended.is_none() {
            return Vec::new();
        }
        let pid = process::id();
        let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let list = list.unwrap_or_default();
        list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }

    /// Reaps the orphans that have ended.
    ///
    /// The first child found that has ended and `is_own` is left as it is, with those behind it:
    /// this is to be called again once it has been reaped.
    pub(super) fn reap(&self, is_own: impl Fn(u32) -> bool) {
        if self.child_ended.is_none() {
            return;
        }
        while let Some(pid) = ended_child().filter(|pid| !is_own(pid.as_raw().unsigned_abs())) {
            match waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG) {
                Ok(_) => tracing::debug!("reaped the orphan {pid}"),
                Err(error) => {
                    tracing::warn!(pid = pid.as_raw(), %error, "an orphan cannot be reaped");
                    return;
                }
            }
        }
    }
}

/// A child that has ended, and stays as it is.
fn ended_child() -> Option<Pid> {
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    // An error says that there are no children at all.
    waitid(Id::All, look).ok()?.pid()
}
