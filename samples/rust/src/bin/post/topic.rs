//! A topic: its messages, and the groups that they are for.
//!
//! Messages are numbered. The name of their file has the number of the first that is in it: what
//! every group has acknowledged is left out at some time, by a new file in the old one's place.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use replug_sdk::component::pubsub::Message;

use crate::group::Group;
use crate::journal::{Journal, Record};

/// How the files of messages end.
const MESSAGES: &str = ".messages";

/// How the files of groups end.
const GROUP: &str = ".group";

/// What of a message's metadata says which one of its topic it is, from zero on. An event that was
/// published twice is there under two numbers; one that is handed out twice has the same.
const NUMBER: &str = "number";

/// So many messages that nobody needs any more are left out at a time.
const NEEDLESS: usize = 500;

/// One topic.
pub(crate) struct Topic {
    name: String,
    folder: PathBuf,
    inner: Mutex<Inner>,
}

struct Inner {
    journal: Journal,
    /// How many messages were ever published.
    count: u64,
    groups: HashMap<String, Arc<Group>>,
}

impl Topic {
    /// The topic with what is kept of it.
    pub(crate) fn open(folder: &Path, name: &str) -> io::Result<Self> {
        let prefix = encoded(name);
        let (mut files, mut consumers) = (Vec::new(), Vec::new());
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
            let Some(rest) = file.strip_prefix(&format!("{prefix}.")) else { continue };
            if let Some(base) = rest.strip_suffix(MESSAGES).and_then(|base| base.parse().ok()) {
                files.push((base, path.clone()));
            } else if let Some(consumer) = rest.strip_suffix(GROUP) {
                consumers.push((consumer.to_owned(), path.clone()));
            }
        }
        files.sort();
        let file = |base: u64| folder.join(format!("{prefix}.{base}{MESSAGES}"));
        let (base, path) = files.pop().unwrap_or_else(|| (0, file(0)));
        // What the newest has taken the place of, when that was cut short.
        for (_, path) in files {
            std::fs::remove_file(path)?;
        }
        let (mut journal, records) = Journal::open(&path)?;
        let count = base + records.len() as u64;
        let numbered = records.iter().zip(base..);
        let messages: Vec<_> =
            numbered.map(|(record, at)| Arc::new(message(name, at, record.clone()))).collect();
        let mut groups = HashMap::new();
        for (consumer, path) in consumers {
            groups.insert(consumer, Group::open(&path, base, &messages)?);
        }
        let needed = groups.values().filter_map(|group| group.first()).min().unwrap_or(count);
        let needless = usize::try_from(needed - base).unwrap_or(0);
        if needless >= NEEDLESS {
            journal = Journal::create(&file(needed), &records[needless..])?;
            std::fs::remove_file(path)?;
        }
        let inner = Mutex::new(Inner { journal, count, groups });
        Ok(Self { name: name.to_owned(), folder: folder.to_owned(), inner })
    }

    /// Keeps a message for every group.
    pub(crate) fn put(&self, record: Record) -> io::Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.journal.add(&record)?;
        let number = inner.count;
        inner.count += 1;
        let message = Arc::new(message(&self.name, number, record));
        for group in inner.groups.values() {
            group.put(number, message.clone());
        }
        Ok(())
    }

    /// The group of that consumer. One that is new has what is published from now on.
    pub(crate) fn group(&self, name: &str) -> io::Result<Arc<Group>> {
        let consumer = encoded(name);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = inner.groups.get(&consumer) {
            return Ok(group.clone());
        }
        let path = self.folder.join(format!("{}.{consumer}{GROUP}", encoded(&self.name)));
        let group = Group::create(&path, inner.count)?;
        inner.groups.insert(consumer, group.clone());
        println!("{name} is a new consumer of {}", self.name);
        Ok(group)
    }
}

fn message(topic: &str, number: u64, record: Record) -> Message {
    let Record { data, mut metadata, content_type } = record;
    metadata.insert(NUMBER.into(), number.to_string());
    Message { data: data.into(), topic: topic.to_owned(), metadata, content_type }
}

/// A name as a part of a file's: letters and digits stay, everything else becomes `%` and a number.
fn encoded(name: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    name.bytes().map(byte).collect()
}
