//! One program of replug after another, in the same process: the next gets the listeners, the
//! plugins' processes and what is known of them, so that no plugin restarts and no connection is
//! refused.
//!
//! This module knows what goes across and in which form ([`Estate`]), how it gets there
//! ([`Parcel`]), and how a program is judged before it is given anything ([`examine`]). It serves
//! nothing and knows no plan.

mod candidate;
mod estate;
mod parcel;

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::oneshot;

pub use self::candidate::{Candidate, Fitness, examine};
pub use self::estate::{ApiSocket, Estate, Folder, Keeping, Listening};
pub use self::parcel::{Luggage, Ticket};

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use crate::inherit::claim;

/// The form of what goes across. A program that knows another one only is not given anything.
pub const FORMAT: u32 = 4;

/// The variable by which the next program learns the number of the descriptor that it inherits.
pub const VARIABLE: &str = "REPLUG_UPGRADE_FD";

/// The subcommand by which a program is asked whether it can take over. It is never shown.
pub const QUESTION: &str = "__can-take-over";

/// Somebody wants another program to take over.
#[derive(Debug)]
pub struct Request {
    /// Which one; none: what is now at the path of the one that runs.
    pub binary: Option<PathBuf>,
    /// How long calls that are under way have to end; none: the usual time.
    pub drain: Option<Duration>,
    /// Told whether the program can take over. What comes of it is told in the status.
    pub answer: oneshot::Sender<Result<Accepted, String>>,
}

/// An upgrade that has begun.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// Which attempt it is, counted from 1 since replug was started.
    pub attempt: u64,
    /// The version of the program that takes over.
    pub version: String,
}

/// What the program of before has left, if this one was executed by it: to be called before any
/// thread is started.
pub fn inherited() -> io::Result<Option<(Estate, Luggage)>> {
    let Some(number) = std::env::var_os(VARIABLE) else { return Ok(None) };
    let number = number.to_str().and_then(|number| number.parse().ok());
    let socket = claim(number.ok_or(io::ErrorKind::InvalidInput)?)?;
    let (document, luggage) = parcel::receive(socket)?;
    Ok(Some((Estate::read(&document)?, luggage)))
}

/// Puts everything where the next program can take it, and gives what it is to inherit.
pub fn packed(estate: &Estate, luggage: &Luggage) -> io::Result<OwnedFd> {
    parcel::send(&estate.written()?, luggage)
}

/// The whole environment of the next program: this one's, but that what service managers said to
/// this one has been heard.
pub fn environment(
    inherits: &OwnedFd,
) -> impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)> {
    let heard = ["LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", VARIABLE];
    let number = inherits.as_raw_fd().to_string();
    std::env::vars_os()
        .filter(move |(name, _)| !heard.iter().any(|heard| name == heard))
        .chain([(VARIABLE.into(), number.into())])
}
