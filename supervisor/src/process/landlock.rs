//! Landlock, where namespaces are refused: a list of what may be done, for a process that is to be
//! denied something. So what is denied is carved out of all there is, at the time of the start:
//! beside a hidden folder, only what was there then can be used.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, path_beneath_rules,
};

/// The version of the kernel's interface that is asked for; an older kernel gives what it has.
const VERSION: ABI = ABI::V5;

/// The first version that knows of TCP.
pub(super) const KNOWS_TCP: u32 = 4;

/// What may be done with a path and what is below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Right {
    Nothing,
    Read,
    Write,
}

/// What is denied.
pub(super) struct Denied<'a> {
    pub(super) hidden: &'a [PathBuf],
    pub(super) read_only: &'a [PathBuf],
    /// In spite of both.
    pub(super) writable: &'a [PathBuf],
    pub(super) tcp: bool,
}

impl Denied<'_> {
    /// The rules, for a child to be held to. None where the kernel has no Landlock.
    pub(super) fn rules(&self) -> Result<Option<OwnedFd>, String> {
        let failed = |error: landlock::RulesetError| error.to_string();
        let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
        let files = !self.hidden.is_empty() || !self.read_only.is_empty();
        if files {
            ruleset = ruleset.handle_access(AccessFs::from_all(VERSION)).map_err(failed)?;
        }
        if self.tcp {
            ruleset = ruleset.handle_access(AccessNet::from_all(VERSION)).map_err(failed)?;
        }
        let mut rules = ruleset.create().map_err(failed)?;
        if files {
            let mut allowed = Vec::new();
            self.carve(Path::new("/"), &mut allowed);
            for (path, right) in allowed {
                rules =
                    rules.add_rules(path_beneath_rules([path], access(right))).map_err(failed)?;
            }
        }
        Ok(rules.into())
    }

    /// Gathers what may be done below `path`. A rule holds for all that is below its path, so one
    /// is made only where nothing below has less.
    fn carve(&self, path: &Path, allowed: &mut Vec<(PathBuf, Right)>) {
        let right = self.right(path);
        let below: Vec<_> = self.named().filter(|it| *it != path && it.starts_with(path)).collect();
        let least = below.iter().map(|path| self.right(path)).min().unwrap_or(right).min(right);
        if least > Right::Nothing {
            allowed.push((path.to_owned(), least));
        }
        if below.is_empty() || below.iter().all(|path| self.right(path) == least) && least == right
        {
            return;
        }
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            // What a link points to has a place of its own.
            if !entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
                self.carve(&entry.path(), allowed);
            }
        }
    }

    fn named(&self) -> impl Iterator<Item = &Path> {
        let all = self.hidden.iter().chain(self.read_only).chain(self.writable);
        all.map(PathBuf::as_path)
    }

    /// What the longest of the paths that `path` is at or below says of it.
    fn right(&self, path: &Path) -> Right {
        let length = |paths: &[PathBuf]| {
            let above = paths.iter().filter(|above| path.starts_with(above));
            above.map(|above| above.components().count()).max().unwrap_or(0)
        };
        let (hidden, read_only, writable) =
            (length(self.hidden), length(self.read_only), length(self.writable));
        if hidden > 0 && hidden >= read_only && hidden > writable {
            Right::Nothing
        } else if read_only > writable {
            Right::Read
        } else {
            Right::Write
        }
    }
}

fn access(right: Right) -> BitFlags<AccessFs> {
    match right {
        Right::Nothing => BitFlags::empty(),
        Right::Read => AccessFs::from_read(VERSION),
        Right::Write => AccessFs::from_all(VERSION),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_denied_is_carved_out_of_what_is_allowed() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        let at = |path: &str| home.join(path);
        for folder in ["open", "secret", "fixed/data", "fixed/rest"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        let denied = Denied {
            hidden: &[at("secret")],
            read_only: &[at("fixed")],
            writable: &[at("fixed/data")],
            tcp: false,
        };
        let mut allowed = Vec::new();
        denied.carve(&home, &mut allowed);
        allowed.sort();
        let wanted = [
            (at("fixed"), Right::Read),
            (at("fixed/data"), Right::Write),
            (at("fixed/rest"), Right::Read),
            (at("open"), Right::Write),
        ];
        assert_eq!(allowed, wanted);
    }
}
