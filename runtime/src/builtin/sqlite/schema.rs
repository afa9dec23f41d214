//! The tables: those of Dapr's store, made where they are missing.

use rusqlite::{Connection, TransactionBehavior};

use super::settings::Settings;

/// What Dapr's store keeps in its metadata table once it has made the state table.
const MIGRATION_LEVEL: &str = "1";

/// Makes the tables that are missing. A database that has them is not written to.
pub(super) fn ensure(connection: &mut Connection, settings: &Settings) -> rusqlite::Result<()> {
    let Settings { table, metadata_table, .. } = settings;
    let index = format!("{table}_expiration_time");
    if settings.connection.read_only || exist(connection, [table, metadata_table, &index])? {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS {metadata_table} (
            key TEXT NOT NULL PRIMARY KEY,
            value TEXT NOT NULL
        );
        CREATE TABLE IF NOT EXISTS {table} (
            key TEXT NOT NULL PRIMARY KEY,
            value TEXT NOT NULL,
            is_binary BOOLEAN NOT NULL,
            etag TEXT NOT NULL,
            expiration_time TIMESTAMP DEFAULT NULL,
            update_time TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
        );
        CREATE INDEX IF NOT EXISTS {index} ON {table} (expiration_time)
            WHERE expiration_time IS NOT NULL;
        INSERT OR IGNORE INTO {metadata_table} (key, value)
            VALUES ('migrations', '{MIGRATION_LEVEL}');"
    ))?;
    transaction.commit()
}

fn exist<const N: usize>(connection: &Connection, names: [&String; N]) -> rusqlite::Result<bool> {
    let mut found = connection.prepare("SELECT 1 FROM sqlite_master WHERE name = ?1")?;
    for name in names {
        if !found.exists([name])? {
            return Ok(false);
        }
    }
    Ok(true)
}
