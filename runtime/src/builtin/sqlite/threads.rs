//! The threads of a store, and how calls reach them.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use replug_component::Error;
use tokio::sync::oneshot;

use super::change::Change;
use super::connection::{Database, Role};
use super::settings::Settings;
use super::writer::{Results, Task, Write, Writer};

/// How many threads read single entries.
const READERS: usize = 2;

/// How many threads search, so that a long search makes no read wait.
const SEARCHERS: usize = 1;

/// A read: looks, and sends the answer to whoever waits for it.
pub(super) type Read = Box<dyn FnOnce(&Database) + Send>;

/// How the threads of a store are asked. They end when this is dropped.
pub(super) struct Threads {
    /// None only while being dropped.
    lanes: Option<Lanes>,
    /// Joined when this is dropped.
    writer: Option<JoinHandle<()>>,
    /// Likewise.
    readers: Vec<JoinHandle<()>>,
    /// How long a caller waits.
    timeout: Duration,
    /// What errors call the database.
    shown: String,
}

/// Where work waits. A thread ends when nobody can put any into its lane.
struct Lanes {
    writes: Sender<Task>,
    /// None for a database in memory, which has the writer's connection only.
    reads: Option<Sender<Read>>,
    searches: Option<Sender<Read>>,
}

impl Threads {
    /// Opens the database and starts the threads. Blocks.
    pub(super) fn start(settings: &Arc<Settings>) -> Result<Self, Error> {
        let (lane, tasks) = channel();
        let writer = Writer::new(Database::open(settings, Role::Writer)?, tasks);
        // From here on an error drops what has been started, which ends it.
        let mut threads = Self {
            lanes: Some(Lanes { writes: lane, reads: None, searches: None }),
            writer: None,
            readers: Vec::new(),
            timeout: settings.timeout,
            shown: settings.connection.shown.clone(),
        };
        threads.writer = Some(spawn(settings, "sqlite-writer", move || writer.run())?);
        if !settings.connection.in_memory {
            let reads = threads.spawn_readers(settings, "sqlite-reader", READERS)?;
            let searches = threads.spawn_readers(settings, "sqlite-search", SEARCHERS)?;
            if let Some(lanes) = &mut threads.lanes {
                lanes.reads = Some(reads);
                lanes.searches = Some(searches);
            }
        }
        Ok(threads)
    }

    fn spawn_readers(
        &mut self,
        settings: &Arc<Settings>,
        name: &str,
        count: usize,
    ) -> Result<Sender<Read>, Error> {
        let (lane, reads) = channel();
        let reads = Arc::new(Mutex::new(reads));
        for _ in 0..count {
            let (database, reads) = (Database::open(settings, Role::Reader)?, reads.clone());
            self.readers.push(spawn(settings, name, move || serve(&database, &reads))?);
        }
        Ok(lane)
    }

    /// Makes one change.
    pub(super) async fn write_one(&self, change: Change) -> Result<(), Error> {
        self.only(self.write(vec![change], false).await?)
    }

    /// Makes all changes, or none.
    pub(super) async fn write_together(&self, changes: Vec<Change>) -> Result<(), Error> {
        if changes.is_empty() {
            return Ok(());
        }
        self.only(self.write(changes, true).await?)
    }

    /// Makes each change by itself. Gives what became of each.
    pub(super) async fn write_each(&self, changes: Vec<Change>) -> Result<Results, Error> {
        self.write(changes, false).await
    }

    fn only(&self, mut results: Results) -> Result<(), Error> {
        results.pop().unwrap_or_else(|| Err(self.gone()))
    }

    async fn write(&self, changes: Vec<Change>, together: bool) -> Result<Results, Error> {
        let (reply, answer) = oneshot::channel();
        let lanes = self.lanes.as_ref().ok_or_else(|| self.gone())?;
        let task = Task::Write(Write { changes, together, reply });
        lanes.writes.send(task).map_err(|_| self.gone())?;
        self.answer(answer).await
    }

    /// What `look` finds.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Database) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let read: Read = Box::new(move |database| {
            if !reply.is_closed() {
                let _ = reply.send(look(database));
            }
        });
        self.send(read, |lanes| lanes.reads.as_ref())?;
        self.answer(answer).await?
    }

    /// What `look` finds. It gets what tells it to stop: the receiver is closed once this call is
    /// given up.
    pub(super) async fn search<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Database, oneshot::Receiver<()>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let (_caller, caller_gone) = oneshot::channel();
        let read: Read = Box::new(move |database| {
            if !reply.is_closed() {
                let _ = reply.send(look(database, caller_gone));
            }
        });
        self.send(read, |lanes| lanes.searches.as_ref())?;
        self.answer(answer).await?
    }

    /// Puts a read into its lane, or the writer's where it has none.
    fn send(&self, read: Read, lane: fn(&Lanes) -> Option<&Sender<Read>>) -> Result<(), Error> {
        let lanes = self.lanes.as_ref().ok_or_else(|| self.gone())?;
        let sent = match lane(lanes) {
            Some(lane) => lane.send(read).is_ok(),
            None => lanes.writes.send(Task::Read(read)).is_ok(),
        };
        if sent { Ok(()) } else { Err(self.gone()) }
    }

    async fn answer<T>(&self, answer: oneshot::Receiver<T>) -> Result<T, Error> {
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(self.gone()),
            Err(_) => Err(Error::Failed(format!(
                "sqlite {}: no answer within {} (`timeout`)",
                self.shown,
                humantime::format_duration(self.timeout)
            ))),
        }
    }

    fn gone(&self) -> Error {
        Error::Failed(format!("sqlite {}: the store's thread has ended", self.shown))
    }
}

fn spawn(
    settings: &Settings,
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, Error> {
    thread::Builder::new().name(name.into()).spawn(run).map_err(|error| {
        let shown = &settings.connection.shown;
        Error::Failed(format!("sqlite {shown}: cannot start a thread: {error}"))
    })
}

/// Works off a lane that several threads share.
fn serve(database: &Database, reads: &Mutex<Receiver<Read>>) {
    loop {
        // Held while waiting: the others wait for the lock instead, one of them at a time.
        let read = reads.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match read {
            Ok(read) => read(database),
            Err(_) => return,
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let (lanes, last) = (self.lanes.take(), self.writer.take());
        let readers = std::mem::take(&mut self.readers);
        let join = move || {
            let last_lane = lanes.map(|lanes| lanes.writes);
            for reader in readers {
                drop(reader.join()); // One that panicked has ended too.
            }
            // The writer's connection is the last, and so the one that clears the WAL away.
            drop(last_lane);
            drop(last.map(JoinHandle::join));
        };
        // They end at once, but for what they are in the middle of. An async thread leaves the
        // waiting to its runtime.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(join)),
            Err(_) => join(),
        }
    }
}
