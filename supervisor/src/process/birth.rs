//! What a plugin's child does to itself before its program runs and needs no unsafe code. It may share
//! replug's memory, see the head of `pre_exec.rs`: system calls, and arithmetic on its own stack.

use std::ffi::CStr;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::process::{Pid, Resource, Rlimit, Signal};

/// Enters its folder, becomes a group of its own, is tied to its parent's life, and tells the warden.
pub(super) fn settle(folder: Option<&CStr>, parent: u32, warden: BorrowedFd<'_>) -> io::Result<()> {
    if let Some(folder) = folder {
        rustix::process::chdir(folder)?;
    }
    rustix::process::setpgid(None, None)?;
    die_with_parent(parent)?;
    announce(warden)
}

/// Asks the kernel for SIGKILL when the parent thread ends. A parent that ended before it was asked
/// sends nothing any more; then the child has another parent by now, and gives up.
pub(super) fn die_with_parent(parent: u32) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let now = rustix::process::getppid().map(Pid::as_raw_nonzero);
    if now.and_then(|now| u32::try_from(now.get()).ok()) == Some(parent) {
        Ok(())
    } else {
        Err(Errno::SRCH.into())
    }
}

/// Tells the warden this process's group, which has its own process id by now.
fn announce(warden: BorrowedFd<'_>) -> io::Result<()> {
    let mut line = [0u8; Announcement::LONGEST];
    let pid = rustix::process::getpid().as_raw_nonzero().get();
    let line = Announcement::write(&mut line, pid.unsigned_abs());
    // Without a signal: SIGPIPE has its default disposition here and would end the child without a
    // word.
    match rustix::net::send(warden, line, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
        Ok(sent) if sent == line.len() => Ok(()),
        _ => Err(Errno::PIPE.into()),
    }
}

/// Lowering a limit is always allowed, so this does not fail.
pub(super) fn limit_open_files(limit: Option<Rlimit>) {
    if let Some(limit) = limit {
        let _ = rustix::process::setrlimit(Resource::Nofile, limit);
    }
}

/// The line `+PID`, made without an allocation.
struct Announcement;

impl Announcement {
    /// `+`, the ten digits of the largest number, a line feed.
    const LONGEST: usize = 12;

    fn write(buffer: &mut [u8; Self::LONGEST], mut pid: u32) -> &[u8] {
        let mut start = Self::LONGEST - 1;
        buffer[start] = b'\n';
        loop {
            start -= 1;
            // A digit: the remainder is below ten.
            buffer[start] = b'0' + (pid % 10) as u8;
            pid /= 10;
            if pid == 0 {
                break;
            }
        }
        start -= 1;
        buffer[start] = b'+';
        &buffer[start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_is_a_plus_and_the_number_whatever_its_length() {
        let mut buffer = [0; Announcement::LONGEST];
        assert_eq!(Announcement::write(&mut buffer, 7), b"+7\n");
        assert_eq!(Announcement::write(&mut buffer, 4_194_304), b"+4194304\n");
        assert_eq!(Announcement::write(&mut buffer, u32::MAX), b"+4294967295\n");
    }
}
