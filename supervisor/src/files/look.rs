//! A look through everything that is watched. Blocking.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::{GlobBuilder, GlobMatcher};

use super::Watching;
use crate::sockets::SocketWatch;
use crate::sockets::bell::{Bell, Watched};

/// More files than this are no plugin's.
const MOST_FILES: usize = 10_000;

/// More folders than this would take too many of the kernel's watches.
const MOST_FOLDERS: usize = 1_000;

/// What Python makes beside the files that it runs: the plugin's own doing, and no change of it.
const MADE_BY_RUNNING: &str = "__pycache__";

/// What a look gave.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) seen: Seen,
    /// What rings the bell from now on.
    pub(super) hung: Vec<Watched>,
    pub(super) trouble: Option<String>,
}

/// The files that were there.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    files: BTreeMap<PathBuf, Stamp>,
    /// Those that were asked for by name.
    named: BTreeSet<PathBuf>,
}

/// Tells a file from what it was before it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    mode: u32,
    written: (i64, i64),
}

/// A look under way.
struct Walk<'w> {
    watch: &'w SocketWatch,
    bell: &'w Arc<Bell>,
    folders: BTreeSet<PathBuf>,
    look: Look,
}

// === impl Look ===

impl Look {
    /// Hangs the bell on every folder that matters, and looks through it after that: what happens
    /// after the look rings the bell.
    pub(super) fn through(what: &[Watching], watch: &SocketWatch, bell: &Arc<Bell>) -> Self {
        let look = Self { seen: Seen::default(), hung: Vec::new(), trouble: None };
        let mut walk = Walk { watch, bell, folders: BTreeSet::new(), look };
        for what in what {
            match what {
                Watching::Path(path) => walk.named(path),
                Watching::Glob { base, pattern } => {
                    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
                    match glob {
                        Ok(glob) => walk.matching(base, &glob.compile_matcher()),
                        Err(error) => walk.trouble(error.to_string()),
                    }
                }
            }
        }
        walk.look
    }
}

// === impl Walk ===

impl Walk<'_> {
    fn trouble(&mut self, reason: String) {
        self.look.trouble.get_or_insert(reason);
    }

    /// Hangs the bell on a folder, or on the nearest above it that is there.
    fn hang(&mut self, folder: &Path) {
        let Some(there) = folder.ancestors().find(|above| above.is_dir()) else { return };
        if self.folders.contains(there) {
            return;
        }
        if self.folders.len() == MOST_FOLDERS {
            self.trouble(format!("there are more than {MOST_FOLDERS} folders to watch"));
            return;
        }
        self.folders.insert(there.to_owned());
        match self.watch.add(there, self.bell.clone()) {
            Ok(watched) => self.look.hung.push(watched),
            Err(error) => self.trouble(error.to_string()),
        }
    }

    fn named(&mut self, path: &Path) {
        if let Some(folder) = path.parent() {
            self.hang(folder);
        }
        // Where the path is a symbolic link, the file itself is elsewhere.
        if let Ok(real) = path.canonicalize()
            && let Some(folder) = real.parent()
        {
            self.hang(folder);
        }
        match path.metadata() {
            Ok(data) if data.is_dir() => self.below(path, &|_| true),
            Ok(data) => {
                self.look.seen.named.insert(path.to_owned());
                self.file(path.to_owned(), &data);
            }
            Err(_) => {}
        }
    }

    fn matching(&mut self, base: &Path, glob: &GlobMatcher) {
        self.hang(base);
        let matches = |path: &Path| path.strip_prefix(base).is_ok_and(|path| glob.is_match(path));
        self.below(base, &matches);
    }

    /// The files of a folder and of those below it, but what is hidden. Links to folders are not
    /// followed: they may lead up again.
    fn below(&mut self, folder: &Path, counts: &dyn Fn(&Path) -> bool) {
        self.hang(folder);
        if self.look.trouble.is_some() {
            return;
        }
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let (name, path) = (entry.file_name(), entry.path());
            if name.as_bytes().starts_with(b".") || name == MADE_BY_RUNNING {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.below(&path, counts),
                Ok(_) if counts(&path) => {
                    if let Ok(data) = path.metadata()
                        && data.is_file()
                    {
                        self.file(path, &data);
                    }
                }
                _ => {}
            }
        }
    }

    fn file(&mut self, path: PathBuf, data: &Metadata) {
        if self.look.seen.files.len() == MOST_FILES {
            self.trouble(format!("there are more than {MOST_FILES} files to watch"));
            return;
        }
        self.look.seen.files.insert(path, Stamp::of(data));
    }
}

// === impl Stamp ===

impl Stamp {
    fn of(data: &Metadata) -> Self {
        Self {
            device: data.dev(),
            inode: data.ino(),
            size: data.size(),
            mode: data.mode(),
            written: (data.mtime(), data.mtime_nsec()),
        }
    }
}

// === impl Seen ===

impl Seen {
    /// Whether something is gone from `later` that was asked for by name.
    pub(super) fn lacks_of(&self, later: &Self) -> bool {
        self.named.iter().any(|path| !later.files.contains_key(path))
    }

    /// What came, went or was written until `later`.
    pub(super) fn differences(&self, later: &Self) -> Vec<PathBuf> {
        let went = self.files.keys().filter(|path| !later.files.contains_key(*path));
        let came = later.files.iter().filter(|(path, stamp)| self.files.get(*path) != Some(stamp));
        went.chain(came.map(|(path, _)| path)).cloned().collect()
    }
}
