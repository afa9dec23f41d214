//! What happens in a child before its program runs, and how the child comes to be: the only unsafe
//! code of replug.
//!
//! A plugin's child shares replug's memory until its program runs, as one of `vfork` does, so that
//! its start costs the same whatever replug has mapped: copying that would be most of a start. Its
//! parent thread waits meanwhile; the others go on, perhaps in the middle of an allocation or with a
//! lock held. A child that becomes another user, or leaves replug's namespaces, has a copy, in which
//! those threads are gone. So for both everything here is a system call, or arithmetic on the
//! child's own stack: no allocation, no lock, no panic, and nothing of replug's is written to but the
//! C library's error number of the thread that waits, which does not look at it afterwards.
//!
//! What keeps the two apart: signal dispositions and the working folder are the child's own from the
//! start (no `CLONE_SIGHAND`, `CLONE_FS`), descriptors once it has parted from replug's table, before
//! which it touches none; signals are held until its dispositions are reset, and changes of user or rights are made by the system call itself, in a
//! child with memory of its own: the C library's functions would tell the other threads of it, which
//! are replug's. What can be had without unsafe code is in `birth.rs`, `act.rs`.
//!
//! One thing here is about replug itself: [`give_back_program`].

#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
use std::arch::asm;
use std::ffi::{CStr, CString, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::libc;
use procfs::process::{MMPermissions, MMapPath, MemoryMap, Process};
use rustix::process::{Resource, Rlimit};

use super::act::{self, Act, Entrance};
use super::birth;
use super::open_files;
use super::program::{List, Program};
use super::reap::reap;

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

/// What a child has for its stack, in bytes: many times what system calls and their arguments take.
const STACK: usize = 64 << 10;

/// At least one page of any machine, in bytes.
const PAGE: usize = 64 << 10;

/// The status of a child that ends without a program. Nobody looks at it.
const NO_PROGRAM: libc::c_int = 127;

/// Starts a plugin that dies with the calling thread, whose group the warden knows before the
/// program's first instruction, with default signal dispositions, nothing blocked, the limit of open
/// files that replug was started with, and no descriptor but the standard three. It performs `acts`
/// after the warden knows of it.
///
/// `standard` are its input, its output and its complaints, each of a number above the three. Returns
/// the child's number, or why its program does not run; then it is gone already. Fails with `EPIPE`
/// where the warden cannot be told; nothing else makes it fail so. Where an act fails,
/// [`act::Failed`] says which.
pub(super) fn plugin(
    program: &Program,
    standard: [BorrowedFd<'_>; 3],
    warden: BorrowedFd<'_>,
    acts: &[Act],
    ground: &mut Ground,
) -> io::Result<u32> {
    let limited = acts.iter().any(|act| matches!(act, Act::Limit(_, Resource::Nofile, _)));
    let open_files = open_files::inherited().filter(|_| !limited);
    ground.failed().store(0, Ordering::Relaxed);
    let needed = standard.iter().chain([&warden]).map(AsRawFd::as_raw_fd);
    let needed = needed.chain(acts.iter().filter_map(Act::descriptor)).max();
    let mut birth = Birth {
        files: program.files(),
        arguments: program.arguments(),
        environment: program.environment(),
        folder: program.folder().map(CString::as_c_str),
        standard: standard.map(|descriptor| descriptor.as_raw_fd()),
        warden,
        needless: needed.unwrap_or_default().unsigned_abs() + 1,
        parent: std::process::id(),
        acts,
        in_cgroup: false,
        open_files,
        failed: ground.failed(),
    };
    let memory = if acts.iter().any(Act::needs_own_memory) { 0 } else { libc::CLONE_VM };
    let flags = memory | libc::CLONE_VFORK | libc::CLONE_FILES | libc::SIGCHLD;
    // A handler of replug's would run in replug's memory, if a signal met the child before it has
    // reset them.
    let mask = hold_all_signals();
    let cgroup = acts.iter().find_map(|act| match act {
        Act::JoinCgroup(entrance) => Some(entrance),
        _ => None,
    });
    birth.in_cgroup = cgroup.is_some();
    // Where the kernel cannot do that, or may not, the child moves there by itself.
    let cloned = cgroup.and_then(|entrance| born_in(entrance, flags, ground, &birth));
    let cloned = cloned.map_or_else(
        || {
            birth.in_cgroup = false;
            let entrance = cgroup.map_or(0, |entrance| entrance.procs.as_raw_fd());
            birth.needless = birth.needless.max(entrance.unsigned_abs() + 1);
            let birth = (&raw const birth).cast_mut().cast::<c_void>();
            // SAFETY: the stack is the child's alone, long enough, and there until the parent goes
            // on, which CLONE_VFORK says is when the child has executed its program or ended; so is
            // what `birth` borrows. `born` reads a `Birth` and does what the head of this file
            // allows.
            let pid = unsafe { libc::clone(born, ground.stack(), flags, birth) };
            if pid == -1 { Err(io::Error::last_os_error()) } else { Ok(pid.unsigned_abs()) }
        },
        Ok,
    );
    set_signal_mask(mask);
    let pid = cloned?;
    match ground.failed().load(Ordering::Acquire) {
        0 => Ok(pid),
        error => {
            reap(pid);
            Err(io::Error::from_raw_os_error(error))
        }
    }
}

/// What a child of [`plugin`] has to know.
struct Birth<'a> {
    files: &'a [CString],
    arguments: List<'a>,
    environment: List<'a>,
    folder: Option<&'a CStr>,
    standard: [RawFd; 3],
    warden: BorrowedFd<'a>,
    /// From this number on it needs none of replug's descriptors.
    needless: libc::c_uint,
    parent: u32,
    acts: &'a [Act],
    /// Whether it is in its cgroup from its first moment.
    in_cgroup: bool,
    open_files: Option<Rlimit>,
    /// Where it says why its program does not run.
    failed: &'a AtomicI32,
}

/// As `clone` does it, and the child is in the cgroup from its first moment. None where that is not
/// to be had: then there is no child.
#[cfg(target_arch = "x86_64")]
fn born_in(
    cgroup: &Entrance,
    flags: libc::c_int,
    ground: &Ground,
    birth: &Birth<'_>,
) -> Option<u32> {
    /// The kernel's `struct clone_args`, up to the cgroup.
    #[repr(C)]
    #[derive(Default)]
    struct Arguments {
        flags: u64,
        pidfd: u64,
        child_tid: u64,
        parent_tid: u64,
        exit_signal: u64,
        stack: u64,
        stack_size: u64,
        tls: u64,
        set_tid: u64,
        set_tid_size: u64,
        cgroup: u64,
    }
    const INTO_CGROUP: u64 = 0x2_0000_0000;
    let arguments = Arguments {
        flags: u64::from((flags & !libc::SIGCHLD).unsigned_abs()) | INTO_CGROUP,
        exit_signal: u64::from(libc::SIGCHLD.unsigned_abs()),
        stack: ground.stack() as u64 - STACK as u64,
        stack_size: STACK as u64,
        cgroup: u64::from(cgroup.folder.as_raw_fd().unsigned_abs()),
        ..Arguments::default()
    };
    let result: i64;
    // SAFETY: as for `clone` above. The child goes on behind the system call with the registers that
    // the parent has, and a stack of its own, which is aligned as a call wants it; it touches
    // nothing of this function's frame, and never comes back from `born`. The parent finds its own
    // stack as it was. The C library has no function for this call.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r8",
            "call r9",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") &raw const arguments,
            in("rsi") size_of::<Arguments>(),
            in("r8") ptr::from_ref(birth),
            in("r9") born as extern "C" fn(*mut c_void) -> libc::c_int,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    u32::try_from(result).ok()
}

/// Only known how to do on other machines.
#[cfg(not(target_arch = "x86_64"))]
fn born_in(_: &Entrance, _: libc::c_int, _: &Ground, _: &Birth<'_>) -> Option<u32> {
    None
}

/// The child's first function, and its last.
extern "C" fn born(birth: *mut c_void) -> libc::c_int {
    // SAFETY: `plugin` gives its `Birth`, which is there for as long as the child is not gone.
    let birth = unsafe { &*birth.cast::<Birth<'_>>() };
    let error = birth.become_program();
    birth.failed.store(error.raw_os_error().unwrap_or(libc::EIO), Ordering::Release);
    // SAFETY: ends this process only, without any of what a program does at its end.
    unsafe { libc::_exit(NO_PROGRAM) }
}

impl Birth<'_> {
    /// Returns only where that fails.
    fn become_program(&self) -> io::Error {
        match self.prepare() {
            Ok(()) => self.execute(),
            Err(error) => error,
        }
    }

    fn prepare(&self) -> io::Result<()> {
        part_descriptors(self.needless)?;
        for (at, descriptor) in (0..).zip(self.standard) {
            // SAFETY: two numbers. What was there before is a copy that this process alone has.
            succeeded(unsafe { libc::dup2(descriptor, at) })?;
        }
        birth::settle(self.folder, self.parent, self.warden)?;
        act::perform(self.acts, self.in_cgroup)?;
        reset_signals();
        birth::limit_open_files(self.open_files);
        close_on_exec();
        Ok(())
    }

    /// Tries one file after the other. What is not there, or is closed, may be in another folder.
    fn execute(&self) -> io::Error {
        let mut denied = None;
        let mut last = io::Error::from_raw_os_error(libc::ENOENT);
        for file in self.files {
            // SAFETY: a live text, and lists of such that end with a null.
            unsafe {
                libc::execve(file.as_ptr(), self.arguments.as_ptr(), self.environment.as_ptr());
            }
            last = io::Error::last_os_error();
            match last.raw_os_error() {
                Some(libc::EACCES) => denied = Some(libc::EACCES),
                Some(libc::ENOENT | libc::ENOTDIR) => {}
                _ => return last,
            }
        }
        denied.map_or(last, io::Error::from_raw_os_error)
    }
}

/// What a child stands on before its program runs: a stack that does not run into anything, and a
/// place for what it has to say. Shared with the child, whether or not the rest of the memory is.
///
/// For one child after the other: each is done with it when its parent goes on.
pub(super) struct Ground(ptr::NonNull<u8>);

impl Ground {
    /// A page that nobody may touch, the stack, and a page for the rest.
    const LENGTH: usize = PAGE + STACK + PAGE;

    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: new memory, wherever the kernel likes, of which the lowest part is closed at once.
        // It is all zeros.
        unsafe {
            let start = libc::mmap(
                ptr::null_mut(),
                Self::LENGTH,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            );
            if start == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            let Some(start) = ptr::NonNull::new(start.cast()) else {
                return Err(io::ErrorKind::OutOfMemory.into());
            };
            let ground = Self(start);
            succeeded(libc::mprotect(start.as_ptr().cast(), PAGE, libc::PROT_NONE))?;
            Ok(ground)
        }
    }

    /// The upper end of the stack, from where it grows down.
    fn stack(&self) -> *mut c_void {
        self.0.as_ptr().wrapping_add(PAGE + STACK).cast()
    }

    /// Zero, or the number of what went wrong.
    fn failed(&self) -> &AtomicI32 {
        // SAFETY: within the mapping, above the stack, aligned to a page, and there as long as
        // `self`; never used but as this.
        unsafe { AtomicI32::from_ptr(self.0.as_ptr().add(PAGE + STACK).cast()) }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // SAFETY: what `new` mapped. Whoever borrowed it is gone, and a child has memory of its own by
        // now: its program's, or none.
        unsafe {
            libc::munmap(self.0.as_ptr().cast(), Self::LENGTH);
        }
    }
}

