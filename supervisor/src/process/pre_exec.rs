//! What happens in a child between fork and exec: the only unsafe code of replug.
//!
//! Such code runs in a copy of a process whose other threads are gone, perhaps in the middle of an
//! allocation or with a lock held. So everything here is a system call, or arithmetic on the stack:
//! no allocation, no lock, no panic.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

use nix::libc;
use rustix::process::Resource;

use super::act::{self, Act};
use super::open_files;

/// The lowest descriptor after the standard three.
const FIRST_INHERITED: libc::c_uint = 3;

/// The kernel's highest signal number.
const LAST_SIGNAL: libc::c_int = 64;

/// The size of the kernel's signal mask in bytes.
const KERNEL_MASK: libc::size_t = 8;

/// Signals that a terminal or an administrator sends to everything of replug's, and that the
/// warden outlives: it ends when replug has ended, not before.
const WARDEN_IGNORES: [libc::c_int; 8] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGPIPE,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
];

/// Lets `command` start a plugin that dies with the calling thread, whose group the warden knows
/// before the program's first instruction, with default signal dispositions, nothing blocked, the
/// limit of open files that replug was started with, and no descriptor but the standard three. It
/// performs `acts` after the warden knows of it.
///
/// `warden` must stay open until the command is spawned. Spawning fails with `EPIPE` where the
/// warden cannot be told; nothing else makes it fail so. Where an act fails, [`act::Failed`] says
/// which.
pub(super) fn plugin(command: &mut Command, warden: BorrowedFd<'_>, acts: Arc<[Act]>) {
    let warden = warden.as_raw_fd();
    let parent = std::process::id();
    let limited = acts.iter().any(|act| matches!(act, Act::Limit(_, Resource::Nofile, _)));
    let open_files = open_files::inherited().filter(|_| !limited).map(|limit| libc::rlimit {
        rlim_cur: limit.current.unwrap_or(libc::RLIM_INFINITY),
        rlim_max: limit.maximum.unwrap_or(libc::RLIM_INFINITY),
    });
    // SAFETY: the closure makes only async-signal-safe system calls, see the head of this file.
    // It captures numbers by value, and acts that it only looks at.
    unsafe {
        command.pre_exec(move || {
            die_with_parent(parent)?;
            announce(warden)?;
            act::perform(&acts)?;
            reset_signals();
            limit_open_files(open_files.as_ref());
            close_on_exec();
            Ok(())
        });
    }
}

/// Lets `command` start a warden: in a session of its own, so that neither a terminal nor a signal
/// to replug's group reaches it, deaf to polite signals, and with no descriptor but the standard
/// three. It does not die with its parent: outliving it is what it is for.
pub(super) fn warden(command: &mut Command) {
    // SAFETY: the closure makes only async-signal-safe system calls, see the head of this file.
    unsafe {
        command.pre_exec(|| {
            // SAFETY: no arguments. It fails only for a group leader, which a fresh child is not.
            if libc::setsid() == -1 {
                return Err(io::Error::last_os_error());
            }
            reset_signals();
            for signal in WARDEN_IGNORES {
                // SAFETY: SIG_IGN is no code of ours, and ignored signals stay ignored over exec.
                libc::signal(signal, libc::SIG_IGN);
            }
            close_on_exec();
            Ok(())
        });
    }
}

/// Kinds of namespaces.
pub(super) type Namespaces = rustix::thread::UnshareFlags;

/// Whether a child can get namespaces of its own. The child tries, and ends.
pub(super) fn attempt(wanted: Namespaces) -> io::Result<()> {
    /// What the child says when it has succeeded: no number that the kernel gives for this.
    const HAD: i32 = libc::EALREADY;
    // Never executed: the child ends before.
    let mut command = Command::new("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: the closure makes one system call, see the head of this file.
    unsafe {
        command.pre_exec(move || {
            unshare(wanted)?;
            Err(io::Error::from_raw_os_error(HAD))
        });
    }
    match command.spawn() {
        Ok(mut child) => child.wait().map(drop),
        Err(error) if error.raw_os_error() == Some(HAD) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Leaves namespaces for new ones, in a child that has one thread.
pub(super) fn unshare(wanted: Namespaces) -> io::Result<()> {
    // SAFETY: what the flags part from the parent are tables of the kernel, no memory.
    unsafe { rustix::thread::unshare_unsafe(wanted) }.map_err(Into::into)
}

/// The version of Landlock's interface; none where the kernel has none, or has it turned off.
pub(super) fn landlock_version() -> Option<u32> {
    const VERSION: libc::c_ulong = 1;
    // SAFETY: with this flag the call takes no attributes and makes nothing.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0,
            VERSION,
        )
    };
    u32::try_from(version).ok().filter(|&version| version > 0)
}

/// Holds the calling thread to the rules, and whatever it becomes or starts.
pub(super) fn landlock(rules: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: two numbers; the descriptor stays its owner's.
    let held = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0) };
    if held == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Closes the mount at `path`, with all below it, to writes; or opens it alone again.
