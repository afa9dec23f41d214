//! Cgroups, version 2: a process and whatever it starts, as one group that the kernel limits,
//! counts and kills as a whole. Nobody leaves it by a new session or a new process group.
//!
//! Below its own cgroup a replug has a folder `replug.PID@NAMESPACE`, and in it one cgroup a process:
//! ```text
//! replug.service/                  replug's own, delegated to it
//!     replug.4711@4026531836/
//!         replug/                  replug itself: a cgroup with processes can limit no others
//!         settings.3/              generation 3 of plugin settings
//! ```

mod place;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub use self::place::CgroupPlace;
use super::act::Entrance;

/// What the folder of one replug is called, before its process id and, after `@`, the number of the
/// namespace in which that is its id: replugs of several containers may share one cgroup.
const HOME: &str = "replug.";

/// The cgroup of replug itself, in its folder.
pub(super) const SELF: &str = "replug";

/// The controllers that limits are made of.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

/// How many names are tried for a cgroup while one of that name is still there.
const NAMES: u32 = 100;

/// replug's part of the tree.
#[derive(Debug)]
pub(super) struct Cgroups {
    home: PathBuf,
    /// What the cgroups in it can be limited by.
    controllers: Vec<&'static str>,
}

/// The cgroup of one process and whatever it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cgroup {
    folder: PathBuf,
}

impl Cgroups {
    /// Makes the folder, puts replug itself into a cgroup in it, and hands down what controllers
    /// there are. What replugs left that were killed is removed.
    /// `spawner` counts the spawners of this process, each of which has a folder of its own.
    pub(super) fn settle(place: &CgroupPlace, spawner: u32) -> io::Result<Self> {
        clear_stale(&place.folder);
        let own = format!("{HOME}{}@{}", process::id(), pid_namespace());
        let name = match spawner {
            0 => own,
            _ => format!("{own}.{spawner}"),
        };
        Self::settle_in(place, place.folder.join(name))
    }

    pub(super) fn settle_in(place: &CgroupPlace, home: PathBuf) -> io::Result<Self> {
        make(&home)?;
        // The root of the whole tree may have processes and limit others all the same.
        if place.folder.join("cgroup.type").exists() {
            let own = home.join(SELF);
            make(&own)?;
            set(&own, "cgroup.procs", &process::id().to_string())?;
        }
        let mut controllers = Vec::new();
        for name in
            CONTROLLERS.into_iter().filter(|name| place.controllers.iter().any(|it| it == name))
        {
            let handed = hand_down(&place.folder, name).and_then(|()| hand_down(&home, name));
            match handed {
                Ok(()) => controllers.push(name),
                Err(error) => tracing::info!(
                    cgroup = %place.folder.display(), %error,
                    "plugins cannot be limited by the {name} controller; others share the cgroup?"
                ),
            }
        }
        Ok(Self { home, controllers })
    }

    /// The folder in which all cgroups of this replug are.
    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// Whether the cgroups can be limited by it.
    pub(super) fn has(&self, controller: &str) -> bool {
        self.controllers.contains(&controller)
    }

    /// The cgroup in which a process is, if that is one of these.
    pub(super) fn of(&self, pid: u32) -> Option<Cgroup> {
        let list = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let path = list.lines().find_map(|line| line.strip_prefix("0::"))?;
        let name = Path::new(path).file_name()?;
        let folder = self.home.join(name);
        (Path::new(path).parent()?.file_name() == self.home.file_name() && folder.exists())
            .then_some(Cgroup { folder })
    }

    /// Kills whatever is left in any of them.
    pub(super) fn kill_all(&self) {
        for entry in fs::read_dir(&self.home).into_iter().flatten().flatten() {
            if entry.file_name() != SELF && entry.path().join("cgroup.kill").exists() {
                Cgroup { folder: entry.path() }.kill();
            }
        }
    }

