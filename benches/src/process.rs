//! A process that is not this program's child: killed, and seen to end.

use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::Failure;

/// A process by its descriptor, so that its number cannot come to mean another one.
#[derive(Debug)]
pub(crate) struct Process(OwnedFd);

impl Process {
    /// The process of that number.
    pub(crate) fn find(pid: u32) -> Result<Self, Failure> {
        let raw = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or("0 is no process")?;
        let pidfd = pidfd_open(raw, PidfdFlags::empty());
        Ok(Self(pidfd.map_err(|error| format!("process {pid}: {error}"))?))
    }

    /// Kills it; false: it had ended before.
    pub(crate) fn kill(&self) -> Result<bool, Failure> {
        match pidfd_send_signal(&self.0, Signal::KILL) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks it to end.
    pub(crate) fn ask_to_end(&self) -> Result<(), Failure> {
        Ok(pidfd_send_signal(&self.0, Signal::TERM)?)
    }
}
