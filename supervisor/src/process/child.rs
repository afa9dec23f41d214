//! A child of the keeper's thread as it has just been started: its number, and replug's ends of its
//! two pipes.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::io::{DupFlags, dup3, fcntl_dupfd_cloexec};

use super::act::Act;
use super::pre_exec::{self, Ground};
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

/// What is ready for every child: what it stands on before its program runs, and the descriptors that
/// become its standard three.
///
/// Their numbers are low, since they are taken when replug has little open. A child is given replug's
/// descriptors up to the highest that it needs; were these as high as the last plugin's pipes, a
/// start would take the longer the more plugins there are.
pub(super) struct Nursery {
    nothing: OwnedFd,
    printed: OwnedFd,
    complained: OwnedFd,
    ground: Ground,
}

impl Nursery {
    /// To be called before much is open.
    pub(super) fn new() -> io::Result<Self> {
        let nothing = above_standard(File::open("/dev/null")?.into())?;
        let printed = fcntl_dupfd_cloexec(&nothing, STANDARD)?;
        let complained = fcntl_dupfd_cloexec(&nothing, STANDARD)?;
        Ok(Self { nothing, printed, complained, ground: Ground::new()? })
    }

    /// Starts a plugin's program: in a process group of its own, without input, its output in two
    /// pipes. See [`pre_exec::plugin`] for what else is promised. Blocks until the program runs.
    pub(super) fn bear(
        &mut self,
        program: &Program,
        warden: BorrowedFd<'_>,
        acts: &[Act],
    ) -> io::Result<Child> {
        let (stdout, printed) = io::pipe()?;
        let (stderr, complained) = io::pipe()?;
        dup3(&printed, &mut self.printed, DupFlags::CLOEXEC)?;
        let had = dup3(&complained, &mut self.complained, DupFlags::CLOEXEC);
        drop((printed, complained));
        let standard = [self.nothing.as_fd(), self.printed.as_fd(), self.complained.as_fd()];
        let born = had
            .map_err(Into::into)
            .and_then(|()| pre_exec::plugin(program, standard, warden, acts, &mut self.ground));
        // The pipes end when the child's ends of them do.
        dup3(&self.nothing, &mut self.printed, DupFlags::CLOEXEC)?;
        dup3(&self.nothing, &mut self.complained, DupFlags::CLOEXEC)?;
        Ok(Child { pid: born?, stdout: stdout.into(), stderr: stderr.into() })
    }
}

/// The descriptor, under a number that is none of the standard three, which a child puts others in
/// the place of.
fn above_standard(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    if descriptor.as_raw_fd() >= STANDARD {
        return Ok(descriptor);
    }
    Ok(fcntl_dupfd_cloexec(descriptor, STANDARD)?)
}