    /// Makes a cgroup of about that name.
    pub(super) fn make(&self, name: &str) -> io::Result<Cgroup> {
        for try_number in 1..NAMES {
            let name = match try_number {
                1 => name.to_owned(),
                _ => format!("{name}~{try_number}"),
            };
            let folder = self.home.join(name);
            let made = match fs::create_dir(&folder) {
                // Somebody has tidied up around it: between two lives the folder is empty.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    make(&self.home)?;
                    self.controllers.iter().try_for_each(|name| hand_down(&self.home, name))?;
                    fs::create_dir(&folder)
                }
                made => made,
            };
            match made {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map(|()| Cgroup { folder }),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

/// Lets what is in a cgroup be limited by a controller that the cgroup itself has.
fn hand_down(folder: &Path, controller: &str) -> io::Result<()> {
    set(folder, "cgroup.subtree_control", &format!("+{controller}"))
}

impl Cgroup {
    /// Sets one of its files.
    pub(super) fn set(&self, file: &str, value: &str) -> io::Result<()> {
        set(&self.folder, file, value)
    }

    /// The bytes that it may use, if there is a limit.
    pub(super) fn memory(&self) -> Option<u64> {
        fs::read_to_string(self.folder.join("memory.max")).ok()?.trim().parse().ok()
    }

    /// What a process joins it by.
    pub(super) fn entrance(&self) -> io::Result<Entrance> {
        let procs = OpenOptions::new().write(true).open(self.folder.join("cgroup.procs"))?;
        Ok(Entrance { folder: File::open(&self.folder)?.into(), procs: procs.into() })
    }

    /// Kills everything in it, and what these start meanwhile. False: it cannot be done.
    pub(super) fn kill(&self) -> bool {
        let killed = self.set("cgroup.kill", "1");
        if let Err(error) = &killed {
            tracing::warn!(cgroup = %self.folder.display(), %error, "cannot be killed as a whole");
        }
        killed.is_ok()
    }

    /// Whether the kernel killed something in it because memory was short.
    pub(super) fn was_out_of_memory(&self) -> bool {
        fs::read_to_string(self.folder.join("memory.events"))
            .is_ok_and(|events| oom_kills(&events) > 0)
    }

    /// Removes it, if nothing has ever been in it.
    pub(super) fn discard(self) {
        let _ = fs::remove_dir(&self.folder);
    }

    /// Removes it, once everything in it has ended. A process that was killed takes a moment for it.
    pub(super) async fn remove(self) {
        match fs::remove_dir(&self.folder) {
            Ok(()) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(_) => {}
        }
        let removed = match self.emptied().await {
            Ok(()) => fs::remove_dir(&self.folder),
            Err(error) => Err(error),
        };
        if let Err(error) = removed {
            tracing::warn!(cgroup = %self.folder.display(), %error, "cannot be removed");
        }
    }

    /// Waits until nothing is in it any more.
    async fn emptied(&self) -> io::Result<()> {
        let events = File::open(self.folder.join("cgroup.events"))?;
        #[allow(
            deprecated,
            reason = "its successor is unsafe because of types whose descriptor may change; \
                      a File is one descriptor and stays open as long as it lives"
        )]
        let events = AsyncFd::with_interest(events, Interest::PRIORITY)?;
        loop {
            // Read first: from then on the kernel tells of a change.
            let mut text = [0; 256];
            let length = events.get_ref().read_at(&mut text, 0)?;
            if !is_populated(&String::from_utf8_lossy(&text[..length])) {
                return Ok(());
            }
            events.ready(Interest::PRIORITY).await?.clear_ready();
        }
    }
}

/// Whether something is in a cgroup, from the text of `cgroup.events`.
pub(super) fn is_populated(events: &str) -> bool {
    events.lines().any(|line| line == "populated 1")
}

/// How many processes the kernel killed for want of memory, from the text of `memory.events`.
fn oom_kills(events: &str) -> u64 {
    events
        .lines()
        .find_map(|line| line.strip_prefix("oom_kill "))
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(0)
}

fn make(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Writes a value in one piece, into a file that has to be there.
fn set(folder: &Path, file: &str, value: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(folder.join(file))?.write_all(value.as_bytes())
}

/// Removes the folders of replugs that are no more. Whatever is not empty yet stays.
/// Of another process namespace nothing can be said: its numbers are not ours.
fn clear_stale(folder: &Path) {
    let namespace = pid_namespace();
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let dead = entry
            .file_name()
            .to_str()
            .and_then(|name| name.strip_prefix(HOME)?.split('.').next()?.split_once('@'))
            .filter(|(_, of)| *of == namespace)
            .and_then(|(pid, _)| pid.parse::<u32>().ok())
            .is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists());
        if dead {
            remove_home(&entry.path());
        }
    }
}

