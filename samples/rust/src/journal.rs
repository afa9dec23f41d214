//! The journal: a file that only grows, and that is whole whenever the process is killed.
//!
//! After eight bytes that say what the file is come frames: the length of a [`Record`] and its
//! CRC-32, four bytes each, little endian, then the record. A frame is begun when the one before it
//! is on disk, so only the last can be broken, and nobody was told that it is written.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Read, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use prost::Message as _;

use crate::record::Record;

const MAGIC: &[u8; 8] = b"notebk1\n";

/// The length and the checksum before each record.
const FRAME_HEADER: usize = 8;

pub struct Journal {
    /// Locked, so that no other process writes.
    file: Flock<File>,
    /// How much of the file is good.
    length: u64,
    /// A write failed, so what the file holds is not known.
    broken: bool,
}

impl Journal {
    /// Opens the journal at `path`, made where there is none, and tells `replay` every record.
    pub fn open(path: &Path, mut replay: impl FnMut(Record)) -> io::Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let file = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
            match io::Error::from(errno).kind() {
                ErrorKind::WouldBlock => {
                    io::Error::new(ErrorKind::WouldBlock, "another process has it open")
                }
                _ => errno.into(),
            }
        })?;

        let size = file.metadata()?.len();
        let mut reader = BufReader::new(&*file);
        let mut length = 0;
        if read_magic(&mut reader)? {
            length = MAGIC.len() as u64;
            while let Some((record, bytes)) = read_frame(&mut reader, size - length)? {
                replay(record);
                length += bytes;
            }
        }
        let mut journal = Self { file, length, broken: false };
        if length < size {
            journal.cut(path, size)?;
        }
        if length == 0 {
            journal.write(MAGIC)?;
            // The file's name has to be on disk too.
            File::open(path.canonicalize()?.parent().unwrap_or(path))?.sync_all()?;
        }
        Ok(journal)
    }

    /// Sets what follows the last good frame aside. It is what a killed process was about to
    /// write, unless the disk has lost something: whoever wants to know can look.
    fn cut(&mut self, path: &Path, size: u64) -> io::Result<()> {
        let mut aside = PathBuf::from(path).into_os_string();
        aside.push(".cut");
        let mut rest = vec![0; usize::try_from(size - self.length).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut rest, self.length)?;
        std::fs::write(&aside, &rest)?;
        eprintln!(
            "notebook: {} ends with {} bytes of an unfinished write, set aside in {}",
            path.display(),
            rest.len(),
            aside.display()
        );
        self.file.set_len(self.length)?;
        self.file.sync_all()
    }

    /// Writes a record. Once it returns, the record is on disk; once it has failed, it fails until
    /// the journal is opened again.
    pub fn append(&mut self, record: &Record) -> io::Result<()> {
        let body = record.encode_to_vec();
        let length = u32::try_from(body.len()).map_err(io::Error::other)?;
        let mut frame = Vec::with_capacity(FRAME_HEADER + body.len());
        frame.extend(length.to_le_bytes());
        frame.extend(crc32fast::hash(&body).to_le_bytes());
        frame.extend(body);
        self.write(&frame)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("an earlier write failed; start the plugin again"));
        }
        let written = (&*self.file).write_all(bytes).and_then(|()| self.file.sync_data());
        self.broken = written.is_err();
        written?;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

/// Whether the file begins as a journal does; not so if it is empty or its first write was not
/// finished. Fails on a file of another kind, which is left as it is.
fn read_magic(reader: &mut impl Read) -> io::Result<bool> {
    let mut start = Vec::with_capacity(MAGIC.len());
    reader.take(MAGIC.len() as u64).read_to_end(&mut start)?;
    if start == MAGIC {
        Ok(true)
    } else if MAGIC.starts_with(&start) {
        Ok(false)
    } else {
        Err(io::Error::new(ErrorKind::InvalidData, "it is no journal of a notebook"))
    }
}

/// The next record and the bytes of its frame, of the `left` that the file still has; none at the
/// end and where a frame is broken.
fn read_frame(reader: &mut impl Read, left: u64) -> io::Result<Option<(Record, u64)>> {
    if left < FRAME_HEADER as u64 {
        return Ok(None);
    }
    let (mut length, mut checksum) = ([0; 4], [0; 4]);
    reader.read_exact(&mut length)?;
    reader.read_exact(&mut checksum)?;
    let length = u32::from_le_bytes(length);
    let bytes = FRAME_HEADER as u64 + u64::from(length);
    // There is no record of no bytes, but a disk may leave zeros where a write did not end.
    if length == 0 || bytes > left {
        return Ok(None);
    }
    let mut body = vec![0; length as usize];
    reader.read_exact(&mut body)?;
    if crc32fast::hash(&body) != u32::from_le_bytes(checksum) {
        return Ok(None);
    }
    let record = Record::decode(body.as_slice())
        .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
    Ok(Some((record, bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Change;

    fn record(version: u64) -> Record {
        Record { changes: vec![Change { key: "k".into(), version, value: None }] }
    }

    fn replayed(path: &Path) -> Vec<u64> {
        let mut versions = Vec::new();
        Journal::open(path, |record| versions.push(record.changes[0].version)).unwrap();
        versions
    }

    #[test]
    fn a_write_that_was_cut_short_is_as_if_it_had_not_begun() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/journal");
        let mut journal = Journal::open(&path, |_| panic!("it is empty")).unwrap();
        journal.append(&record(1)).unwrap();
        journal.append(&record(2)).unwrap();
        drop(journal);
        let whole = std::fs::read(&path).unwrap();

        for end in 0..whole.len() {
            std::fs::write(&path, &whole[..end]).unwrap();
            let good = replayed(&path);
            assert!(good == [1] || good.is_empty(), "{end} bytes: {good:?}");
            Journal::open(&path, |_| {}).unwrap().append(&record(3)).unwrap();
            assert_eq!(replayed(&path), [good, vec![3]].concat());
        }
        std::fs::write(&path, [whole.as_slice(), &[0; 64]].concat()).unwrap();
        assert_eq!(replayed(&path), [1, 2]);
    }

    #[test]
    fn a_journal_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let _first = Journal::open(&path, |_| {}).unwrap();
        let second = Journal::open(&path, |_| {}).err().unwrap();
        assert_eq!(second.to_string(), "another process has it open");
    }

    #[test]
    fn a_file_of_another_kind_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("letter");
        std::fs::write(&path, "Dear Ada").unwrap();
        let error = Journal::open(&path, |_| {}).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "Dear Ada");
    }
}
