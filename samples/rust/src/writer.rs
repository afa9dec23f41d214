//! The writer: a thread that has the journal, and writes what everybody wants to write.
//!
//! What arrives while the disk is at work is written with one write when it is done, so that many
//! callers wait for one `fsync`.

use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, PoisonError, RwLock};
use std::{io, thread};

use replug_sdk::component::Error;
use replug_sdk::component::state::Operation;
use tokio::sync::oneshot;

use crate::batch::{Batch, Entries, Entry};
use crate::journal::Journal;
use crate::record::{Change, Record};

/// How many bytes of keys and values are gathered for one write to disk.
const BATCH_BYTES: usize = 4 << 20;

/// Operations that are written together, and where to say what became of them.
struct Request {
    operations: Vec<Operation>,
    done: oneshot::Sender<Result<(), Error>>,
}

/// What is stored, as readers see it: changed by the writer alone, once it is on disk.
pub type Shared = Arc<RwLock<Entries>>;

/// The way to the thread, which ends when this is dropped.
pub struct Writer(Sender<Request>);

impl Writer {
    /// Opens the journal at `path`, reads what is stored, and starts the thread. Waits for the disk.
    pub fn open(path: &Path) -> io::Result<(Self, Shared)> {
        let (mut entries, mut version) = (Entries::new(), 0);
        let journal = Journal::open(path, |record| {
            for change in record.changes {
                version = change.version;
                apply(&mut entries, change);
            }
        })?;
        let shared = Arc::new(RwLock::new(entries));
        let (requests, received) = mpsc::channel();
        let theirs = shared.clone();
        thread::Builder::new()
            .name("journal".into())
            .spawn(move || write_all(journal, version + 1, &theirs, &received))?;
        Ok((Self(requests), shared))
    }

    /// Writes all `operations` or none. Once it returns, they are on disk.
    pub async fn write(&self, operations: Vec<Operation>) -> Result<(), Error> {
        let gone = || Error::Failed("the journal's writer is gone".into());
        let (done, answer) = oneshot::channel();
        self.0.send(Request { operations, done }).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// The thread: ends when nobody can ask any more.
fn write_all(
    mut journal: Journal,
    mut version: u64,
    shared: &Shared,
    requests: &Receiver<Request>,
) {
    while let Ok(first) = requests.recv() {
        let mut answers = Vec::new();
        let changes = {
            // Nobody else writes: readers go on while the checks read too.
            let stored = shared.read().unwrap_or_else(PoisonError::into_inner);
            let mut batch = Batch::new(&stored, version);
            let mut next = Some(first);
            while let Some(request) = next {
                answers.push((request.done, batch.take(request.operations)));
                next = if batch.bytes() < BATCH_BYTES { requests.try_recv().ok() } else { None };
            }
            batch.into_changes()
        };
        let record = Record { changes };
        if !record.changes.is_empty()
            && let Err(error) = journal.append(&record)
        {
            let failed = Error::Failed(format!("cannot write the journal: {error}"));
            for (_, answer) in &mut answers {
                if answer.is_ok() {
                    *answer = Err(failed.clone());
                }
            }
        } else {
            version += record.changes.len() as u64;
            let mut entries = shared.write().unwrap_or_else(PoisonError::into_inner);
            record.changes.into_iter().for_each(|change| apply(&mut entries, change));
        }
        for (done, answer) in answers {
            // A caller that has given up does not hear it.
            let _ = done.send(answer);
        }
    }
}

fn apply(entries: &mut Entries, change: Change) {
    let Change { key, version, value } = change;
    match value {
        Some(value) => entries.insert(key, Entry { value, version }),
        None => entries.remove(&key),
    };
}
