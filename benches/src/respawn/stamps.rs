//! When each process began, as it says itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::net::UnixDatagram;
use tokio::time::timeout;

use crate::{Failure, PATIENCE};

/// The longest message: two numbers.
const LONGEST: usize = 64;

/// Where processes of one supervisor say that they began.
#[derive(Debug)]
pub(super) struct Stamps {
    socket: UnixDatagram,
    path: PathBuf,
}

/// A process, and when it began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    pub(super) pid: u32,
    /// By the clock of [`now`].
    pub(super) at: Duration,
}

/// The monotonic clock, which is the same for all processes.
pub(super) fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    // Both are never below zero on this clock.
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

impl Stamps {
    pub(super) fn listen(path: &Path) -> Result<Self, Failure> {
        Ok(Self { socket: UnixDatagram::bind(path)?, path: path.to_owned() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The next process that began.
    pub(super) async fn next(&self) -> Result<Stamp, Failure> {
        let mut buffer = [0; LONGEST];
        let received = timeout(PATIENCE, self.socket.recv(&mut buffer)).await;
        let length = received.map_err(|_| "no process begins")??;
        let text = std::str::from_utf8(&buffer[..length])?;
        let (pid, at) = text.split_once(' ').ok_or("a stamp is a process id and a time")?;
        Ok(Stamp { pid: pid.parse()?, at: Duration::from_nanos(at.parse()?) })
    }
}