/// The number of the namespace that process ids here are of; empty where the kernel does not say.
fn pid_namespace() -> String {
    let link = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    link.to_string_lossy().chars().filter(char::is_ascii_digit).collect()
}

/// Removes the folder of one replug, as far as nothing is in it.
pub(super) fn remove_home(home: &Path) {
    for cgroup in fs::read_dir(home).into_iter().flatten().flatten() {
        if cgroup.file_type().is_ok_and(|kind| kind.is_dir()) {
            let _ = fs::remove_dir(cgroup.path());
        }
    }
    let _ = fs::remove_dir(home);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_oom_kill_is_counted_where_the_kernel_tells_of_one() {
        let events = "low 0\nhigh 0\nmax 41\noom 1\noom_kill 1\noom_group_kill 1\n";
        assert_eq!(oom_kills(events), 1);
        assert_eq!(oom_kills("oom 3\noom_kill 0\n"), 0);
        assert_eq!(oom_kills(""), 0);
    }

    #[test]
    fn a_cgroup_is_populated_when_it_says_so() {
        assert!(is_populated("populated 1\nfrozen 0\n"));
        assert!(!is_populated("populated 0\nfrozen 1\n"));
    }

    /// A folder in the form of a cgroup, in which the files that a kernel would make are there.
    fn tree(controllers: &str) -> (tempfile::TempDir, CgroupPlace) {
        let tree = tempfile::tempdir().unwrap();
        fs::write(tree.path().join("cgroup.subtree_control"), "").unwrap();
        let controllers = controllers.split_whitespace().map(str::to_owned).collect();
        let place = CgroupPlace { folder: tree.path().to_owned(), controllers };
        (tree, place)
    }

    #[test]
    fn the_controllers_that_limits_are_made_of_are_handed_down_and_no_others() {
        let (tree, place) = tree("cpuset cpu io pids");
        let home = tree.path().join("home");
        fs::create_dir(&home).unwrap();
        fs::write(home.join("cgroup.subtree_control"), "").unwrap();
        let cgroups = Cgroups::settle_in(&place, home).unwrap();
        assert!(cgroups.has("cpu") && cgroups.has("pids"));
        assert!(!cgroups.has("memory") && !cgroups.has("io"));
        let handed = |folder: &Path| fs::read_to_string(folder.join("cgroup.subtree_control"));
        assert_eq!(handed(tree.path()).unwrap(), handed(cgroups.home()).unwrap());
        assert!(handed(cgroups.home()).unwrap().contains("+pids"));
    }

    #[test]
    fn a_name_that_is_taken_by_what_is_still_dying_is_passed_over() {
        let (_tree, place) = tree("");
        let cgroups = Cgroups::settle(&place, 0).unwrap();
        let first = cgroups.make("settings.3").unwrap();
        let second = cgroups.make("settings.3").unwrap();
        assert!(first.folder.ends_with("settings.3") && second.folder.ends_with("settings.3~2"));
    }

    #[test]
    fn what_a_replug_left_that_is_no_more_is_removed() {
        let (tree, place) = tree("");
        // No process can have this number.
        let stale = tree.path().join(format!("replug.4194305@{}", pid_namespace()));
        let elsewhere = tree.path().join("replug.4194305@1");
        for home in [&stale, &elsewhere] {
            fs::create_dir_all(home.join("settings.1")).unwrap();
        }
        Cgroups::settle(&place, 0).unwrap();
        assert!(!stale.exists());
        assert!(elsewhere.exists(), "it may be alive in its own namespace");
    }
}
