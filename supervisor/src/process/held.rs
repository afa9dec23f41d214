//! Signals to replug that must not be lost while one program of it follows another.
//!
//! A signal that is held waits in the kernel, over an exec too. Every thread inherits what is held
//! when it is started, so held signals reach no thread but those that let them go: where that is one
//! thread, it can hold them again and be sure that no other takes them.

use nix::sys::signal::{SigSet, Signal};

/// What somebody may send to replug to be told something.
const HELD: [Signal; 5] =
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2];

/// Holds the signals in this thread and those that it starts from now on.
pub fn hold_signals() {
    // The kernel refuses no set that it knows.
    let _ = set().thread_block();
}

/// Lets the signals go in this thread, those that wait at once. They should be listened for by then.
pub fn let_signals_go() {
    let _ = set().thread_unblock();
}

fn set() -> SigSet {
    HELD.into_iter().collect()
}