pub(super) fn set_read_only(path: &CStr, read_only: bool) -> io::Result<()> {
    /// The kernel's `struct mount_attr`.
    #[repr(C)]
    #[derive(Default)]
    struct Attributes {
        set: u64,
        clear: u64,
        propagation: u64,
        users: u64,
    }
    const READ_ONLY: u64 = 1;
    const WITH_ALL_BELOW: libc::c_uint = 0x8000;
    let (attributes, flags) = if read_only {
        (Attributes { set: READ_ONLY, ..Attributes::default() }, WITH_ALL_BELOW)
    } else {
        (Attributes { clear: READ_ONLY, ..Attributes::default() }, 0)
    };
    // SAFETY: the pointers are those of live values, and the size is that of the second; the kernel
    // only reads both.
    let set = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<Attributes>(),
        )
    };
    if set == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Brings up `lo`, without which a program in a network of its own could not even talk to itself.
pub(super) fn loopback_up() -> io::Result<()> {
    /// `IFF_UP`, in the size that it has in the structure.
    const UP: libc::c_short = 1;
    // SAFETY: three numbers.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: plain memory, of which zeros are a value.
    let mut device: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in device.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed() as libc::c_char;
    }
    device.ifr_ifru.ifru_flags = UP;
    // SAFETY: the kernel reads the structure that this request takes; the descriptor is this
    // function's own, and closed once.
    unsafe {
        let up = libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw const device);
        let error = io::Error::last_os_error();
        libc::close(socket);
        if up == -1 { Err(error) } else { Ok(()) }
    }
}

/// Asks the kernel for SIGKILL when the parent thread ends. A parent that ended before it was
/// asked sends nothing any more; then the child has another parent by now, and gives up.
pub(super) fn die_with_parent(parent: u32) -> io::Result<()> {
    // SAFETY: PR_SET_PDEATHSIG takes one number and touches no memory.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: no arguments, never fails.
    let now = unsafe { libc::getppid() };
    if u32::try_from(now) == Ok(parent) {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(libc::ESRCH))
    }
}

/// Tells the warden this process's group, which has its own process id by now.
fn announce(warden: RawFd) -> io::Result<()> {
    let mut line = [0u8; Announcement::LONGEST];
    // SAFETY: no arguments, never fails.
    let pid = unsafe { libc::getpid() };
    let line = Announcement::write(&mut line, pid.unsigned_abs());
    // SAFETY: the pointer and the length are those of a live slice. MSG_NOSIGNAL, because SIGPIPE
    // has its default disposition here and would end the child without a word.
    let sent = unsafe {
        libc::send(
            warden,
            line.as_ptr().cast(),
            line.len(),
            libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT,
        )
    };
    if usize::try_from(sent) == Ok(line.len()) {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(libc::EPIPE))
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

/// Nothing ignored, nothing blocked, whatever replug inherited or did for itself.
fn reset_signals() {
    // The kernel's own structure, all of whose fields are zero: SIG_DFL, no flag, no mask. Longer
    // than it is on any machine.
    let default = [0u64; 8];
    for signal in 1..=LAST_SIGNAL {
        // SAFETY: the pointer is that of a live array, which the kernel only reads; the old
        // disposition is not wanted. Past the C library, which keeps two signals to itself and
        // would leave them as they were inherited. Fails for SIGKILL and SIGSTOP, rightly.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                std::ptr::null_mut::<u64>(),
                KERNEL_MASK,
            );
        }
    }
    // SAFETY: a sigset_t is plain memory that sigemptyset fills in before it is read; a null third
    // pointer says that the old mask is not wanted.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Lowering a limit is always allowed, so this does not fail.
fn limit_open_files(limit: Option<&libc::rlimit>) {
    if let Some(limit) = limit {
        // SAFETY: the pointer is that of a live value, which the kernel only reads.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, limit) };
    }
}

/// Marks every descriptor but the standard three close-on-exec. What replug opens is marked from
/// the start; this is for what replug itself inherited. A kernel before 5.11 cannot do it, and such
/// a descriptor then stays open as it would in any child.
fn close_on_exec() {
    // SAFETY: three numbers; the flag only marks descriptors, none is closed under its owner.
    unsafe {
        libc::syscall(
            libc::SYS_close_range,
            FIRST_INHERITED,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        );
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
