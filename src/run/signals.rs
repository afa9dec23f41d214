//! The signals that replug hears.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Everything that is heard, from the moment it is made.
pub(super) struct Signals {
    pub(super) stop: Stop,
    /// SIGUSR2: another program is to take over.
    pub(super) upgrade: Signal,
    /// SIGHUP: the plan is to be read again.
    pub(super) reload: Signal,
    /// SIGUSR1: how everything stands is to be told in the log.
    pub(super) tell: Signal,
}

/// The signals that stop replug.
pub(super) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

// === impl Signals ===

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        let stop = Stop {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        };
        let upgrade = signal(SignalKind::user_defined2())?;
        let tell = signal(SignalKind::user_defined1())?;
        Ok(Self { stop, upgrade, reload: signal(SignalKind::hangup())?, tell })
    }
}

// === impl Stop ===

impl Stop {
    /// The next of them. Dropping the future loses none.
    pub(super) async fn asked(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
