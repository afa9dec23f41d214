//! The thread that writes. It takes all that waits and commits it together; only then does it
//! answer. One that fails does not fail the others.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use replug_component::Error;
use rusqlite::ErrorCode;
use tokio::sync::oneshot;

use super::change::{Change, NotMade, Statements};
use super::connection::Database;
use super::threads::Read;
use crate::builtin::etag::Etags;

/// How many requests are committed together at the most.
const MAX_GROUP: usize = 512;

/// How many expired entries are removed at once, before requests get their turn.
const CLEANUP_AT_ONCE: u32 = 1000;

/// For how long SQLite tries to begin before it is told to start over. It pauses longer from try to
/// try, up to 100 ms, and a process that writes without end takes the lock again in every pause.
const ONE_TRY: Duration = Duration::from_millis(5);

/// What became of each change; of a write whose changes belong together, one result for all.
pub(super) type Results = Vec<Result<(), Error>>;

/// A request to write.
pub(super) struct Write {
    pub(super) changes: Vec<Change>,
    /// All of them happen, or none.
    pub(super) together: bool,
    pub(super) reply: oneshot::Sender<Results>,
}

/// What the writer is asked to do.
pub(super) enum Task {
    Write(Write),
    /// A read that has no connection of its own.
    Read(Read),
}

pub(super) struct Writer {
    database: Database,
    statements: Statements,
    etags: Etags,
    tasks: Receiver<Task>,
}

/// Why a group of writes was not committed. None of them has happened.
enum Lost {
    /// Nor would any of them alone: there is no getting at the database.
    All(rusqlite::Error),
    /// One of them may be why.
    Together(rusqlite::Error),
}

impl Writer {
    pub(super) fn new(database: Database, tasks: Receiver<Task>) -> Self {
        let statements = Statements::new(&database.settings.table);
        Self { database, statements, etags: Etags::new(), tasks }
    }

    /// Works until the store is gone and nothing waits any more.
    pub(super) fn run(self) {
        let interval = self.database.settings.cleanup_interval;
        let next = || interval.and_then(|interval| Instant::now().checked_add(interval));
        let mut cleanup = next();
        loop {
            let task = match cleanup {
                None => self.tasks.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => self.tasks.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            match task {
                Ok(task) => self.work(task),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if cleanup.is_some_and(|at| at <= Instant::now()) && self.clean_up() {
                cleanup = next();
            }
        }
    }

    /// Carries out `first` and all that has come meanwhile.
    fn work(&self, first: Task) {
        let mut next = Some(first);
        while let Some(task) = next.take() {
            match task {
                Task::Read(read) => read(&self.database),
                Task::Write(write) => {
                    let mut group = vec![write];
                    while group.len() < MAX_GROUP {
                        match self.tasks.try_recv() {
                            Ok(Task::Write(write)) => group.push(write),
                            Ok(read) => {
                                next = Some(read);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.commit(group);
                }
            }
        }
    }

    /// Commits a group, or what can be committed of it, and answers.
    fn commit(&self, mut group: Vec<Write>) {
        // Nobody waits for these any more.
        group.retain(|write| !write.reply.is_closed());
        if group.is_empty() {
            return;
        }
        match self.try_commit(&group) {
            Ok(results) => {
                for (write, results) in group.into_iter().zip(results) {
                    // Where the caller has just gone, it does not know; the write stands.
                    let _ = write.reply.send(results);
                }
            }
            Err(Lost::Together(_)) if group.len() > 1 => {
                for write in group {
                    self.commit(vec![write]);
                }
            }
            Err(Lost::All(error) | Lost::Together(error)) => {
                let error = self.database.failed("write", &error);
                for write in group {
                    let failed = if write.together { 1 } else { write.changes.len() };
                    let _ = write.reply.send(vec![Err(error.clone()); failed]);
                }
            }
        }
    }

    fn try_commit(&self, group: &[Write]) -> Result<Vec<Results>, Lost> {
        let connection = &self.database.connection;
        self.begin().map_err(Lost::All)?;
        let now = SystemTime::now();
        let mut results = Vec::with_capacity(group.len());
        for write in group {
            let result = if write.together && write.changes.len() > 1 {
                self.make_together(now, &write.changes).map(|result| vec![result])
            } else {
                write.changes.iter().map(|change| self.make(now, change)).collect()
            };
            match result {
                Ok(result) => results.push(result),
                Err(error) => return Err(self.give_up(error)),
            }
        }
        connection.execute_batch("COMMIT").map_err(|error| self.give_up(error))?;
        Ok(results)
    }

    /// Begins a transaction that may write, and waits for other processes' until `busyTimeout`.
    fn begin(&self) -> rusqlite::Result<()> {
        let Database { connection, settings } = &self.database;
        connection.busy_timeout(settings.busy_timeout.min(ONE_TRY))?;
        let begun = Instant::now();
        let result = loop {
            match connection.execute_batch("BEGIN IMMEDIATE") {
                Err(error)
                    if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                        && begun.elapsed() < settings.busy_timeout => {}
                result => break result,
            }
        };
        connection.busy_timeout(settings.busy_timeout)?;
        result
    }

    /// Makes one change. An error is one that has undone the whole group.
    fn make(&self, now: SystemTime, change: &Change) -> rusqlite::Result<Result<(), Error>> {
        let connection = &self.database.connection;
        match self.statements.make(connection, &self.etags, now, change) {
            Ok(()) => Ok(Ok(())),
            Err(NotMade::Refused(error)) => Ok(Err(error)),
            // Some errors, a full disk for one, roll everything back by themselves.
            Err(NotMade::Failed(error)) if connection.is_autocommit() => Err(error),
            Err(NotMade::Failed(error)) => Ok(Err(self.database.failed("write", &error))),
        }
    }

    /// Makes all changes, or none of them.
    fn make_together(
        &self,
        now: SystemTime,
        changes: &[Change],
    ) -> rusqlite::Result<Result<(), Error>> {
        let connection = &self.database.connection;
        connection.execute_batch("SAVEPOINT request")?;
        for change in changes {
            if let Err(error) = self.make(now, change)? {
                connection.execute_batch("ROLLBACK TO request; RELEASE request")?;
                return Ok(Err(error));
            }
        }
        connection.execute_batch("RELEASE request")?;
        Ok(Ok(()))
    }

    /// Ends a transaction that cannot be committed.
    fn give_up(&self, error: rusqlite::Error) -> Lost {
        if !self.database.connection.is_autocommit() {
            // A failed rollback has nothing to undo, or the next BEGIN says what is wrong.
            let _ = self.database.connection.execute_batch("ROLLBACK");
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Lost::All(error),
            _ => Lost::Together(error),
        }
    }

    /// Removes some of what has expired. Gives whether that was all of it, or as much as can be
    /// done now.
    fn clean_up(&self) -> bool {
        match self.statements.delete_expired(&self.database.connection, CLEANUP_AT_ONCE) {
            Ok(removed) => removed < CLEANUP_AT_ONCE as usize,
            Err(error) => {
                let error = self.database.failed("remove expired entries", &error);
                tracing::warn!("{error}; they stay invisible until the next clean-up");
                true
            }
        }
    }
}
