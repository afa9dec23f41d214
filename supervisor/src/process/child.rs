//! A child of the keeper's thread as it has just been started: its number, and replug's ends of its
//! two pipes.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

use super::act::Act;
use super::pre_exec;
use super::program::Program;

/// The standard three.
const STANDARD: i32 = 3;

/// A child that runs its program, and has not been reaped.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) pid: u32,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

impl Child {
    /// Starts a plugin's program: in a process group of its own, without input, its output in two
    /// pipes. See [`pre_exec::plugin`] for what else is promised. Blocks until the program runs.
    pub(super) fn start(
        program: &Program,
        warden: BorrowedFd<'_>,
        acts: &[Act],
    ) -> io::Result<Self> {
        let nothing = above_standard(File::open("/dev/null")?.into())?;
        let (stdout, printed) = io::pipe()?;
        let (stderr, complained) = io::pipe()?;
        let (printed, complained) =
            (above_standard(printed.into())?, above_standard(complained.into())?);
        let standard = [nothing.as_fd(), printed.as_fd(), complained.as_fd()];
        let pid = pre_exec::plugin(program, standard, warden, acts)?;
        Ok(Self { pid, stdout: stdout.into(), stderr: stderr.into() })
    }
}

/// The descriptor, under a number that is none of the standard three, which a child puts others in
/// the place of.
fn above_standard(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    if descriptor.as_raw_fd() >= STANDARD {
        return Ok(descriptor);
    }
    Ok(rustix::io::fcntl_dupfd_cloexec(descriptor, STANDARD)?)
}
