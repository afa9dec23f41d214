//! A file of records, each with its length and its checksum. What a process's death has cut off at
//! the end is taken away when it is opened.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use prost::Message as _;

/// Length and checksum of a record, in bytes.
const HEAD: usize = 8;

/// A message that was published.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Record {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) data: Vec<u8>,
    #[prost(map = "string, string", tag = "2")]
    pub(crate) metadata: HashMap<String, String>,
    #[prost(string, optional, tag = "3")]
    pub(crate) content_type: Option<String>,
}

/// The messages of one topic, in their order.
pub(crate) struct Journal(File);

impl Journal {
    /// Opens the file, made where there is none, and gives what is in it.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Vec<Record>)> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        let (mut records, mut at) = (Vec::new(), 0);
        while let Some((record, length)) = first(&content[at..]) {
            records.push(record);
            at += length;
        }
        if at < content.len() {
            file.set_len(u64::try_from(at).unwrap_or(u64::MAX))?;
        }
        Ok((Self(file), records))
    }

    /// A file of these records. It is there as a whole or not at all.
    pub(crate) fn create(path: &Path, records: &[Record]) -> io::Result<Self> {
        let mut content = Vec::new();
        for record in records {
            content.extend(framed(record)?);
        }
        let draft = path.with_extension("draft");
        std::fs::write(&draft, content)?;
        std::fs::rename(&draft, path)?;
        Ok(Self(OpenOptions::new().append(true).open(path)?))
    }

    /// Adds a record. The system has it when this has returned, whatever becomes of the process.
    pub(crate) fn add(&mut self, record: &Record) -> io::Result<()> {
        let whole = framed(record)?;
        let before = self.0.metadata()?.len();
        self.0.write_all(&whole).inspect_err(|_| {
            // Nothing half is left before the next one; where that fails too, the next process cuts.
            let _ = self.0.set_len(before);
        })
    }
}

/// A record as it is in the file.
fn framed(record: &Record) -> io::Result<Vec<u8>> {
    let body = record.encode_to_vec();
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    let mut whole = Vec::with_capacity(HEAD + body.len());
    whole.extend(length.to_le_bytes());
    whole.extend(crc32fast::hash(&body).to_le_bytes());
    whole.extend(body);
    Ok(whole)
}

/// The record at the beginning, and how long it is there; none where there is no whole one.
fn first(content: &[u8]) -> Option<(Record, usize)> {
    let number = |at: usize| content.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    let length = usize::try_from(number(0)?).ok()?;
    let body = content.get(HEAD..HEAD.checked_add(length)?)?;
    let whole = crc32fast::hash(body) == number(4)?;
    whole.then(|| Record::decode(body).ok()).flatten().map(|record| (record, HEAD + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_off_is_taken_away_and_the_rest_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let record = |text: &str| Record { data: text.into(), ..Record::default() };
        let (mut journal, _) = Journal::open(&path).unwrap();
        journal.add(&record("a")).unwrap();
        journal.add(&record("b")).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in 0..=whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let (mut journal, records) = Journal::open(&path).unwrap();
            assert_eq!(records, [record("a"), record("b")][..length * 2 / whole.len()]);
            journal.add(&record("c")).unwrap();
            assert_eq!(Journal::open(&path).unwrap().1.last(), Some(&record("c")));
        }
    }
}
