//! The tables: those of Dapr's stores, made where they are missing, step after step as those make
//! them. How many steps have been made stands in the metadata table, and who makes one holds a row of
//! it, so that several at once do not get in each other's way.

use replug_component::Error;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Transaction};

use super::database::{Database, Sent};
use super::layout::Layout;

/// How often it is tried to make the metadata table while somebody else makes it.
const TRIES: u32 = 3;

/// Makes what is missing. A database that has everything is not written to.
pub(super) async fn ensure(database: &Database) -> Result<(), Error> {
    let mut connection = database.connection().await?;
    let made = {
        let client: &mut Client = &mut connection;
        database.answer(make(database, client)).await
    };
    database.settled(connection, made, Sent::Read)
}

async fn make(database: &Database, client: &mut Client) -> Result<(), tokio_postgres::Error> {
    let metadata = &database.settings.metadata_table;
    let steps = steps(database);
    let key = key(database);
    let made = format!("SELECT value FROM {metadata} WHERE key = $1");
    match client.query_typed_opt(&made, &[(&key, Type::TEXT)]).await {
        Ok(row) if level(row.as_ref()) >= steps.len() => return Ok(()),
        Ok(_) => {}
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => {
            make_metadata_table(client, metadata).await?;
        }
        Err(error) => return Err(error),
    }
    let lock = format!(
        "INSERT INTO {metadata} (key, value) VALUES ('lock', 'lock') ON CONFLICT (key) DO NOTHING"
    );
    client.execute_typed(&lock, &[]).await?;
    let transaction = client.transaction().await?;
    let lock = format!("SELECT value FROM {metadata} WHERE key = 'lock' FOR UPDATE");
    transaction.query_typed(&lock, &[]).await?;
    let row = transaction.query_typed_opt(&made, &[(&key, Type::TEXT)]).await?;
    let level = level(row.as_ref());
    for step in steps.iter().skip(level) {
        transaction.batch_execute(step).await?;
    }
    remember(&transaction, metadata, &key, steps.len().max(level)).await?;
    transaction.commit().await
}

async fn make_metadata_table(client: &Client, name: &str) -> Result<(), tokio_postgres::Error> {
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS {name} (key text NOT NULL PRIMARY KEY, value text NOT NULL)"
    );
    let mut tries = TRIES;
    loop {
        tries -= 1;
        match client.batch_execute(&sql).await {
            Err(error) if made_meanwhile(&error) && tries > 0 => {}
            result => return result,
        }
    }
}

/// Whether somebody else made the table at the same time, which `IF NOT EXISTS` does not see. What
/// the server says of it depends on how far both have come: a row in its own tables is there twice,
/// or the table is, or the type that every table has beside it.
fn made_meanwhile(error: &tokio_postgres::Error) -> bool {
    [SqlState::UNIQUE_VIOLATION, SqlState::DUPLICATE_TABLE, SqlState::DUPLICATE_OBJECT]
        .iter()
        .any(|made| error.code() == Some(made))
}

async fn remember(
    transaction: &Transaction<'_>,
    metadata: &str,
    key: &str,
    level: usize,
) -> Result<(), tokio_postgres::Error> {
    let sql = format!(
        "INSERT INTO {metadata} (key, value) VALUES ($1, $2)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    );
    let level = level.to_string();
    transaction.execute_typed(&sql, &[(&key, Type::TEXT), (&level, Type::TEXT)]).await.map(|_| ())
}

/// How many steps have been made.
fn level(row: Option<&tokio_postgres::Row>) -> usize {
    row.and_then(|row| row.get::<_, String>(0).parse().ok()).unwrap_or(0)
}

/// Under which key the metadata table counts the steps.
fn key(database: &Database) -> String {
    match database.settings.layout {
        Layout::V1 => "migrations".to_owned(),
        Layout::V2 => format!("migrations-state-v2-{}", database.settings.prefix),
    }
}

fn steps(database: &Database) -> Vec<String> {
    let table = &database.settings.table;
    match database.settings.layout {
        Layout::V1 => vec![
            format!(
                "CREATE TABLE IF NOT EXISTS {table} (
                    key text NOT NULL PRIMARY KEY,
                    value jsonb NOT NULL,
                    isbinary boolean NOT NULL,
                    insertdate timestamp with time zone NOT NULL DEFAULT now(),
                    updatedate timestamp with time zone NULL
                )"
            ),
            format!(
                "ALTER TABLE {table} ADD COLUMN IF NOT EXISTS expiredate timestamp with time zone"
            ),
        ],
        Layout::V2 => vec![format!(
            "CREATE TABLE IF NOT EXISTS {table} (
                key text NOT NULL PRIMARY KEY,
                value bytea NOT NULL,
                etag uuid NOT NULL DEFAULT gen_random_uuid(),
                created_at timestamp with time zone NOT NULL DEFAULT now(),
                updated_at timestamp with time zone,
                expires_at timestamp with time zone
            );
            CREATE INDEX ON {table} (expires_at)"
        )],
    }
}
