//! A plugin's own file: what it printed, rotated by size and age.
//!
//! The crates for rotated files (file-rotate, rolling-file, logroller) pass over what goes wrong or
//! print it to standard error; here a full disk or a folder that is gone is the case that counts. So
//! a line is in the file whole or not at all, what is missing is counted and told, and writing goes
//! on by itself when it can.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::mem;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::fcntl::OFlag;
use parking_lot::Mutex;

use super::printout::Record;
use super::text::CUT;

/// How much is gathered before it is written, in bytes.
const BATCH: usize = 32 * 1024;

/// Where a plugin's lines are written, and for how long they are kept there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePolicy {
    /// The file; rotated ones have `.1`, `.2` … behind its name, the youngest first.
    pub path: PathBuf,
    /// How large it may become before it is rotated, in bytes.
    pub max_size: u64,
    /// How old it may become before it is rotated. None: as old as it likes.
    pub max_age: Option<Duration>,
    /// How many rotated files are kept.
    pub keep: usize,
    /// Whether a line has its time and its stream before it.
    pub stamps: bool,
}

/// A plugin's own file.
#[derive(Debug)]
pub(super) struct PluginFile {
    policy: FilePolicy,
    /// Why it is not written.
    trouble: Mutex<Option<String>>,
    /// For the thread that writes: held while it does.
    writing: Mutex<Writing>,
}

#[derive(Debug, Default)]
struct Writing {
    open: Option<Open>,
    batch: Vec<u8>,
    /// Lines in the batch.
    lines: u64,
    /// Lines that are missing after the last one in the file.
    missing: u64,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// What tells it from another file at its path.
    identity: (u64, u64),
    begun: SystemTime,
}

/// What came of writing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Lines that were lost just now.
    pub(super) lost: u64,
    pub(super) news: Option<News>,
}

/// What is to be told of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// It cannot be written, for this reason.
    Broken(String),
    /// It is written again; so many lines are missing in it.
    Mended(u64),
}

// === impl PluginFile ===

impl PluginFile {
    pub(super) fn new(policy: FilePolicy) -> Self {
        Self { policy, trouble: Mutex::default(), writing: Mutex::default() }
    }

    pub(super) fn policy(&self) -> &FilePolicy {
        &self.policy
    }

    /// Why it is not written, while it is not.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().clone()
    }

    /// Takes a line, to be written by [`Self::flush`]. Whether it is time for that.
    pub(super) fn append(&self, record: &Record) -> bool {
        let mut writing = self.writing.lock();
        if self.policy.stamps {
            let at = humantime::format_rfc3339_micros(record.at);
            // Writing to memory does not fail.
            let _ = match record.instance {
                None => write!(writing.batch, "{at} {} ", record.stream),
                Some(instance) => write!(writing.batch, "{at} @{instance} {} ", record.stream),
            };
        }
        writing.batch.extend_from_slice(record.line.bytes());
        if record.line.is_cut() {
            writing.batch.extend_from_slice(CUT.as_bytes());
        }
        writing.batch.push(b'\n');
        writing.lines += 1;
        writing.batch.len() >= BATCH
    }

    /// So many lines were dropped on their way here.
    pub(super) fn missed(&self, lines: u64) {
        self.writing.lock().missing += lines;
    }

    /// Writes what was taken, or drops it where that cannot be done. May block for as long as the
    /// file system does.
    pub(super) fn flush(&self) -> Outcome {
        let mut writing = self.writing.lock();
        let (batch, lines) = (mem::take(&mut writing.batch), mem::take(&mut writing.lines));
        let written = writing.write(&self.policy, batch);
        let mut trouble = self.trouble.lock();
        match written {
            Ok(()) => {
                let missing = mem::take(&mut writing.missing);
                Outcome { lost: 0, news: trouble.take().map(|_| News::Mended(missing)) }
            }
            Err(error) => {
                writing.open = None;
                writing.missing += lines;
                let why = format!("{}: {error}", self.policy.path.display());
                let known = trouble.replace(why.clone()).is_some();
                Outcome { lost: lines, news: (!known).then_some(News::Broken(why)) }
            }
        }
    }
}

