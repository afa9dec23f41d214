//! From what is asked of a process, and what the machine lets replug do, to what its child does to
//! itself: which way each limit is held and each part of the confinement is had.

mod closing;
mod limits;

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::process::{Gid, Uid};
use rustix::thread::CapabilitySet;

use super::abilities::Abilities;
use super::act::Act;
use super::cgroup::{Cgroup, Cgroups};
use super::confinement::Identity;
use super::limits::Bounds;
use super::{Launch, SpawnError};

/// What replug starts processes on.
#[derive(Debug)]
pub(super) struct Grounds {
    pub(super) abilities: Abilities,
    /// None where there are none that replug may divide.
    pub(super) cgroups: Option<Cgroups>,
}

/// A start that is ready.
pub(super) struct Prepared {
    pub(super) acts: Vec<Act>,
    pub(super) cgroup: Option<Cgroup>,
    pub(super) bounds: Bounds,
}

impl Grounds {
    /// Looks around, and makes this spawner's part of the cgroup tree. Blocks for some milliseconds.
    pub(super) fn find(spawner: u32) -> Self {
        let abilities = Abilities::probe();
        let cgroups = match &abilities.cgroup {
            Ok(place) => Cgroups::settle(place, spawner)
                .inspect_err(|error| tracing::warn!(%error, "no cgroups for plugins"))
                .ok(),
            Err(why) => {
                tracing::debug!("no cgroups for plugins: {why}");
                None
            }
        };
        Self { abilities, cgroups }
    }

    /// Makes the start of `launch` ready: its cgroup, and what the child has to do.
    pub(super) fn prepare(&self, launch: &Launch) -> Result<Prepared, SpawnError> {
        let cgroup = match (&self.cgroups, launch.name.as_str()) {
            (None, _) | (_, "") => None,
            (Some(cgroups), name) => {
                let made = cgroups.make(name);
                Some(made.map_err(|error| SpawnError::Cgroup(error.to_string()))?)
            }
        };
        let mut start =
            Start { grounds: self, launch, cgroup, acts: Vec::new(), bounds: Bounds::default() };
        match start.fill() {
            Ok(()) => {
                let Start { acts, cgroup, bounds, .. } = start;
                Ok(Prepared { acts, cgroup, bounds })
            }
            Err(error) => {
                if let Some(cgroup) = start.cgroup {
                    cgroup.discard();
                }
                Err(error)
            }
        }
    }
}

/// A start as it is made ready.
struct Start<'a> {
    grounds: &'a Grounds,
    launch: &'a Launch,
    cgroup: Option<Cgroup>,
    acts: Vec<Act>,
    bounds: Bounds,
}

impl Start<'_> {
    /// In the order in which the child can do it: what needs rights, then what takes them away.
    fn fill(&mut self) -> Result<(), SpawnError> {
        self.limit_by_cgroup();
        self.set_priorities();
        self.close_paths_and_network()?;
        self.limit_by_kernel();
        if self.launch.limits.required && !self.bounds.missing.is_empty() {
            return Err(SpawnError::Limits(self.bounds.missing.join("; ")));
        }
        self.become_another()?;
        if self.launch.confinement.no_new_privs {
            self.acts.push(Act::NoNewPrivileges);
            self.bounds.confinement.push("no_new_privs".to_owned());
        }
        // Landlock's rules come last: they would bind what is still to be done.
        let landlock = |act: &Act| matches!(act, Act::Landlock(_));
        if let Some(at) = self.acts.iter().position(landlock) {
            let rules = self.acts.remove(at);
            self.acts.extend([Act::NoNewPrivileges, rules]);
        }
        if !self.acts.is_empty() {
            self.acts.push(Act::DieWithParent(std::process::id()));
        }
        Ok(())
    }

    fn can(&self, capability: CapabilitySet) -> bool {
        self.grounds.abilities.can(capability)
    }

    /// User, groups, rights, umask, and its folder as seen by all that.
    fn become_another(&mut self) -> Result<(), SpawnError> {
        let asked = &self.launch.confinement;
        let kept = asked.capabilities;
        if let Some(kept) = kept {
            let lacking = kept - self.grounds.abilities.capabilities;
            if !lacking.is_empty() {
                return Err(SpawnError::Confinement(format!(
                    "capabilities {} cannot be kept: replug does not have them",
                    names(lacking)
                )));
            }
            // Without the right to it there is nothing to drop that a program could get back
            // after this.
            if self.can(CapabilitySet::SETPCAP) {
                self.acts.push(Act::Bounding(kept));
            } else {
                self.acts.push(Act::NoNewPrivileges);
            }
            if !kept.is_empty() && self.launch.identity.is_some() {
                self.acts.push(Act::KeepCapabilities);
            }
            let shown = if kept.is_empty() { "none".to_owned() } else { names(kept) };
            self.bounds.confinement.push(format!("capabilities {shown}"));
        }
        if let Some(Identity { name, uid, gid, groups, .. }) = &self.launch.identity {
            let groups = groups.iter().map(|&gid| Gid::from_raw(gid)).collect();
            self.acts.push(Act::Groups(name.clone(), groups));
            self.acts.push(Act::Group(name.clone(), Gid::from_raw(*gid)));
            self.acts.push(Act::User(name.clone(), Uid::from_raw(*uid)));
            self.bounds.confinement.push(name.clone());
        }
        if let Some(kept) = kept {
            self.acts.push(Act::Capabilities(kept));
        }
        if let Some(umask) = asked.umask {
            self.acts.push(Act::Umask(umask));
            self.bounds.confinement.push(format!("umask {umask:03o}"));
        }
        let moved = |act: &Act| matches!(act, Act::User(..) | Act::OwnMounts);
        if let Some(cwd) = &self.launch.cwd
            && self.acts.iter().any(moved)
        {
            self.acts.push(Act::Enter(text(cwd)?));
        }
        Ok(())
    }
}

