//! What the kernel tells of a process: descriptors, threads, memory, children.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::Failure;

/// A process at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Vitals {
    /// Open descriptors, by what is behind them.
    pub(crate) descriptors: Tally,
    /// Threads, by name.
    pub(crate) threads: Tally,
    pub(crate) memory: Memory,
    /// Processes that it has started, ended ones that it has not reaped included.
    pub(crate) children: Vec<Child>,
}

/// How many there are of each.
pub(crate) type Tally = BTreeMap<String, usize>;

/// In bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// Resident, shared pages included.
    pub(crate) rss: u64,
    /// Resident, with shared pages divided among those who share them.
    pub(crate) pss: u64,
    /// Resident and its own alone.
    pub(crate) private: u64,
    /// Resident and backed by no file: heap, stacks.
    pub(crate) anonymous: u64,
}

/// A process that another one has started.
#[derive(Debug, Clone)]
pub(crate) struct Child {
    pub(crate) pid: u32,
    pub(crate) name: String,
    pub(crate) zombie: bool,
}

/// A thread, and how often and how long it has run.
#[derive(Debug, Clone)]
pub(crate) struct Thread {
    pub(crate) id: u32,
    pub(crate) name: String,
    /// How often it has gone to sleep, so how often it was woken.
    pub(crate) voluntary: u64,
    /// How often it had to make room for another one.
    pub(crate) involuntary: u64,
    pub(crate) cpu: Duration,
}

// === impl Vitals ===

impl Vitals {
    pub(crate) fn of(pid: u32) -> Result<Self, Failure> {
        Ok(Self {
            descriptors: descriptors(pid)?,
            threads: tally(threads(pid)?.into_iter().map(|thread| thread.name)),
            memory: Memory::of(pid)?,
            children: children(pid)?,
        })
    }

    pub(crate) fn zombies(&self) -> usize {
        self.children.iter().filter(|child| child.zombie).count()
    }
}

/// What there is more of in `after` than in `before`, in words; empty where there is nothing.
pub(crate) fn grown(before: &Tally, after: &Tally) -> String {
    let more = after.iter().filter_map(|(name, &count)| {
        let more = count.saturating_sub(before.get(name).copied().unwrap_or_default());
        (more > 0).then(|| format!("{more} {name}"))
    });
    more.collect::<Vec<_>>().join(", ")
}

/// How many there are in all.
pub(crate) fn total(tally: &Tally) -> usize {
    tally.values().sum()
}

// === impl Memory ===

impl Memory {
    pub(crate) fn of(pid: u32) -> Result<Self, Failure> {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let bytes = |name| field(&text, name).unwrap_or_default() * 1024;
        Ok(Self {
            rss: bytes("Rss:"),
            pss: bytes("Pss:"),
            private: bytes("Private_Clean:") + bytes("Private_Dirty:"),
            anonymous: bytes("Anonymous:"),
        })
    }
}

/// Every thread of a process.
pub(crate) fn threads(pid: u32) -> Result<Vec<Thread>, Failure> {
    let folder = format!("/proc/{pid}/task");
    let tasks = fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))?;
    // A thread that ends while it is looked at is none any more.
    Ok(tasks.flatten().filter_map(|task| Thread::read(&task.path())).collect())
}

/// The processor time that a process's threads have taken, those that have ended left out.
pub(crate) fn cpu(pid: u32) -> Result<Duration, Failure> {
    Ok(threads(pid)?.iter().map(|thread| thread.cpu).sum())
}

impl Thread {
    fn read(task: &Path) -> Option<Self> {
        let status = fs::read_to_string(task.join("status")).ok()?;
        let run = fs::read_to_string(task.join("schedstat")).ok()?;
        Some(Self {
            id: task.file_name()?.to_str()?.parse().ok()?,
            name: fs::read_to_string(task.join("comm")).ok()?.trim().to_owned(),
            voluntary: field(&status, "voluntary_ctxt_switches:")?,
            involuntary: field(&status, "nonvoluntary_ctxt_switches:")?,
            cpu: Duration::from_nanos(run.split_whitespace().next()?.parse().ok()?),
        })
    }
}

fn descriptors(pid: u32) -> Result<Tally, Failure> {
    let folder = format!("/proc/{pid}/fd");
    let links = fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))?;
    let targets = links.flatten().filter_map(|link| fs::read_link(link.path()).ok());
    Ok(tally(targets.map(|target| kind(&target.to_string_lossy()))))
}

/// What is behind a descriptor, without the number that tells one socket from another.
fn kind(target: &str) -> String {
    match target.split_once(":[") {
        Some((kind @ ("socket" | "pipe"), _)) => kind.to_owned(),
        _ => target.to_owned(),
    }
}

fn children(parent: u32) -> Result<Vec<Child>, Failure> {
    let entries = fs::read_dir("/proc")?.flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let children = pids.filter_map(|pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        let mut rest = rest.split_whitespace();
        let zombie = rest.next()? == "Z";
        let its_parent: u32 = rest.next()?.parse().ok()?;
        (its_parent == parent).then(|| Child { pid, name: name.to_owned(), zombie })
    });
    Ok(children.collect())
}

/// The number after a line's name.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

fn tally(names: impl Iterator<Item = String>) -> Tally {
    names.fold(Tally::new(), |mut tally, name| {
        *tally.entry(name).or_default() += 1;
        tally
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_grown_is_named() {
        let before = tally(["pipe", "socket"].map(str::to_owned).into_iter());
        let after = tally(["pipe", "socket", "socket", "/dev/null"].map(str::to_owned).into_iter());
        assert_eq!(grown(&before, &after), "1 /dev/null, 1 socket");
        assert_eq!(grown(&after, &before), "");
    }

    #[test]
    fn this_very_process_has_vitals() {
        let vitals = Vitals::of(std::process::id()).unwrap();
        assert!(total(&vitals.descriptors) >= 3);
        assert!(total(&vitals.threads) >= 1);
        assert!(vitals.memory.rss > 0 && vitals.memory.private <= vitals.memory.rss);
        assert_eq!(kind("socket:[123]"), "socket");
        assert_eq!(kind("anon_inode:[eventpoll]"), "anon_inode:[eventpoll]");
    }
}
