//! Removes expired rows. When that was done last stands in the metadata table, as in Dapr's stores, so
//! that of many processes at one table one does it.

use std::sync::Arc;
use std::time::Duration;

use replug_component::Error;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_postgres::types::Type;

use super::database::{Database, Sent};
use super::layout::Layout;

/// How much earlier than the interval says somebody may clean up: clocks and timers are not exact.
const EARLY: Duration = Duration::from_millis(100);

/// The task that cleans up. It ends when this is dropped.
pub(super) struct Cleaner(JoinHandle<()>);

impl Cleaner {
    pub(super) fn start(database: Arc<Database>, interval: Duration) -> Self {
        Self(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(interval);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks.tick().await;
            loop {
                ticks.tick().await;
                // Expired rows are invisible anyway; the next time will do.
                if let Err(error) = clean_up(&database, interval).await {
                    tracing::warn!("expired rows are not removed: {error}");
                }
            }
        }))
    }
}

impl Drop for Cleaner {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn clean_up(database: &Database, interval: Duration) -> Result<(), Error> {
    let table = &database.settings.metadata_table;
    let key = match database.settings.layout {
        Layout::V1 => "last-cleanup".to_owned(),
        Layout::V2 => format!("last-cleanup-state-v2-{table}"),
    };
    let is_due = format!(
        "INSERT INTO {table} AS t (key, value) VALUES ($1, now()::text)
         ON CONFLICT (key) DO UPDATE SET value = now()::text
             WHERE EXTRACT('epoch' FROM now() - t.value::timestamp with time zone) > $2"
    );
    let seconds = interval.saturating_sub(EARLY).as_secs_f64();
    let connection = database.connection().await?;
    let done = database.answer(async {
        let mine = connection
            .execute_typed(&is_due, &[(&key, Type::TEXT), (&seconds, Type::FLOAT8)])
            .await?;
        if mine > 0 {
            connection.execute_typed(&database.statements.delete_expired, &[]).await?;
        }
        Ok(())
    });
    let done = done.await;
    database.settled(connection, done, Sent::Write)
}
