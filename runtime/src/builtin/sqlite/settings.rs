//! A store's settings, as Dapr names them. Names count in any case; unknown ones are left alone.

use std::time::Duration;

use replug_component::{Error, Metadata};

use super::connection_string::ConnectionString;
use crate::builtin::setting::{duration, text, truth};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);
const MIN_TIMEOUT: Duration = Duration::from_secs(1);
const DEFAULT_BUSY_TIMEOUT: Duration = Duration::from_secs(2);
const DEFAULT_TABLE: &str = "state";
const DEFAULT_METADATA_TABLE: &str = "metadata";

/// What a store is made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    /// Where the database is: `connectionString`, or `url`.
    pub(super) connection: ConnectionString,
    /// How long a caller waits for an answer: `timeout`.
    pub(super) timeout: Duration,
    /// How long SQLite waits for other processes' locks: `busyTimeout`.
    pub(super) busy_timeout: Duration,
    /// `disableWAL`, for files on network file systems.
    pub(super) disable_wal: bool,
    /// `tableName`; letters, digits and underscores, so it can stand in SQL.
    pub(super) table: String,
    /// `metadataTableName`; likewise.
    pub(super) metadata_table: String,
    /// How often expired entries are removed: `cleanupInterval`. None: they stay, invisible.
    pub(super) cleanup_interval: Option<Duration>,
}

impl Settings {
    pub(super) fn new(metadata: &Metadata) -> Result<Self, Error> {
        let connection = text(metadata, &["connectionString", "url"])?.unwrap_or_default();
        let timeout = duration(metadata, &["timeout", "timeoutInSeconds"], DEFAULT_TIMEOUT)?;
        if timeout < MIN_TIMEOUT {
            return Err(Error::Invalid("`timeout` is below 1s; write 1s or more".into()));
        }
        let cleanup = ["cleanupInterval", "cleanupIntervalInSeconds"];
        let cleanup = duration(metadata, &cleanup, Duration::ZERO)?;
        Ok(Self {
            connection: ConnectionString::parse(connection)?,
            timeout,
            busy_timeout: duration(metadata, &["busyTimeout"], DEFAULT_BUSY_TIMEOUT)?,
            disable_wal: truth(metadata, "disableWAL")?,
            table: table(metadata, "tableName", DEFAULT_TABLE)?,
            metadata_table: table(metadata, "metadataTableName", DEFAULT_METADATA_TABLE)?,
            cleanup_interval: Some(cleanup).filter(|interval| !interval.is_zero()),
        })
    }
}

fn table(metadata: &Metadata, name: &str, default: &str) -> Result<String, Error> {
    let table = text(metadata, &[name])?.unwrap_or(default);
    if !table.is_empty() && table.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Ok(table.to_owned());
    }
    Err(Error::Invalid(format!("`{name}` is `{table}`; write letters, digits and underscores")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Result<Settings, Error> {
        Settings::new(
            &pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        )
    }

    #[test]
    fn the_defaults_are_those_of_dapr() {
        let settings = settings(&[("connectionString", "data.db"), ("unknown", "x")]).unwrap();
        assert_eq!(settings.timeout, Duration::from_secs(20));
        assert_eq!(settings.busy_timeout, Duration::from_secs(2));
        assert!(!settings.disable_wal);
        assert_eq!(
            (settings.table.as_str(), settings.metadata_table.as_str()),
            ("state", "metadata")
        );
        assert_eq!(settings.cleanup_interval, None);
    }

    #[test]
    fn names_count_in_any_case_and_numbers_are_seconds() {
        let settings = settings(&[
            ("CONNECTIONSTRING", "data.db"),
            ("timeoutInSeconds", "5"),
            ("busytimeout", "250ms"),
            ("DisableWal", "Yes"),
            ("tablename", "orders_1"),
            ("cleanupInterval", "1h30m"),
        ])
        .unwrap();
        assert_eq!(settings.timeout, Duration::from_secs(5));
        assert_eq!(settings.busy_timeout, Duration::from_millis(250));
        assert!(settings.disable_wal);
        assert_eq!(settings.table, "orders_1");
        assert_eq!(settings.cleanup_interval, Some(Duration::from_secs(5400)));
    }

    #[test]
    fn a_wrong_value_is_refused_by_the_name_of_its_setting() {
        for (name, value) in [
            ("timeout", "soon"),
            ("timeout", "10ms"),
            ("busyTimeout", "2 seconds"),
            ("disableWAL", "perhaps"),
            ("tableName", "state; DROP TABLE state"),
            ("metadataTableName", ""),
            ("cleanupInterval", "daily"),
        ] {
            let error = settings(&[("connectionString", "data.db"), (name, value)]).unwrap_err();
            assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
        }
        assert!(settings(&[]).unwrap_err().to_string().contains("`connectionString`"));
        let twice = [("connectionString", "a"), ("timeout", "5s"), ("TIMEOUT", "6s")];
        assert!(settings(&twice).unwrap_err().to_string().contains("same setting"));
    }
}
