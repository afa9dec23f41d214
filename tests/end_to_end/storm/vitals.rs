//! What replug holds at one moment, as the kernel tells it.

use std::collections::BTreeMap;
use std::fs;

use crate::rig::Replug;

/// What must not grow.
#[derive(Debug)]
pub(super) struct Vitals {
    /// What is behind each open descriptor, sorted.
    descriptors: Vec<String>,
    /// The threads' names, sorted.
    threads: Vec<String>,
    /// Processes that it has started, with their states, sorted; a zombie's is `Z`.
    children: Vec<String>,
}

impl Vitals {
    pub(super) fn of(replug: &Replug) -> Self {
        let pid = replug.pid();
        Self { descriptors: descriptors(pid), threads: threads(pid), children: children(pid) }
    }

    /// Whether there is no zombie, and no more of anything than `before`.
    pub(super) fn holds_no_more_than(&self, before: &Self) -> bool {
        self.descriptors.len() <= before.descriptors.len()
            && self.threads.len() <= before.threads.len()
            && self.children.len() <= before.children.len()
            && !self.children.iter().any(|child| child.starts_with('Z'))
    }
}

/// How often each thread has gone to sleep, by its number.
pub(super) fn wake_ups(pid: u32) -> BTreeMap<String, u64> {
    const FIELD: &str = "\nvoluntary_ctxt_switches:";
    let tasks = names(&format!("/proc/{pid}/task"));
    let counted = tasks.into_iter().filter_map(|task| {
        // A thread may end while it is looked at.
        let status = fs::read_to_string(format!("/proc/{pid}/task/{task}/status")).ok()?;
        let count = status.split_once(FIELD)?.1.split_whitespace().next()?.parse().ok()?;
        Some((task, count))
    });
    counted.collect()
}

fn descriptors(pid: u32) -> Vec<String> {
    let folder = format!("/proc/{pid}/fd");
    let links = names(&folder).into_iter();
    let targets = links.filter_map(|link| fs::read_link(format!("{folder}/{link}")).ok());
    sorted(targets.map(|target| target.to_string_lossy().into_owned()))
}

fn threads(pid: u32) -> Vec<String> {
    let folder = format!("/proc/{pid}/task");
    let tasks = names(&folder).into_iter();
    sorted(tasks.filter_map(|task| fs::read_to_string(format!("{folder}/{task}/comm")).ok()))
}

fn children(parent: u32) -> Vec<String> {
    let parent = parent.to_string();
    let children = names("/proc").into_iter().filter_map(|pid| {
        // `number (name) state parent …`
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (before, after) = stat.rsplit_once(") ")?;
        let mut fields = after.split_whitespace();
        let (state, its_parent) = (fields.next()?, fields.next()?);
        (its_parent == parent).then(|| format!("{state} {before})"))
    });
    sorted(children)
}

/// The names of what is in a folder that is there.
fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}
