//! What every life of a process is given and what is taken back at its end, beyond the process: its
//! cgroup, its limits, and the mark by which whatever it started is known.

use std::os::unix::ffi::OsStrExt as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::cgroup::{Cgroup, remove_home};
use super::mark::Mark;
use super::prepare::{Grounds, Prepared};
use super::{Exit, Launch, SpawnError};

/// How long the last cgroups may take to be empty before they are left to the next replug.
const LAST_REMOVALS: Duration = Duration::from_secs(1);

/// What lives are given.
pub(super) struct Lives {
    grounds: Grounds,
    mark: Mark,
    /// Cgroups that are removed as soon as everything in them has ended.
    removals: JoinSet<()>,
}

impl Lives {
    /// Looks what can be given here. To be called inside a runtime, before anything is started.
    pub(super) fn begin() -> Self {
        /// As a rule there is one in a process, and it is the first after an upgrade too.
        static SPAWNERS: AtomicU32 = AtomicU32::new(0);
        let spawner = SPAWNERS.fetch_add(1, Ordering::Relaxed);
        Self { grounds: Grounds::find(spawner), mark: Mark::own(spawner), removals: JoinSet::new() }
    }

    /// The lines that tell a warden what to end besides the groups it hears of.
    pub(super) fn standing_orders(&self) -> Vec<u8> {
        let mut lines = format!("*{}\n", self.mark.text()).into_bytes();
        let home = self.grounds.cgroups.as_ref().map(|cgroups| cgroups.home().as_os_str());
        if let Some(home) = home.filter(|home| !home.as_bytes().contains(&b'\n')) {
            lines.extend([b"%", home.as_bytes(), b"\n"].concat());
        }
        lines
    }

    /// Makes one ready.
    pub(super) fn prepare(&self, launch: &Launch) -> Result<Prepared, SpawnError> {
        self.grounds.prepare(launch)
    }

    /// The value of the variable that marks a life.
    pub(super) fn mark_of(&self, life: u64) -> String {
        self.mark.of_life(life)
    }

    /// The life that a process comes from, if it tells.
    pub(super) fn life_of(&self, pid: u32) -> Option<u64> {
        self.mark.life_of(pid)
    }

    /// The cgroup of a process that the program before this one started, and the bytes that it may
    /// use.
    pub(super) fn cgroup_of(&self, pid: u32) -> (Option<Cgroup>, Option<u64>) {
        let cgroup = self.grounds.cgroups.as_ref().and_then(|cgroups| cgroups.of(pid));
        let memory = cgroup.as_ref().and_then(Cgroup::memory);
        (cgroup, memory)
    }

    /// Kills what is left of a life whose process has ended with `exit`. Says how that was, and
    /// whether nothing can be left: what is in no cgroup may have gone anywhere.
    pub(super) fn end(
        &mut self,
        cgroup: Option<Cgroup>,
        memory: Option<u64>,
        exit: Exit,
    ) -> (Exit, bool) {
        let Some(cgroup) = cgroup else { return (exit, false) };
        let whole = cgroup.kill();
        let out_of_memory = exit == Exit::by(Signal::SIGKILL) && cgroup.was_out_of_memory();
        self.remove(cgroup);
        (if out_of_memory { Exit::OutOfMemory { limit: memory } } else { exit }, whole)
    }

    /// Removes a cgroup, when all in it has ended.
    pub(super) fn remove(&mut self, cgroup: Cgroup) {
        self.removals.spawn(cgroup.remove());
    }

    /// Resolves when another cgroup is gone; never, while none is to go. Dropping the future loses
    /// nothing.
    pub(super) async fn removed(&mut self) {
        if self.removals.join_next().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// By what processes are known that come from a plugin.
    pub(super) fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Waits for the last cgroups to be gone, and removes the folder in which they were.
    pub(super) async fn finish(mut self) {
        if let Some(cgroups) = &self.grounds.cgroups {
            cgroups.kill_all();
        }
        let gone = async { while self.removals.join_next().await.is_some() {} };
        // What takes longer is in the kernel's hands.
        let _ = timeout(LAST_REMOVALS, gone).await;
        if let Some(cgroups) = &self.grounds.cgroups {
            remove_home(cgroups.home());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::abilities::Abilities;
    use super::super::cgroup::{CgroupPlace, Cgroups};
    use super::*;

    /// How an end by `exit` is told of a life in whose cgroup the kernel counts so.
    fn told(exit: Exit, events: &str) -> Exit {
        let tree = tempfile::tempdir().unwrap();
        let home = tree.path().join("home");
        fs::create_dir(&home).unwrap();
        let place = CgroupPlace { folder: tree.path().to_owned(), controllers: Vec::new() };
        let cgroups = Cgroups::settle_in(&place, home).unwrap();
        let cgroup = cgroups.make("hog.1").unwrap();
        fs::write(tree.path().join("home/hog.1/memory.events"), events).unwrap();
        let grounds = Grounds { abilities: Abilities::probe(), cgroups: Some(cgroups) };
        let mut lives = Lives { grounds, mark: Mark::own(0), removals: JoinSet::new() };
        lives.end(Some(cgroup), Some(64 << 20), exit).0
    }

    #[tokio::test]
    async fn a_kill_for_want_of_memory_is_told_from_any_other() {
        let killed = Exit::by(Signal::SIGKILL);
        let out_of_memory = Exit::OutOfMemory { limit: Some(64 << 20) };
        assert_eq!(told(killed, "max 9\noom_kill 1\n"), out_of_memory);
        assert_eq!(told(killed, "max 9\noom_kill 0\n"), killed);
        assert_eq!(told(Exit::Code(0), "oom_kill 1\n"), Exit::Code(0));
    }
}
