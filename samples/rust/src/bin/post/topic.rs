//! A topic: its messages, and the groups that they are for.

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
        let (journal, records) = Journal::open(&folder.join(format!("{prefix}{MESSAGES}")))?;
        let count = records.len() as u64;
        let messages: Vec<_> = records.into_iter().map(|it| Arc::new(message(name, it))).collect();
        let mut groups = HashMap::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
            let rest = file.strip_prefix(&format!("{prefix}."));
            if let Some(consumer) = rest.and_then(|rest| rest.strip_suffix(GROUP)) {
                groups.insert(consumer.to_owned(), Group::open(&path, &messages)?);
            }
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
        let message = Arc::new(message(&self.name, record));
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

fn message(topic: &str, record: Record) -> Message {
    let Record { data, metadata, content_type } = record;
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
