//! The last that is done to a child: its group is killed, and its exit status taken.

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgid};
use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::Exit;

/// Signals the group of an unreaped process, and the process itself where it has gone into another
/// group. That none of it is left, or that it belongs to another user by now, is no error that
/// anybody could do something about.
pub(super) fn kill_group(pid: u32, signal: Signal) {
    let Ok(pid) = i32::try_from(pid).map(Pid::from_raw) else { return };
    let _ = killpg(pid, signal);
    if getpgid(Some(pid)).is_ok_and(|group| group != pid) {
        let _ = kill(pid, signal);
    }
}

/// Takes the exit status of a process that has ended, which frees its number.
pub(super) fn reap(pid: u32) -> Exit {
    let status = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .and_then(|pid| waitid(WaitId::Pid(pid), WaitIdOptions::EXITED).ok().flatten());
    let Some(status) = status else {
        // Somebody else reaped it, which nothing in replug does.
        tracing::error!(pid, "the exit status of a process is lost");
        return Exit::by(Signal::SIGKILL);
    };
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal { signal, core_dumped: status.dumped() },
        (None, None) => Exit::by(Signal::SIGKILL),
    }
}
