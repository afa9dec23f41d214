//! From what is asked of a process, and what the machine lets replug do, to what its child does to
//! itself: which way each limit is held and each part of the confinement is had.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::process::{Gid, Resource, Uid, getrlimit};
use rustix::thread::CapabilitySet;

use super::abilities::{Abilities, Namespace};
use super::act::Act;
use super::cgroup::{Cgroup, Cgroups};
use super::confinement::Identity;
use super::landlock::{Denied, KNOWS_TCP};
use super::limits::{Bounds, size};
use super::mounts;
use super::pre_exec::Namespaces;
use super::{Launch, SpawnError};

/// The period, in microseconds, in which a share of the processors' time is counted.
const CPU_PERIOD: u64 = 100_000;

/// File systems that the kernel makes up: closing them to writes takes more than files away.
const MADE_UP: [&str; 3] = ["/dev", "/proc", "/sys"];

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

/// By what means paths and the network are closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    Namespaces { users: bool },
    Landlock,
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

    fn limit_by_cgroup(&mut self) {
        let limits = self.launch.limits;
        let Some(cgroup) = self.cgroup.take() else {
            self.lacks("cpu_weight", limits.cpu_weight.map(|it| it.to_string()), "cpu");
            self.lacks("cpu_quota", limits.cpu_quota.map(|it| format!("{it}%")), "cpu");
            return;
        };
        match cgroup.entrance() {
            Ok(entrance) => self.acts.push(Act::JoinCgroup(entrance)),
            Err(error) => tracing::warn!(%error, "a cgroup cannot be joined"),
        }
        let quota = |percent: u64| format!("{} {CPU_PERIOD}", percent * CPU_PERIOD / 100);
        let settings = [
            ("memory", "memory.max", limits.memory.map(|it| (size(it), it.to_string())), "memory"),
            ("tasks", "pids.max", limits.tasks.map(|it| (it.to_string(), it.to_string())), "pids"),
            (
                "cpu_weight",
                "cpu.weight",
                limits.cpu_weight.map(|it| (it.to_string(), it.to_string())),
                "cpu",
            ),
            (
                "cpu_quota",
                "cpu.max",
                limits.cpu_quota.map(|it| (format!("{it}%"), quota(it))),
                "cpu",
            ),
        ];
        for (name, file, asked, controller) in settings {
            let Some((shown, value)) = asked else { continue };
            if !self.has(controller) {
                // Memory and tasks have another way.
                if controller == "cpu" {
                    self.lacks(name, Some(shown), controller);
                }
                continue;
            }
            match cgroup.set(file, &value) {
                Ok(()) => self.bounds.limits.push(format!("{name} {shown} (cgroup)")),
                Err(error) => self.bounds.missing.push(format!("{name} {shown}: {error}")),
            }
        }
        if limits.memory.is_some() && self.has("memory") {
            // One that lost a part of itself is no longer what it was; it ends as a whole.
            let _ = cgroup.set("memory.oom.group", "1");
            // Not there where the kernel swaps nothing.
            let _ = cgroup.set("memory.swap.max", "0");
        }
        self.cgroup = Some(cgroup);
    }

    fn has(&self, controller: &str) -> bool {
        self.grounds.cgroups.as_ref().is_some_and(|cgroups| cgroups.has(controller))
    }

    /// Notes a limit that only a cgroup could hold.
    fn lacks(&mut self, name: &str, asked: Option<String>, controller: &str) {
        let Some(asked) = asked else { return };
        let why = match &self.grounds.abilities.cgroup {
            Err(why) => why.clone(),
            Ok(place) => {
                format!("the cgroup {} has no {controller} controller", place.folder.display())
            }
        };
        self.bounds.missing.push(format!("{name} {asked}: {why}"));
    }

    fn set_priorities(&mut self) {
        let limits = self.launch.limits;
        if let Some(nice) = limits.nice {
            let now = rustix::process::getpriority_process(None).unwrap_or(0);
            if nice >= now || self.can(CapabilitySet::SYS_NICE) {
                self.acts.push(Act::Nice(nice));
                self.bounds.limits.push(format!("nice {nice}"));
            } else {
                let why = format!("replug has nice {now} and not the capability sys_nice");
                self.bounds.missing.push(format!("nice {nice}: {why}"));
            }
        }
        if let Some(score) = limits.oom_score_adj {
            let now = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
            let now = now.trim().parse().unwrap_or(0);
            if score >= now || self.can(CapabilitySet::SYS_RESOURCE) {
                let text = score.to_string().into_bytes();
                self.acts.push(Act::Tell("oom_score_adj", c"/proc/self/oom_score_adj", text));
                self.bounds.limits.push(format!("oom_score_adj {score}"));
            } else {
                let why = format!("replug has {now} and not the capability sys_resource");
                self.bounds.missing.push(format!("oom_score_adj {score}: {why}"));
            }
        }
    }

    /// What the kernel limits of a single process: what it always does, and what has no cgroup here.
    fn limit_by_kernel(&mut self) {
        let limits = self.launch.limits;
        if let Some(most) = limits.memory.filter(|_| !self.has("memory") || self.cgroup.is_none()) {
            // What a program can write to; unlike its whole address space it has something to do
            // with memory in use.
            let shown = format!("memory {} of each process (rlimit)", size(most));
            self.limit("memory", Resource::Data, most, shown);
        }
        if let Some(most) = limits.tasks.filter(|_| !self.has("pids") || self.cgroup.is_none()) {
            match &self.launch.identity {
                // The kernel counts all of a user's, so this is a limit where the user is the
                // plugin's own.
                Some(identity)
                    if identity.uid != 0 && identity.uid != self.grounds.abilities.uid =>
                {
                    let shown = format!("tasks {most} of {} (rlimit)", identity.name);
                    self.limit("tasks", Resource::Nproc, most, shown);
                }
                _ => self.bounds.missing.push(format!(
                    "tasks {most}: the kernel counts them by user without the pids controller of \
                     cgroup v2: give the plugin a `user` of its own, or delegate a cgroup"
                )),
            }
        }
        if let Some(most) = limits.open_files {
            self.limit("open_files", Resource::Nofile, most, format!("open_files {most}"));
        }
        if let Some(most) = limits.core {
            self.limit("core", Resource::Core, most, format!("core {}", size(most)));
        }
    }

    fn limit(&mut self, name: &'static str, resource: Resource, most: u64, shown: String) {
        match getrlimit(resource).maximum {
            Some(hard) if hard < most && !self.can(CapabilitySet::SYS_RESOURCE) => {
                let why = format!("replug itself has no more than {hard}");
                self.bounds.missing.push(format!("{name} {most}: {why}"));
            }
            _ => {
                self.acts.push(Act::Limit(name, resource, most));
                self.bounds.limits.push(shown);
            }
        }
    }

    fn close_paths_and_network(&mut self) -> Result<(), SpawnError> {
        let asked = &self.launch.confinement;
        let mut writable = present(&asked.writable);
        let read_only = present(&asked.read_only);
        if read_only.iter().any(|path| path == Path::new("/")) {
            writable.extend(present(&MADE_UP.map(PathBuf::from)));
        }
        let hidden = present(&asked.hidden);
        let paths = !read_only.is_empty() || !hidden.is_empty();
        if !paths && !asked.no_network {
            return Ok(());
        }
        let means = self.means(paths, asked.no_network)?;
        let by = match means {
            Means::Namespaces { users } => {
                let mut namespaces = Namespaces::empty();
                namespaces.set(Namespaces::NEWUSER, users);
                namespaces.set(Namespaces::NEWNS, paths);
                namespaces.set(Namespaces::NEWNET, asked.no_network);
                self.acts.push(Act::Unshare("namespaces", namespaces));
                if users {
                    self.map_own_user();
                }
                if paths {
                    self.mount(&hidden, &read_only, &writable)?;
                }
                if asked.no_network {
                    self.acts.push(Act::Loopback);
                }
                "namespaces"
            }
            Means::Landlock => {
                let denied = Denied {
                    hidden: &hidden,
                    read_only: &read_only,
                    writable: &writable,
                    tcp: asked.no_network,
                };
                let rules = denied.rules().map_err(SpawnError::Confinement)?;
                let rules = rules.ok_or_else(|| {
                    SpawnError::Confinement("the kernel has no Landlock any more".to_owned())
                })?;
                self.acts.push(Act::Landlock(rules));
                "Landlock"
            }
        };
        let shown = |paths: &[PathBuf]| {
            let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
            paths.join(" ")
        };
        let said = &mut self.bounds.confinement;
        if !read_only.is_empty() {
            said.push(format!("read-only {} but {} ({by})", shown(&read_only), shown(&writable)));
        }
        if !hidden.is_empty() {
            said.push(format!("hidden {} ({by})", shown(&hidden)));
        }
        if asked.no_network {
            let tcp = if means == Means::Landlock { " TCP" } else { "" };
            said.push(format!("no{tcp} network ({by})"));
        }
        Ok(())
    }

    /// Namespaces where they can be had, since they close a thing as a whole; else Landlock, which
    /// needs no right at all.
    fn means(&self, paths: bool, network: bool) -> Result<Means, SpawnError> {
        let Abilities { mounts, networks, landlock, .. } = &self.grounds.abilities;
        let wanted = [(paths, mounts), (network, networks)];
        let wanted = || wanted.iter().filter(|(wanted, _)| *wanted).map(|(_, had)| *had);
        if wanted().all(|had| *had == Ok(Namespace::Own)) {
            return Ok(Means::Namespaces { users: false });
        }
        // A user namespace has one user in it, replug's own.
        if self.launch.identity.is_none() && wanted().all(Result::is_ok) {
            return Ok(Means::Namespaces { users: true });
        }
        let least = if network { KNOWS_TCP } else { 1 };
        if landlock.is_some_and(|version| version >= least) {
            return Ok(Means::Landlock);
        }
        let why = wanted()
            .find_map(|had| had.as_ref().err().cloned())
            .unwrap_or_else(|| "namespaces with a user of its own are root's to give".to_owned());
        Err(SpawnError::Confinement(format!(
            "paths and network cannot be closed here: neither by namespaces ({why}) nor by Landlock \
             (which this kernel has not, or not new enough)"
        )))
    }

    /// Who it was, it is in the user namespace too.
    fn map_own_user(&mut self) {
        let (uid, gid) = (self.grounds.abilities.uid, nix::unistd::getegid().as_raw());
        let mut tell = |file: &'static CStr, text: String| {
            self.acts.push(Act::Tell("the user namespace", file, text.into_bytes()));
        };
        tell(c"/proc/self/setgroups", "deny".to_owned());
        tell(c"/proc/self/gid_map", format!("{gid} {gid} 1"));
        tell(c"/proc/self/uid_map", format!("{uid} {uid} 1"));
    }

    /// What is writable in a read-only place becomes a mount first, so that it can be told apart.
    fn mount(
        &mut self,
        hidden: &[PathBuf],
        read_only: &[PathBuf],
        writable: &[PathBuf],
    ) -> Result<(), SpawnError> {
        let below = |path: &Path, others: &[PathBuf]| others.iter().any(|it| path.starts_with(it));
        self.acts.push(Act::OwnMounts);
        for path in read_only {
            // The root is a mount as it is; one more would not be seen by who is in it already.
            if path != Path::new("/") {
                self.acts.push(Act::Bind(text(path)?));
            }
        }
        let writable: Vec<_> = writable.iter().filter(|path| below(path, read_only)).collect();
        for path in &writable {
            self.acts.push(Act::Bind(text(path)?));
        }
        for path in read_only {
            self.acts.push(Act::ReadOnly(text(path)?));
        }
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        for path in writable.iter().flat_map(|path| mounts::writable(&mounts, path)) {
            self.acts.push(Act::Writable(text(&path)?));
        }
        for path in hidden {
            let path_text = text(path)?;
            self.acts.push(if path.is_dir() {
                Act::HideFolder(path_text)
            } else {
                Act::HideFile(path_text)
            });
        }
        Ok(())
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

/// Those of the paths that are there, without links in them: a mount is where a path leads.
fn present(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut present: Vec<_> = paths.iter().filter_map(|path| path.canonicalize().ok()).collect();
    present.sort();
    present.dedup();
    present
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
