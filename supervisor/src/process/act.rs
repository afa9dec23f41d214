//! What a child does to itself before its program runs: a list of acts, each one system call or a
//! few, made ready before there is a child.
//!
//! Performing one allocates nothing, takes no lock and does not panic, as the head of
//! [`super::pre_exec`] demands: every text has its NUL byte already, and every call goes straight
//! to the kernel.

use std::ffi::{CStr, CString};
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};

use nix::errno::Errno;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::write;
use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::process::{Gid, Resource, Rlimit, Uid, setpriority_process, setrlimit, umask};
use rustix::thread::{self, CapabilitySet, CapabilitySets};

use super::birth;
use super::pre_exec::{self, Namespaces};

/// What a child does to itself. Shown, it is what the plan calls it.
#[derive(Debug)]
pub(super) enum Act {
    /// Is in a cgroup: born there, which takes the kernel microseconds, or moved there, which takes
    /// it some ten milliseconds.
    JoinCgroup(Entrance),
    /// Sets what the kernel limits of one process.
    Limit(&'static str, Resource, u64),
    Nice(i32),
    /// Writes a text into a file of the process's own below `/proc/self`.
    Tell(&'static str, &'static CStr, Vec<u8>),
    Umask(u32),
    /// Leaves namespaces for new ones.
    Unshare(&'static str, Namespaces),
    /// Brings up the only network device of a new network.
    Loopback,
    /// Keeps from others what is mounted here from now on.
    OwnMounts,
    /// Makes a path a mount by itself.
    Bind(CString),
    ReadOnly(CString),
    Writable(CString),
    HideFolder(CString),
    HideFile(CString),
    /// Drops rights of root for ever, but for these.
    Bounding(CapabilitySet),
    /// Lets the rights outlive the change of user.
    KeepCapabilities,
    Groups(String, Vec<Gid>),
    Group(String, Gid),
    User(String, Uid),
    /// Has these rights of root and no others, also in the program.
    Capabilities(CapabilitySet),
    /// Goes into the folder, as its user and among its mounts.
    Enter(CString),
    NoNewPrivileges,
    /// Is held to the rules of Landlock from here on.
    Landlock(OwnedFd),
    /// Dies with its parent. A change of user has made the kernel forget it.
    DieWithParent(u32),
}

/// What a process joins a cgroup by.
#[derive(Debug)]
pub(super) struct Entrance {
    /// Its folder, which a child can be born in.
    pub(super) folder: OwnedFd,
    /// Its `cgroup.procs`: whoever writes `0` into it is moved.
    pub(super) procs: OwnedFd,
}

/// Which of a list of acts failed, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) at: usize,
    pub(super) errno: Errno,
}

/// What is below this in a child's error number is the kernel's; what is above counts acts.
const COUNTED: i32 = 1 << 12;

impl Failed {
    /// One number for both, since a child can give its parent no more.
    fn encode(at: usize, error: &io::Error) -> io::Error {
        let errno = error.raw_os_error().unwrap_or(Errno::EIO as i32) % COUNTED;
        let at = i32::try_from(at).unwrap_or(i32::MAX / COUNTED - 1).min(i32::MAX / COUNTED - 1);
        io::Error::from_raw_os_error((at + 1) * COUNTED + errno)
    }

    /// The other way; none where no act has failed.
    pub(super) fn decode(error: &io::Error) -> Option<Self> {
        let number = error.raw_os_error()?;
        let at = usize::try_from(number / COUNTED).ok()?.checked_sub(1)?;
        Some(Self { at, errno: Errno::from_raw(number % COUNTED) })
    }
}

/// Performs all of them, in their order, up to the first that fails. A child that was born in its
/// cgroup does not have to join it.
pub(super) fn perform(acts: &[Act], in_cgroup: bool) -> io::Result<()> {
    for (at, act) in acts.iter().enumerate() {
        if in_cgroup && matches!(act, Act::JoinCgroup(_)) {
            continue;
        }
        act.perform().map_err(|error| Failed::encode(at, &error))?;
    }
    Ok(())
}

impl Act {
    /// Whether a child has to have memory of its own to do this. For one that shares replug's, the
    /// kernel refuses a user namespace; and with a change of user or of root's rights it would close
    /// replug's own memory to whoever may look into it now, and open it to the other user.
    pub(super) fn needs_own_memory(&self) -> bool {
        match self {
            Self::Unshare(..)
            | Self::Bounding(_)
            | Self::KeepCapabilities
            | Self::Groups(..)
            | Self::Group(..)
            | Self::User(..)
            | Self::Capabilities(_) => true,
            Self::JoinCgroup(_)
            | Self::Limit(..)
            | Self::Nice(_)
            | Self::Tell(..)
            | Self::Umask(_)
            | Self::Loopback
            | Self::OwnMounts
            | Self::Bind(_)
            | Self::ReadOnly(_)
            | Self::Writable(_)
            | Self::HideFolder(_)
            | Self::HideFile(_)
            | Self::Enter(_)
            | Self::NoNewPrivileges
            | Self::Landlock(_)
            | Self::DieWithParent(_) => false,
        }
    }