fn succeeded(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Holds every signal in this thread, and gives the mask from before. Past the C library, which would
/// let through what it keeps to itself.
fn hold_all_signals() -> u64 {
    set_signal_mask(u64::MAX)
}

/// Sets this thread's mask, and gives the one from before.
fn set_signal_mask(mask: u64) -> u64 {
    let mut before = 0;
    // SAFETY: both pointers are those of live values of the size that is told. It fails for nothing
    // that stands here.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const mask,
            &raw mut before,
            KERNEL_MASK,
        );
    }
    before
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
    set_signal_mask(0);
}

/// Gives the calling process a table of descriptors of its own, in which there is none of these
/// numbers and above: what is not in it need not be copied. Nothing is closed under its owner.
fn part_descriptors(needless: libc::c_uint) -> io::Result<()> {
    // SAFETY: numbers.
    unsafe {
        let parted = libc::syscall(
            libc::SYS_close_range,
            needless,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_UNSHARE,
        );
        if parted == 0 {
            return Ok(());
        }
        // A kernel before 5.9. All are copied.
        succeeded(libc::unshare(libc::CLONE_FILES))
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

/// Gives the memory back that holds the program as it is in its file, and says how many bytes were
/// looked at. Whatever is needed of it again comes from the kernel's cache of the file, or from the
/// disk.
///
/// Fails where the kernel does not tell what is mapped; then nothing was given back.
pub fn give_back_program() -> io::Result<u64> {
    let maps = Process::myself().and_then(|myself| myself.maps()).map_err(io::Error::other)?;
    let here = give_back_program as fn() -> io::Result<u64> as usize as u64;
    let program = maps.iter().find(|map| (map.address.0..map.address.1).contains(&here));
    let program = program.ok_or(io::ErrorKind::NotFound)?;
    let mut given = 0;
    for map in maps.iter().filter(|map| is_as_its_file(map, program)) {
        let (start, end) = map.address;
        let (Ok(at), Ok(length)) = (usize::try_from(start), usize::try_from(end - start)) else {
            continue;
        };
        // SAFETY: a part of the program's own file that is mapped privately and was never writable,
        // so that the kernel makes the same of it again when it is touched. It stays where it is
        // until the process ends: only the loader maps a program, before `main`.
        let done = unsafe { libc::madvise(at as *mut c_void, length, libc::MADV_DONTNEED) };
        if done == 0 {
            given += end - start;
        }
    }
    Ok(given)
}

/// Whether this is a part of the program's file that was never written to: its code, or the constants
/// that the file begins with. Other parts that are closed to writes may have been open before, when
/// the loader put addresses into them.
fn is_as_its_file(map: &MemoryMap, program: &MemoryMap) -> bool {
    let is_private = map.perms.contains(MMPermissions::READ | MMPermissions::PRIVATE);
    let is_closed = is_private && !map.perms.contains(MMPermissions::WRITE);
    let is_program = matches!(map.pathname, MMapPath::Path(_))
        && (map.dev, map.inode) == (program.dev, program.inode);
    is_program && is_closed && (map.perms.contains(MMPermissions::EXECUTE) || map.offset == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_was_given_back_goes_on() {
        let resident = || Process::myself().unwrap().statm().unwrap().shared;
        let before = resident();
        let given = give_back_program().unwrap();
        let after = resident();
        assert!(after < before, "{before} pages, then {after}");
        assert!(given > 0);
        // What follows is in memory again, and as it was.
        assert_eq!(format!("{:?}", Some("text")), r#"Some("text")"#);
        assert!(
            std::thread::spawn(|| "thread".to_uppercase())
                .join()
                .is_ok_and(|said| said == "THREAD")
        );
    }
}
