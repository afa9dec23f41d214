//! Sockets that a service manager opened before it started replug: systemd's socket activation.
//!
//! Applications can connect from when the machine comes up, and wait until replug serves them; and
//! a port below 1024 takes no right of replug's own.

use std::env;
use std::io;
use std::os::fd::{OwnedFd, RawFd};

use crate::inherit::claim;

/// The first passed descriptor; the others follow.
const FIRST: RawFd = 3;

/// What systemd calls a socket that has no name.
const NAMELESS: &str = "unknown";

/// A socket that was passed.
#[derive(Debug)]
pub struct PassedSocket {
    /// Its name, as `FileDescriptorName=` says; the socket unit's own unless that is set.
    pub name: String,
    /// The socket.
    pub socket: OwnedFd,
}

/// The sockets that the environment tells of: `LISTEN_FDS`, `LISTEN_PID`, `LISTEN_FDNAMES`. None
/// where they are meant for another process.
///
/// To be called once, and before any thread is started.
pub fn passed_sockets() -> io::Result<Vec<PassedSocket>> {
    let number = |name| env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    if number("LISTEN_PID") != Some(std::process::id()) {
        return Ok(Vec::new());
    }
    let count = number("LISTEN_FDS").unwrap_or(0);
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    (FIRST..)
        .take(usize::try_from(count).unwrap_or(0))
        .map(|number| {
            let name = names.next().filter(|name| !name.is_empty()).unwrap_or(NAMELESS).to_owned();
            Ok(PassedSocket { name, socket: claim(number)? })
        })
        .collect()
}
