//! What plugins use of the machine: processor time and memory, of a process and its group.
//!
//! Read from /proc when somebody asks, and at no other time.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

/// What one process group uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time so far, of its processes and of those that they have waited for.
    pub cpu: Duration,
    /// Memory that is resident, in bytes; what processes share counts for each.
    pub resident: u64,
    /// How many processes there are.
    pub processes: u32,
    /// How many threads these have.
    pub threads: u32,
}

impl Usage {
    /// What two groups use together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            cpu: self.cpu + other.cpu,
            resident: self.resident + other.resident,
            processes: self.processes + other.processes,
            threads: self.threads + other.threads,
        }
    }
}

/// What every process group of the machine uses, by the group's number. Blocks for some ten
/// microseconds a process.
#[must_use]
pub fn by_group() -> HashMap<u32, Usage> {
    let mut groups: HashMap<u32, Usage> = HashMap::new();
    let Ok(entries) = fs::read_dir("/proc") else { return groups };
    let tick = system(SysconfVar::CLK_TCK, 100);
    let page = system(SysconfVar::PAGE_SIZE, 4096);
    for entry in entries.flatten() {
        let name = entry.file_name();
        if !name.as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        // One that has ended meanwhile is not there.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        if let Some((group, usage)) = parse(&stat, tick, page) {
            let sum = groups.entry(group).or_default();
            sum.cpu += usage.cpu;
            sum.resident += usage.resident;
            sum.processes += usage.processes;
            sum.threads += usage.threads;
        }
    }
    groups
}

fn system(what: SysconfVar, usual: u64) -> u64 {
    let value = sysconf(what).ok().flatten();
    value.and_then(|value| u64::try_from(value).ok()).filter(|value| *value > 0).unwrap_or(usual)
}

/// A process's group and use, from its `stat` file; proc(5) says which field is what.
fn parse(stat: &str, tick: u64, page: u64) -> Option<(u32, Usage)> {
    // The second field is the program's name, in which anything can be, parentheses too.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let group = u32::try_from(field(5)?).ok()?;
    let ticks = field(14)? + field(15)? + field(16)? + field(17)?;
    let threads = u32::try_from(field(20)?).ok()?;
    let resident = field(24)? * page;
    let millis = ticks.saturating_mul(1000) / tick;
    Some((group, Usage { cpu: Duration::from_millis(millis), resident, processes: 1, threads }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_shifts_no_field() {
        let stat = "42 (a) b (c) S 1 40 40 0 -1 4194304 1 2 3 4 150 50 7 3 20 0 5 0 100 9000 256 1";
        let (group, usage) = parse(stat, 100, 4096).unwrap();
        assert_eq!(group, 40);
        assert_eq!(usage.cpu, Duration::from_millis(2100));
        assert_eq!((usage.resident, usage.processes, usage.threads), (256 * 4096, 1, 5));
        assert_eq!(parse("42 (cut off", 100, 4096), None);
        assert_eq!(parse("42 (cut off) S 1", 100, 4096), None);
    }

    #[test]
    fn this_process_uses_something() {
        let group = nix::unistd::getpgrp().as_raw().unsigned_abs();
        let usage = by_group()[&group];
        assert!(usage.resident > 0 && usage.processes > 0 && usage.threads > 0, "{usage:?}");
    }
}
