//! What this machine lets replug do with processes, as plain values: for the choice between one
//! way and another, and for people who ask. Looking changes nothing.

use std::io;
use std::path::Path;

use rustix::process::{PidfdFlags, getpid, pidfd_open};
use rustix::thread::{CapabilitySet, capabilities};

use super::cgroup::CgroupPlace;
use super::pre_exec::{self, Namespaces};

/// What this machine lets replug do with processes.
#[derive(Debug, Clone)]
pub struct Abilities {
    /// The user that replug runs as.
    pub uid: u32,
    /// What replug may do beyond its user, as `CAP_*` of the kernel.
    pub capabilities: CapabilitySet,
    /// replug's own cgroup (v2), if it is there and replug's to divide; else why not.
    pub cgroup: Result<CgroupPlace, String>,
    /// The version of Landlock that the kernel has; none where it has none, or has it turned off.
    pub landlock: Option<u32>,
    /// Mount namespaces: for read-only and hidden paths.
    pub mounts: Result<Namespace, String>,
    /// Network namespaces: for plugins without a network.
    pub networks: Result<Namespace, String>,
    /// Whether the end of a process is told by a descriptor.
    pub pidfd: bool,
    /// Whether the kernel lists a process's children, by which what left its group is found.
    pub children: bool,
}

/// How a namespace can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// By replug's own rights.
    Own,
    /// In a user namespace: also where replug is not root.
    InUserNamespace,
}

impl Abilities {
    /// Looks. Starts, for a moment, processes that try what cannot be known otherwise, so it blocks
    /// for some milliseconds.
    #[must_use]
    pub fn probe() -> Self {
        Self {
            uid: nix::unistd::geteuid().as_raw(),
            capabilities: capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective),
            cgroup: CgroupPlace::find(),
            landlock: pre_exec::landlock_version(),
            mounts: namespace(Namespaces::NEWNS),
            networks: namespace(Namespaces::NEWNET),
            pidfd: pidfd_open(getpid(), PidfdFlags::empty()).is_ok(),
            children: Path::new("/proc/thread-self/children").exists(),
        }
    }

    /// Whether replug has one of the kernel's rights.
    #[must_use]
    pub fn can(&self, capability: CapabilitySet) -> bool {
        self.capabilities.contains(capability)
    }
}

/// Whether such a namespace can be had, tried out in a child that does nothing else.
fn namespace(wanted: Namespaces) -> Result<Namespace, String> {
    let failed = |error: &io::Error| error.to_string();
    let own = pre_exec::attempt(wanted);
    match own {
        Ok(()) => Ok(Namespace::Own),
        Err(_) => pre_exec::attempt(wanted | Namespaces::NEWUSER)
            .map(|()| Namespace::InUserNamespace)
            .map_err(|error| failed(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_agrees_with_what_the_kernel_shows() {
        let found = Abilities::probe();
        assert_eq!(found.uid, nix::unistd::geteuid().as_raw());
        assert!(found.pidfd, "without it no plugin can be started");
        // Root in a container may lack the right; whoever has it needs no user namespace.
        if found.can(CapabilitySet::SYS_ADMIN) {
            assert_eq!(found.mounts, Ok(Namespace::Own));
            assert_eq!(found.networks, Ok(Namespace::Own));
        }
        if let Ok(place) = found.cgroup {
            assert!(place.folder.join("cgroup.procs").exists(), "{place:?}");
        }
    }
}
