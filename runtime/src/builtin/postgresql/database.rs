//! The pool of connections, how long an answer may take, and errors told so that somebody can act on
//! them.

use std::error::Error as _;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
};
use replug_component::Error;
use tokio::runtime::Handle;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::layout::Statements;
use super::settings::Settings;

/// A database, and the statements of the store's tables in it.
pub(super) struct Database {
    pub(super) settings: Settings,
    pub(super) statements: Statements,
    pool: Pool,
    tls: MakeRustlsConnect,
}

/// A connection of the pool. Where it is dropped without being [given back](Database::settled), its
/// caller has gone in the middle of a request: that is cancelled and the connection closed, so that
/// nobody else waits behind it.
pub(super) struct Borrowed {
    connection: Option<Object>,
    tls: MakeRustlsConnect,
}

/// What a request does, which says what is known when its answer is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    Read,
    Write,
}

/// Why there is no answer.
pub(super) enum Lost {
    /// It took too long.
    Late,
    /// PostgreSQL said no, or could not be heard.
    Failed(tokio_postgres::Error),
}

impl Database {
    /// The database of these settings. Nothing is dialled yet.
    pub(super) fn new(settings: Settings) -> Result<Self, Error> {
        let tls = MakeRustlsConnect::new(settings.connection.tls()?);
        let how = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(settings.connection.config.clone(), tls.clone(), how);
        let pool = Pool::builder(manager)
            .max_size(settings.max_connections)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::Failed(error.to_string()))?;
        let statements = Statements::new(settings.layout, &settings.table);
        Ok(Self { settings, statements, pool, tls })
    }

    /// Closes connections of the pool that were last taken longer ago than that.
    pub(super) fn close_idle(&self, longest: Duration) {
        self.pool.retain(|_, metrics| metrics.last_used() < longest);
    }

    /// A connection from the pool.
    pub(super) async fn connection(&self) -> Result<Borrowed, Error> {
        match tokio::time::timeout(self.settings.timeout, self.pool.get()).await {
            Ok(Ok(connection)) => {
                Ok(Borrowed { connection: Some(connection), tls: self.tls.clone() })
            }
            Ok(Err(PoolError::Backend(error))) => {
                Err(self.told(&format!("cannot connect: {}", in_full(&error))))
            }
            Ok(Err(error)) => Err(self.told(&format!("cannot connect: {error}"))),
            Err(_) => Err(self.late("no connection")),
        }
    }

    /// Waits for an answer as long as the settings allow.
    pub(super) async fn answer<T>(
        &self,
        request: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Lost> {
        match tokio::time::timeout(self.settings.timeout, request).await {
            Ok(result) => result.map_err(Lost::Failed),
            Err(_) => Err(Lost::Late),
        }
    }

    /// Gives a connection back to the pool, unless it may be stuck.
    pub(super) fn settled<T>(
        &self,
        mut connection: Borrowed,
        result: Result<T, Lost>,
        sent: Sent,
    ) -> Result<T, Error> {
        if !matches!(result, Err(Lost::Late)) {
            connection.connection = None;
        }
        result.map_err(|lost| match lost {
            Lost::Late => self.late("no answer"),
            Lost::Failed(error) if sent == Sent::Write && !has_been_answered(&error) => {
                self.told(&format!(
                    "the connection was lost, and whether the write has happened is not known: {}",
                    in_full(&error)
                ))
            }
            Lost::Failed(error) => self.failed(&error),
        })
    }

    /// The rows of a statement that changes nothing.
    pub(super) async fn read(
        &self,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, Error> {
        for last in [false, true] {
            let connection = self.connection().await?;
            let rows = self.answer(connection.query_typed(sql, parameters)).await;
            match rows {
                // The next connection is a living one.
                Err(Lost::Failed(error)) if !has_been_answered(&error) && !last => {
                    let _ = self.settled::<()>(connection, Err(Lost::Failed(error)), Sent::Read);
                }
                rows => return self.settled(connection, rows, Sent::Read),
            }
        }
        Err(self.told("cannot read: every connection was lost"))
    }

    pub(super) fn failed(&self, error: &tokio_postgres::Error) -> Error {
        let Some(server) = error.as_db_error() else {
            return self.told(&in_full(error));
        };
        // 42P01, 42703, 42804, 42883: a table or a column that is not there, or of another type.
        let hint = match server.code().code() {
            "42P01" | "42703" | "42804" | "42883" => {
                let (table, name) = (&self.settings.table, self.settings.layout.table_setting());
                format!(
                    "; is the table `{table}` (`{name}`) there, and one of this store's version?"
                )
            }
            _ => String::new(),
        };
        self.told(&format!("{server}{hint}"))
    }

    fn late(&self, what: &str) -> Error {
        let timeout = humantime::format_duration(self.settings.timeout);
        self.told(&format!("{what} within {timeout} (`timeout`)"))
    }

    /// An error of this database, without its password.
    pub(super) fn told(&self, text: &str) -> Error {
        let connection = &self.settings.connection;
        let text = format!("postgresql {}: {text}", connection.shown);
        Error::Failed(connection.without_password(text))
    }
}

// === impl Borrowed ===

impl Deref for Borrowed {
    type Target = Client;

    fn deref(&self) -> &Client {
        // It is there until it is settled, which takes the whole.
        self.connection.as_ref().expect("a borrowed connection is there")
    }
}

impl DerefMut for Borrowed {
    fn deref_mut(&mut self) -> &mut Client {
        self.connection.as_mut().expect("a borrowed connection is there")
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let (cancel, tls) = (connection.cancel_token(), self.tls.clone());
        drop(Object::take(connection));
        if let Ok(runtime) = Handle::try_current() {
            // A server that cannot be told goes on with it; the connection is closed anyway.
            runtime.spawn(async move { cancel.cancel_query(tls).await.ok() });
        }
    }
}

/// Whether PostgreSQL has said what became of the request.
fn has_been_answered(error: &tokio_postgres::Error) -> bool {
    // 57P01, 57P02: it is being stopped, and ends the connection with this. It has undone the request.
    let Some(server) = error.as_db_error() else {
        return !error.is_closed()
            && error.source().is_none_or(|cause| !cause.is::<std::io::Error>());
    };
    !matches!(server.code().code(), "57P01" | "57P02")
}

/// An error with what caused it.
fn in_full(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// How many connections there are at the most where nothing is said, as in Dapr's stores.
pub(super) fn default_connections() -> usize {
    std::thread::available_parallelism().map_or(4, |processors| processors.get().max(4))
}

/// The shortest time that an answer may be given.
pub(super) const MIN_TIMEOUT: Duration = Duration::from_secs(1);
