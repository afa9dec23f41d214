//! The warden: a tiny process that ends replug's plugins where replug itself no longer can.
//!
//! The kernel kills a plugin when replug dies, but not the plugin's own children. The warden does:
//! it learns every process group from its standard input, which is a socket that only replug has
//! the other end of, and when that ends, however replug died, it sends SIGKILL to every group left
//! and removes the folders it was told of. It owns nothing else: no descriptor, no runtime, one
//! thread, and it sits in a session of its own, deaf to what a terminal sends.
//!
//! A line is a sign and what it is about:
//!
//! | line | meaning |
//! | --- | --- |
//! | `+PGID` | this group begins. The plugin says it itself, before its program runs |
//! | `=` | the group that began last runs its program |
//! | `!` | the group that began last, if `=` was not said of it, never ran |
//! | `-PGID` | this group is dead; said before its leader is reaped, so while the number is taken |
//! | `~PATH` | this folder goes when replug does |
//! | `%PATH` | the cgroups in this folder end when replug does, but for replug's own |
//! | `*MARK` | whatever bears this mark in its environment ends when replug does |
//!
//! Between replug's death and the warden's kill lies a moment in which the number of a group whose
//! processes have all died of their parent's death could be given to another group: only if the
//! machine went through all its process ids in that moment.

mod leftovers;

use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, BufRead};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::mark::Mark;

/// The first argument of a program that is started to be the warden.
pub const WARDEN_ARGUMENT: &str = "__warden";

/// The name under which the warden shows in a list of processes.
pub(super) const WARDEN_NAME: &str = "replug-warden";

/// How often a folder is emptied anew, because a dying process made one more file in it.
const REMOVALS: usize = 3;

/// How the warden is started: a program that calls [`warden_main`] and does nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WardenCommand {
    /// The executable, by its whole path.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

impl WardenCommand {
    /// This very program, told by [`WARDEN_ARGUMENT`]. Its `main` has to begin with
    /// `if is_warden() { return warden_main(); }`. A program file that was replaced or removed
    /// since makes no difference.
    #[must_use]
    pub fn this_program() -> Self {
        Self { program: "/proc/self/exe".into(), args: vec![WARDEN_ARGUMENT.into()] }
    }
}

/// Whether this process was started to be the warden.
#[must_use]
pub fn is_warden() -> bool {
    env::args_os().nth(1).is_some_and(|argument| argument == WARDEN_ARGUMENT)
}

/// Is the warden: returns when replug is gone and what it left behind is cleared away. To be called
/// before any thread or runtime is started.
#[must_use]
pub fn warden_main() -> ExitCode {
    // The name is a courtesy to whoever lists processes, and the folder is left so that the file
    // system it is on can be unmounted; the warden does its work without either.
    let _ = rustix::thread::set_name(c"replug-warden");
    let _ = env::set_current_dir("/");
    let mut ward = Ward::default();
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    loop {
        line.clear();
        match input.read_until(b'\n', &mut line) {
            // A line without an end is one that replug died in the middle of.
            Ok(_) if line.last() != Some(&b'\n') => break,
            Ok(_) => ward.note(&line[..line.len() - 1]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    ward.clear_away();
    ExitCode::SUCCESS
}

/// What is to be ended when replug is gone.
#[derive(Debug, Default)]
struct Ward {
    groups: BTreeSet<i32>,
    /// The group that has begun and not yet run its program.
    beginning: Option<i32>,
    folders: BTreeSet<PathBuf>,
    cgroups: Option<PathBuf>,
    mark: Option<Mark>,
}

impl Ward {
    /// Takes in one line, without its end. A line that makes no sense is passed over.
    fn note(&mut self, line: &[u8]) {
        match line {
            [b'+', number @ ..] => {
                self.beginning = group(number);
                self.groups.extend(self.beginning);
            }
            b"=" => self.beginning = None,
            b"!" => {
                if let Some(never_ran) = self.beginning.take() {
                    self.groups.remove(&never_ran);
                }
            }
            [b'-', number @ ..] => {
                if let Some(dead) = group(number) {
                    self.groups.remove(&dead);
                }
            }
            [b'~', path @ ..] => {
                let path = Path::new(OsStr::from_bytes(path));
                if path.is_absolute() && path.parent().is_some() {
                    self.folders.insert(path.to_owned());
                }
            }
            [b'%', path @ ..] => {
                let path = Path::new(OsStr::from_bytes(path));
                self.cgroups = path.is_absolute().then(|| path.to_owned());
            }
            [b'*', mark @ ..] => self.mark = Mark::told(mark),
            _ => {}
        }
    }

    fn clear_away(self) {
        for &group in &self.groups {
            // A group that is gone already is as it should be, and one that belongs to another
            // user by now cannot be helped.
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        if let Some(home) = &self.cgroups {
            leftovers::end_cgroups(home);
        }
        if let Some(mark) = &self.mark {
            leftovers::end_marked(mark);
        }
        for folder in &self.folders {
            for _ in 0..REMOVALS {
                match fs::remove_dir_all(folder) {
                    Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                    _ => break,
                }
            }
        }
    }
}

/// A group's number. 0 and 1 are none: to `killpg` they mean the caller's own group, and everybody.
fn group(number: &[u8]) -> Option<i32> {
    std::str::from_utf8(number).ok()?.parse().ok().filter(|&group| group > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(lines: &[&str]) -> Vec<i32> {
        let mut ward = Ward::default();
        for line in lines {
            ward.note(line.as_bytes());
        }
        ward.groups.into_iter().collect()
    }

    #[test]
    fn a_group_counts_from_its_beginning_to_its_end() {
        assert_eq!(after(&["+70"]), [70]);
        assert_eq!(after(&["+70", "=", "+80", "=", "-70"]), [80]);
    }

    #[test]
    fn a_group_that_never_ran_its_program_is_forgotten_and_no_other_is() {
        assert_eq!(after(&["+70", "=", "+80", "!"]), [70]);
        assert_eq!(after(&["+70", "=", "!"]), [70]);
    }

    #[test]
    fn what_would_kill_the_warden_or_everybody_is_no_group() {
        assert_eq!(after(&["+0", "+1", "+-5", "+", "+x", "", "?", "+99999999999"]), [] as [i32; 0]);
    }

    #[test]
    fn only_a_whole_path_is_a_folder_to_remove() {
        let mut ward = Ward::default();
        for line in ["~", "~relative", "~/", "~/run/replug/x"] {
            ward.note(line.as_bytes());
        }
        assert_eq!(ward.folders.into_iter().collect::<Vec<_>>(), [Path::new("/run/replug/x")]);
    }
}