/// Rights as a plan names them.
fn names(capabilities: CapabilitySet) -> String {
    let names = capabilities.iter_names().map(|(name, _)| name.to_lowercase());
    names.collect::<Vec<_>>().join(" ")
}

fn text(path: &Path) -> Result<CString, SpawnError> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| SpawnError::NulByte)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::cgroup::CgroupPlace;
    use super::super::limits::Limits;
    use super::*;

    /// Grounds over a folder in the form of a cgroup, with the files that a kernel would make.
    fn grounds(tree: &Path, controllers: &[&str]) -> Grounds {
        let home = tree.join("home");
        fs::create_dir(&home).unwrap();
        for folder in [tree, &home] {
            fs::write(folder.join("cgroup.subtree_control"), "").unwrap();
        }
        let controllers = controllers.iter().map(|&name| name.to_owned()).collect();
        let place = CgroupPlace { folder: tree.to_owned(), controllers };
        let cgroups = Cgroups::settle_in(&place, home).unwrap();
        Grounds {
            abilities: Abilities {
                uid: 7,
                capabilities: CapabilitySet::empty(),
                cgroup: Ok(place),
                landlock: None,
                mounts: Err("refused".to_owned()),
                networks: Err("refused".to_owned()),
                pidfd: true,
                children: true,
            },
            cgroups: Some(cgroups),
        }
    }

    const FILES: [&str; 6] =
        ["cgroup.procs", "cpu.max", "cpu.weight", "memory.max", "memory.oom.group", "pids.max"];

    /// What a start with these limits writes into the files of its cgroup, and what it says.
    fn limited(controllers: &[&str], limits: Limits) -> (Vec<String>, Bounds) {
        let tree = tempfile::tempdir().unwrap();
        let grounds = grounds(tree.path(), controllers);
        let launch = Launch { limits, ..Launch::default() };
        let cgroup = grounds.cgroups.as_ref().unwrap().make("hog.1").unwrap();
        let folder = tree.path().join("home/hog.1");
        for file in FILES {
            fs::write(folder.join(file), "").unwrap();
        }
        let mut start = Start {
            grounds: &grounds,
            launch: &launch,
            cgroup: Some(cgroup),
            acts: Vec::new(),
            bounds: Bounds::default(),
        };
        start.fill().unwrap();
        let written = FILES.map(|file| fs::read_to_string(folder.join(file)).unwrap());
        (written.into(), start.bounds)
    }

    #[test]
    fn a_cgroup_is_told_its_limits_before_anything_is_in_it() {
        let limits = Limits {
            memory: Some(256 << 20),
            tasks: Some(64),
            cpu_weight: Some(50),
            cpu_quota: Some(150),
            ..Limits::default()
        };
        let (written, bounds) = limited(&["cpu", "memory", "pids"], limits);
        assert_eq!(written, ["", "150000 100000", "50", "268435456", "1", "64"]);
        let shown = ["memory 256M", "tasks 64", "cpu_weight 50", "cpu_quota 150%"];
        assert_eq!(bounds.limits, shown.map(|limit| format!("{limit} (cgroup)")));
        assert_eq!(bounds.missing, [] as [&str; 0]);
    }

    #[test]
    fn what_no_controller_holds_has_another_way_or_is_missing() {
        let limits = Limits {
            memory: Some(1 << 20),
            tasks: Some(64),
            cpu_weight: Some(50),
            ..Limits::default()
        };
        let (written, bounds) = limited(&[], limits);
        assert_eq!(written, [""; 6]);
        assert_eq!(bounds.limits, ["memory 1M of each process (rlimit)"]);
        let missing: Vec<_> =
            bounds.missing.iter().filter_map(|missing| missing.split(':').next()).collect();
        assert_eq!(missing, ["cpu_weight 50", "tasks 64"]);
    }

    #[test]
    fn what_cannot_be_closed_here_is_not_started() {
        let tree = tempfile::tempdir().unwrap();
        let grounds = grounds(tree.path(), &[]);
        let mut launch = Launch::default();
        launch.confinement.no_network = true;
        let error = grounds.prepare(&launch).err().unwrap();
        assert!(matches!(error, SpawnError::Confinement(_)), "{error:?}");
        assert!(error.to_string().contains("refused"), "{error}");
    }
}