// === impl Writing ===

impl Writing {
    /// Writes the batch as a whole or not at all.
    fn write(&mut self, policy: &FilePolicy, mut batch: Vec<u8>) -> io::Result<()> {
        if self.missing > 0 {
            let note = format!("({} lines are missing here)\n", self.missing);
            batch.splice(..0, note.into_bytes());
        }
        let adding = batch.len() as u64;
        let mut size = self.reopen(policy)?;
        if let Some(open) = &self.open
            && (size > 0 && size + adding > policy.max_size || open.is_older_than(policy.max_age))
        {
            self.open = None;
            rotate(&policy.path, policy.keep)?;
            size = self.reopen(policy)?;
        }
        let Some(open) = &mut self.open else { return Err(io::ErrorKind::NotFound.into()) };
        open.file.write_all(&batch).inspect_err(|_| {
            // No half line stays. Where this fails as well, one does.
            let _ = open.file.set_len(size);
        })
    }

    /// Sees to it that the open file is the one at the path: it may have been moved or removed.
    /// Gives its size.
    fn reopen(&mut self, policy: &FilePolicy) -> io::Result<u64> {
        if let Some(open) = &self.open
            && let Ok(found) = fs::symlink_metadata(&policy.path)
            && (found.dev(), found.ino()) == open.identity
        {
            return Ok(found.len());
        }
        let (open, size) = Open::at(&policy.path)?;
        self.open = Some(open);
        Ok(size)
    }
}

// === impl Open ===

impl Open {
    /// The file, which is made if it is not there, as is its folder. Its size besides.
    fn at(path: &Path) -> io::Result<(Self, u64)> {
        /// Others than replug's user and group have no business with what plugins print.
        const MODE: u32 = 0o640;
        const FOLDER_MODE: u32 = 0o750;
        // Not through a symbolic link, which somebody else may have laid, and not into a pipe that
        // waits for a reader.
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let open = || {
            let mut how = OpenOptions::new();
            how.append(true).create(true).mode(MODE).custom_flags(flags.bits()).open(path)
        };
        let file = match (open(), path.parent()) {
            (Err(error), Some(folder)) if error.kind() == io::ErrorKind::NotFound => {
                DirBuilder::new().mode(FOLDER_MODE).create(folder)?;
                open()?
            }
            (opened, _) => opened?,
        };
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::other("is no regular file"));
        }
        let begun = found.created().unwrap_or_else(|_| SystemTime::now());
        let identity = (found.dev(), found.ino());
        Ok((Self { file, identity, begun }, found.len()))
    }

    fn is_older_than(&self, limit: Option<Duration>) -> bool {
        // A clock that was set back makes it no older.
        let age = self.begun.elapsed().unwrap_or_default();
        limit.is_some_and(|limit| age > limit)
    }
}

