//! One connection to the database, set up as the store needs it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use replug_component::Error;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::failure::failed;
use super::settings::Settings;
use super::{read, schema};

/// How large the WAL file may stay after a burst of writes.
const WAL_KEPT_BYTES: i64 = 64 << 20;

/// How many prepared statements a connection keeps: more than the store has, searches aside.
const STATEMENTS: usize = 32;

/// The SQL function that gives a row's value as text, or NULL where it is none.
pub(super) const TEXT_OF: &str = "replug_text";

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It writes, and makes the tables.
    Writer,
    /// It only reads.
    Reader,
}

/// A connection and what it was made with.
pub(super) struct Database {
    pub(super) connection: Connection,
    pub(super) settings: Arc<Settings>,
}

impl Database {
    /// Opens the database. For a reader it has to be there already.
    pub(super) fn open(settings: &Arc<Settings>, role: Role) -> Result<Self, Error> {
        let connection = connect(settings, role);
        let connection = connection.map_err(|error| failed(settings, "open it", &error))?;
        let database = Self { connection, settings: settings.clone() };
        // A table of that name may be somebody else's.
        database.ping()?;
        Ok(database)
    }

    /// Whether the table can be read.
    pub(super) fn ping(&self) -> Result<(), Error> {
        let sql = format!("SELECT {} FROM {} LIMIT 1", read::COLUMNS, self.settings.table);
        let mut statement = self.prepare(&sql)?;
        statement.exists([]).map(|_| ()).map_err(|error| self.failed("read", &error))
    }

    /// A statement that is kept for the next time.
    pub(super) fn prepare(&self, sql: &str) -> Result<rusqlite::CachedStatement<'_>, Error> {
        self.connection.prepare_cached(sql).map_err(|error| self.failed("read", &error))
    }

    /// `error`, which came of `doing` something.
    pub(super) fn failed(&self, doing: &str, error: &rusqlite::Error) -> Error {
        failed(&self.settings, doing, error)
    }
}

fn connect(settings: &Settings, role: Role) -> rusqlite::Result<Connection> {
    let from = &settings.connection;
    let flags = OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | if from.read_only {
            OpenFlags::SQLITE_OPEN_READ_ONLY
        } else {
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
        };
    let mut connection = Connection::open_with_flags(&from.open, flags)?;
    connection.busy_timeout(settings.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    for (name, value) in &from.pragmas {
        connection.pragma_update(None, name, value)?;
    }
    let deterministic = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function(TEXT_OF, 2, deterministic, |arguments| {
        Ok(read::text_of(arguments.get_raw(0), arguments.get_raw(1)))
    })?;
    if role == Role::Writer {
        if !from.in_memory && !from.read_only {
            keep_safe(&connection, settings)?;
        }
        schema::ensure(&mut connection, settings)?;
    } else {
        connection.pragma_update(None, "query_only", true)?;
    }
    Ok(connection)
}

/// Makes a commit last, unless a `_pragma` chose otherwise.
fn keep_safe(connection: &Connection, settings: &Settings) -> rusqlite::Result<()> {
    // Without a WAL the journal's removal is the commit: EXTRA flushes its folder too.
    let (mode, synchronous) =
        if settings.disable_wal { ("DELETE", "EXTRA") } else { ("WAL", "FULL") };
    set_journal_mode(connection, mode, settings.busy_timeout)?;
    if !settings.connection.pragmas.iter().any(|(name, _)| name == "synchronous") {
        connection.pragma_update(None, "synchronous", synchronous)?;
    }
    connection.pragma_update(None, "journal_size_limit", WAL_KEPT_BYTES)
}

/// Sets the journal mode, and waits for others at it, as when several stores open a new file.
/// SQLite does not: to change the mode it fails at once where another connection has a lock.
fn set_journal_mode(connection: &Connection, mode: &str, wait: Duration) -> rusqlite::Result<()> {
    let begun = Instant::now();
    loop {
        match connection.pragma_update_and_check(None, "journal_mode", mode, |_| Ok(())) {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && begun.elapsed() < wait =>
            {
                // This SQLite does wait for, and whoever held the lock has let go after it.
                connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?;
            }
            result => return result,
        }
    }
}
