//! By what a process is known to come from a plugin, wherever it went: a variable that names replug
//! and the life, which every child inherits. A new session, a new group or a parent that ended
//! change nothing in it. Who starts a program in an environment of its own is not known so.

use std::fs;
use std::process;

/// The variable.
pub(super) const VARIABLE: &str = "REPLUG_LIFE";

/// The mark of one replug, the same through all its upgrades.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark(String);

impl Mark {
    /// That of this process: its number, and when it was started, so that no other has it; and
    /// which of its spawners.
    pub(super) fn own(spawner: u32) -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // Counted from the end of the name, in which there may be anything.
        let started = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(19));
        Self(format!("{}-{}-{spawner}", process::id(), started.unwrap_or("0")))
    }

    /// One that was told.
    pub(super) fn told(text: &[u8]) -> Option<Self> {
        std::str::from_utf8(text)
            .ok()
            .filter(|text| !text.is_empty())
            .map(|text| Self(text.to_owned()))
    }

    /// The mark as text.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// The variable's value in one life.
    pub(super) fn of_life(&self, life: u64) -> String {
        format!("{}.{life}", self.0)
    }

    /// The life that a process comes from; none where it is no plugin's, has ended, or may not be
    /// looked at.
    pub(super) fn life_of(&self, pid: u32) -> Option<u64> {
        match self.origin_of(pid) {
            Origin::Life(life) => Some(life),
            Origin::Elsewhere | Origin::Unknown => None,
        }
    }

    /// Where a process comes from.
    pub(super) fn origin_of(&self, pid: u32) -> Origin {
        let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else {
            return Origin::Elsewhere;
        };
        if environment.is_empty() {
            return Origin::Unknown;
        }
        let life = environment.split(|byte| *byte == 0).find_map(|variable| {
            let value = variable.strip_prefix(VARIABLE.as_bytes())?.strip_prefix(b"=")?;
            let life = value.strip_prefix(self.0.as_bytes())?.strip_prefix(b".")?;
            std::str::from_utf8(life).ok()?.parse().ok()
        });
        life.map_or(Origin::Elsewhere, Origin::Life)
    }
}

/// Where a process comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// From a life of a plugin.
    Life(u64),
    /// From somewhere else, or it may not be looked at, or is gone.
    Elsewhere,
    /// It has no environment. As a rule it is about to have one: the kernel shows none while a
    /// process becomes another program. One that has ended has none either.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::process::{Command, Stdio};

    #[test]
    fn a_marked_process_tells_its_life_and_another_does_not() {
        let mark = Mark::own(0);
        let child = |value: Option<String>| {
            let mut command = Command::new("/bin/cat");
            command.env_remove(VARIABLE).envs(value.map(|value| (VARIABLE, value)));
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            // Its environment can be read once the program runs, which an echo shows.
            child.stdin.as_mut().unwrap().write_all(b"?").unwrap();
            child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
            child
        };
        let mut marked = child(Some(mark.of_life(7)));
        let mut others = child(Some("1-1.7".to_owned()));
        let mut unmarked = child(None);
        assert_eq!(mark.life_of(marked.id()), Some(7));
        assert_eq!(mark.life_of(others.id()), None);
        assert_eq!(mark.life_of(unmarked.id()), None);
        for child in [&mut marked, &mut others, &mut unmarked] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