/// Makes room for a new file at the path.
fn rotate(path: &Path, keep: usize) -> io::Result<()> {
    // What an earlier plan kept and this one does not.
    let surplus = (keep.max(1)..).map(|number| rotated(path, number));
    for old in surplus {
        match fs::remove_file(old) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error),
        }
    }
    for number in (1..keep).rev() {
        match fs::rename(rotated(path, number), rotated(path, number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    if keep == 0 { fs::remove_file(path) } else { fs::rename(path, rotated(path, 1)) }
}

/// The path of a rotated file.
fn rotated(path: &Path, number: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::super::Stream;
    use super::super::line::Line;
    use super::*;

    fn file(folder: &Path, change: impl FnOnce(&mut FilePolicy)) -> PluginFile {
        let mut policy = FilePolicy {
            path: folder.join("logs/p.log"),
            max_size: 100,
            max_age: None,
            keep: 2,
            stamps: false,
        };
        change(&mut policy);
        PluginFile::new(policy)
    }

    fn print(file: &PluginFile, text: &str) -> Outcome {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1500);
        let line = Line::new(text.as_bytes(), false);
        let (instance, stream) = (None, Stream::Stderr);
        file.append(&Record { order: 0, at, instance, generation: 1, stream, line });
        file.flush()
    }

    fn read(file: &PluginFile, number: usize) -> Option<String> {
        let path = file.policy().path.clone();
        let path = if number == 0 { path } else { rotated(&path, number) };
        fs::read_to_string(path).ok()
    }

    #[test]
    fn a_file_is_rotated_before_it_is_too_large_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path(), |_| ());
        for letter in ["a", "b", "c", "d", "e", "f", "g"] {
            assert_eq!(print(&file, &letter.repeat(49)), Outcome::default());
        }
        let of = |letters: &str| {
            Some(letters.chars().map(|c| c.to_string().repeat(49) + "\n").collect::<String>())
        };
        assert_eq!(read(&file, 0), of("g"));
        assert_eq!(read(&file, 1), of("ef"));
        assert_eq!(read(&file, 2), of("cd"));
        assert_eq!(read(&file, 3), None);
    }

    #[test]
    fn a_line_that_is_longer_than_a_file_may_be_is_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path(), |policy| policy.keep = 0);
        print(&file, &"x".repeat(500));
        print(&file, "y");
        assert_eq!(read(&file, 0).as_deref(), Some("y\n"));
        assert_eq!(read(&file, 1), None);
    }

    #[test]
    fn a_file_is_rotated_when_it_is_old() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path(), |policy| policy.max_age = Some(Duration::ZERO));
        print(&file, "a");
        print(&file, "b");
        assert_eq!((read(&file, 0), read(&file, 1)), (Some("b\n".into()), Some("a\n".into())));
    }

    #[test]
    fn fewer_files_are_kept_when_a_plan_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let many = file(folder.path(), |policy| (policy.max_size, policy.keep) = (1, 5));
        "abcdefg".chars().for_each(|c| drop(print(&many, &c.to_string())));
        assert!(read(&many, 5).is_some());
        let few = file(folder.path(), |policy| policy.max_size = 1);
        print(&few, "h");
        assert!(read(&few, 2).is_some());
        assert!((3..=5).all(|number| read(&few, number).is_none()));
    }

    #[test]
    fn a_line_has_its_time_and_stream_before_it_where_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path(), |policy| policy.stamps = true);
        print(&file, "a");
        assert_eq!(read(&file, 0).unwrap(), "1970-01-01T00:00:01.500000Z stderr a\n");
    }

    #[test]
    fn a_file_that_was_moved_or_removed_with_its_folder_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path(), |_| ());
        print(&file, "a");
        fs::rename(&file.policy().path, folder.path().join("elsewhere")).unwrap();
        print(&file, "b");
        assert_eq!(read(&file, 0).as_deref(), Some("b\n"));
        fs::remove_dir_all(folder.path().join("logs")).unwrap();
        assert_eq!(print(&file, "c"), Outcome::default());
        assert_eq!(read(&file, 0).as_deref(), Some("c\n"));
    }

    #[test]
    fn trouble_is_told_once_and_what_is_missing_when_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path(), |_| ());
        let in_the_way = folder.path().join("logs");
        fs::write(&in_the_way, "").unwrap();
        let Outcome { lost: 1, news: Some(News::Broken(why)) } = print(&file, "a") else {
            panic!("it can be written")
        };
        assert!(why.contains("p.log"), "{why}");
        assert_eq!(file.trouble(), Some(why));
        assert_eq!(print(&file, "b"), Outcome { lost: 1, news: None });
        file.missed(5);
        fs::remove_file(in_the_way).unwrap();
        assert_eq!(print(&file, "c"), Outcome { lost: 0, news: Some(News::Mended(7)) });
        assert_eq!(file.trouble(), None);
        assert_eq!(read(&file, 0).as_deref(), Some("(7 lines are missing here)\nc\n"));
    }

    #[test]
    fn nothing_is_written_through_a_link_or_into_a_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path(), |_| ());
        let path = &file.policy().path;
        fs::create_dir(path.parent().unwrap()).unwrap();
        let victim = folder.path().join("victim");
        std::os::unix::fs::symlink(&victim, path).unwrap();
        assert_eq!(print(&file, "a").lost, 1);
        assert!(!victim.exists());
        fs::remove_file(path).unwrap();
        nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(print(&file, "a").lost, 1);
    }
}