    /// The descriptor of replug's that a child needs for this, wherever it was born.
    pub(super) fn descriptor(&self) -> Option<RawFd> {
        match self {
            Self::Landlock(rules) => Some(rules.as_raw_fd()),
            _ => None,
        }
    }

    fn perform(&self) -> io::Result<()> {
        match self {
            Self::JoinCgroup(entrance) => write(&entrance.procs, b"0").map(drop)?,
            Self::Limit(_, resource, most) => {
                setrlimit(*resource, Rlimit { current: Some(*most), maximum: Some(*most) })?;
            }
            Self::Nice(nice) => setpriority_process(None, *nice)?,
            Self::Tell(_, file, text) => {
                let file = open(*file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
                write(file, text).map(drop)?;
            }
            Self::Umask(mask) => drop(umask(Mode::from_raw_mode(*mask))),
            Self::Unshare(_, namespaces) => pre_exec::unshare(*namespaces)?,
            Self::Loopback => pre_exec::loopback_up()?,
            Self::OwnMounts => rustix::mount::mount_change(
                c"/",
                MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
            )?,
            Self::Bind(path) => {
                rustix::mount::mount_bind_recursive(path.as_c_str(), path.as_c_str())?;
            }
            Self::ReadOnly(path) => pre_exec::set_read_only(path, true)?,
            Self::Writable(path) => pre_exec::set_read_only(path, false)?,
            Self::HideFolder(path) => {
                let flags = MountFlags::RDONLY
                    | MountFlags::NOSUID
                    | MountFlags::NODEV
                    | MountFlags::NOEXEC;
                let nothing = c"mode=000,size=4k,nr_inodes=2";
                rustix::mount::mount(c"none", path.as_c_str(), c"tmpfs", flags, nothing)?;
            }
            Self::HideFile(path) => {
                rustix::mount::mount_bind(c"/dev/null", path.as_c_str())?;
            }
            Self::Bounding(kept) => {
                for dropped in (CapabilitySet::all() - *kept).iter() {
                    match thread::remove_capability_from_bounding_set(dropped) {
                        // A right that this kernel does not know.
                        Err(rustix::io::Errno::INVAL) => {}
                        result => result?,
                    }
                }
            }
            Self::KeepCapabilities => thread::set_keep_capabilities(true)?,
            // Of the calling thread, which in a child is all there is.
            Self::Groups(_, groups) => thread::set_thread_groups(groups)?,
            Self::Group(_, gid) => thread::set_thread_res_gid(*gid, *gid, *gid)?,
            Self::User(_, uid) => thread::set_thread_res_uid(*uid, *uid, *uid)?,
            Self::Capabilities(kept) => {
                let sets =
                    CapabilitySets { effective: *kept, permitted: *kept, inheritable: *kept };
                thread::set_capabilities(None, sets)?;
                thread::clear_ambient_capability_set()?;
                for capability in kept.iter() {
                    thread::configure_capability_in_ambient_set(capability, true)?;
                }
            }
            Self::Enter(folder) => rustix::process::chdir(folder.as_c_str())?,
            Self::NoNewPrivileges => thread::set_no_new_privs(true)?,
            Self::Landlock(rules) => pre_exec::landlock(rules)?,
            Self::DieWithParent(parent) => birth::die_with_parent(*parent)?,
        }
        Ok(())
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = |path: &CString| path.to_string_lossy().into_owned();
        match self {
            Self::JoinCgroup(_) => f.write_str("its cgroup"),
            Self::Limit(name, _, most) => write!(f, "{name} = {most}"),
            Self::Nice(nice) => write!(f, "nice = {nice}"),
            Self::Tell(name, _, _) | Self::Unshare(name, _) => f.write_str(name),
            Self::Umask(mask) => write!(f, "umask = \"{mask:03o}\""),
            Self::Loopback => f.write_str("the network of its own"),
            Self::OwnMounts => f.write_str("the mounts of its own"),
            Self::Bind(at) => write!(f, "the mount {}", path(at)),
            Self::ReadOnly(at) => write!(f, "read_only {}", path(at)),
            Self::Writable(at) => write!(f, "writable {}", path(at)),
            Self::HideFolder(at) | Self::HideFile(at) => write!(f, "hidden {}", path(at)),
            Self::Bounding(_) | Self::KeepCapabilities | Self::Capabilities(_) => {
                f.write_str("capabilities")
            }
            Self::Groups(name, _) => write!(f, "the groups of {name}"),
            Self::Group(name, _) => write!(f, "the group of {name}"),
            Self::User(name, _) => f.write_str(name),
            Self::Enter(folder) => write!(f, "the working directory {}", path(folder)),
            Self::NoNewPrivileges => f.write_str("no_new_privs"),
            Self::Landlock(_) => f.write_str("Landlock"),
            Self::DieWithParent(_) => f.write_str("the tie to replug's life"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_childs_error_tells_which_act_failed_and_how() {
        let denied = io::Error::from_raw_os_error(Errno::EPERM as i32);
        for at in [0, 1, 70_000] {
            let failed = Failed { at, errno: Errno::EPERM };
            assert_eq!(Failed::decode(&Failed::encode(at, &denied)), Some(failed));
        }
        assert_eq!(Failed::decode(&denied), None, "an error of the kernel's own, as of exec");
    }
}
