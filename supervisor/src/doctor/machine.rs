//! The machine as its files tell of it.

use std::fs;
use std::path::{Path, PathBuf};

/// A machine, by the root of its file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    root: PathBuf,
}

impl Machine {
    /// The one that this process runs on.
    #[must_use]
    pub fn this() -> Self {
        Self::below("/")
    }

    /// One whose `/proc`, `/sys`, `/run` and `/etc` are below this folder. What is asked of the
    /// kernel itself is asked of this machine's.
    #[must_use]
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// A path that begins at the root.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// What a file says, without space around it; none where it cannot be read.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        Some(fs::read_to_string(self.path(path)).ok()?.trim().to_owned())
    }

    /// The number that a file says.
    pub(super) fn number(&self, path: &str) -> Option<u64> {
        self.read(path)?.parse().ok()
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// The processes that there are, each with its folder in `/proc`.
    pub(super) fn processes(&self) -> Vec<(u32, PathBuf)> {
        let entries = fs::read_dir(self.path("proc")).into_iter().flatten().flatten();
        let numbered = |path: PathBuf| Some((path.file_name()?.to_str()?.parse().ok()?, path));
        entries.filter_map(|entry| numbered(entry.path())).collect()
    }
}

/// What is behind the descriptors of the process whose folder in `/proc` this is; nothing where one
/// may not look.
pub(super) fn descriptors(process: &Path) -> Vec<PathBuf> {
    let links = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    links.filter_map(|link| fs::read_link(link.path()).ok()).collect()
}
