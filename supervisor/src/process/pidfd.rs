//! A process as a descriptor that becomes readable when the process ends.

use std::future;
use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Tells of one process's end.
#[derive(Debug)]
pub(super) struct Pidfd(AsyncFd<OwnedFd>);

impl Pidfd {
    /// The descriptor of a child, which has to be unreaped: otherwise the number could be another
    /// process's. To be called inside a runtime.
    pub(super) fn of(child: u32) -> io::Result<Self> {
        let pid = i32::try_from(child).ok().and_then(Pid::from_raw);
        let pidfd = pidfd_open(pid.ok_or(io::ErrorKind::InvalidInput)?, PidfdFlags::empty())?;
        #[allow(
            deprecated,
            reason = "its successor is unsafe because of types whose descriptor may change; \
                      an OwnedFd is one descriptor and stays open as long as it lives"
        )]
        AsyncFd::with_interest(pidfd, Interest::READABLE).map(Self)
    }

    /// Waits for the process to end, by which it is a zombie. Dropping the future loses nothing.
    pub(super) async fn ended(&self) {
        if self.0.readable().await.is_err() {
            // The runtime is ending, and whoever waits here with it.
            future::pending::<()>().await;
        }
    }
}
