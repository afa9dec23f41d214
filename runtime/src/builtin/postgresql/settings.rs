//! A store's settings, as Dapr names them. Names count in any case; unknown ones are left alone, as is
//! `queryExecMode`: every statement is sent unnamed, which is what its values choose between.

use std::time::Duration;

use replug_component::{Error, Metadata};

use super::connection_string::ConnectionString;
use super::database::{MIN_TIMEOUT, default_connections};
use super::layout::Layout;
use crate::builtin::setting::{duration, number, text, truth};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);
const DEFAULT_CLEANUP_INTERVAL: Duration = Duration::from_secs(3600);
/// That of Dapr's client.
const DEFAULT_LONGEST_IDLE: Duration = Duration::from_secs(30 * 60);
const DEFAULT_TABLE: &str = "state";
const DEFAULT_METADATA_TABLE: &str = "dapr_metadata";

/// What a store is made with.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) layout: Layout,
    /// Where the database is: `connectionString`, or `url`; and `host`, `port`, `user` ….
    pub(super) connection: ConnectionString,
    /// How long a caller waits for an answer: `timeout`.
    pub(super) timeout: Duration,
    /// The state table: `tableName`, or in version 2 `tablePrefix` and `state`. Letters, digits and
    /// underscores, with a schema before a dot, so it can stand in SQL.
    pub(super) table: String,
    /// In version 2, what comes before the name of the state table.
    pub(super) prefix: String,
    /// `metadataTableName`; likewise.
    pub(super) metadata_table: String,
    /// How often expired rows are removed: `cleanupInterval`. None: they stay, invisible.
    pub(super) cleanup_interval: Option<Duration>,
    /// How many connections there are at the most: `maxConns`.
    pub(super) max_connections: usize,
    /// How long a connection stays open that nothing uses: `connectionMaxIdleTime`.
    pub(super) longest_idle: Duration,
}

impl Settings {
    pub(super) fn new(metadata: &Metadata, layout: Layout) -> Result<Self, Error> {
        for name in ["useAzureAD", "useAWSIAM"] {
            if truth(metadata, name)? {
                return Err(Error::Invalid(format!("`{name}` is not there yet; leave it out")));
            }
        }
        let timeout = duration(metadata, &["timeout", "timeoutInSeconds"], DEFAULT_TIMEOUT)?;
        if timeout < MIN_TIMEOUT {
            return Err(Error::Invalid("`timeout` is below 1s; write 1s or more".into()));
        }
        let cleanup = ["cleanupInterval", "cleanupIntervalInSeconds"];
        let cleanup = duration(metadata, &cleanup, DEFAULT_CLEANUP_INTERVAL)?;
        let prefix = match layout {
            Layout::V1 => String::new(),
            Layout::V2 => text(metadata, &["tablePrefix"])?.unwrap_or_default().to_owned(),
        };
        let table = match layout {
            Layout::V1 => text(metadata, &["tableName"])?.unwrap_or(DEFAULT_TABLE).to_owned(),
            Layout::V2 => format!("{prefix}{DEFAULT_TABLE}"),
        };
        check_table(layout.table_setting(), &table)?;
        let metadata_table =
            text(metadata, &["metadataTableName"])?.unwrap_or(DEFAULT_METADATA_TABLE).to_owned();
        check_table("metadataTableName", &metadata_table)?;
        let idle = duration(metadata, &["connectionMaxIdleTime"], Duration::ZERO)?;
        let most = number(metadata, &["maxConns"])?.and_then(|most| usize::try_from(most).ok());
        Ok(Self {
            layout,
            connection: ConnectionString::new(metadata)?,
            timeout,
            table,
            prefix,
            metadata_table,
            cleanup_interval: Some(cleanup).filter(|interval| !interval.is_zero()),
            max_connections: most.filter(|most| *most > 1).unwrap_or_else(default_connections),
            longest_idle: if idle.is_zero() { DEFAULT_LONGEST_IDLE } else { idle },
        })
    }
}

impl Layout {
    /// The setting that names the state table.
    pub(super) fn table_setting(self) -> &'static str {
        match self {
            Self::V1 => "tableName",
            Self::V2 => "tablePrefix",
        }
    }
}

fn check_table(setting: &str, table: &str) -> Result<(), Error> {
    let (schema, name) = table.split_once('.').unwrap_or(("public", table));
    let is_name = |text: &str| {
        !text.is_empty()
            && !text.starts_with(|first: char| first.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if is_name(schema) && is_name(name) {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "`{setting}` makes the table `{table}`; write letters, digits and underscores, with a schema \
         and a dot before them where there is one"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(layout: Layout, pairs: &[(&str, &str)]) -> Result<Settings, Error> {
        let pairs = pairs.iter().chain(&[("connectionString", "host=localhost")]);
        let metadata = pairs.map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Settings::new(&metadata, layout)
    }

    #[test]
    fn the_defaults_are_those_of_dapr() {
        let one = settings(Layout::V1, &[]).unwrap();
        assert_eq!((one.timeout, one.table.as_str()), (Duration::from_secs(20), "state"));
        assert_eq!(one.metadata_table, "dapr_metadata");
        assert_eq!(one.cleanup_interval, Some(Duration::from_secs(3600)));
        let two = settings(Layout::V2, &[("tablePrefix", "shop.my_")]).unwrap();
        assert_eq!(two.table, "shop.my_state");
    }

    #[test]
    fn a_wrong_value_is_refused_by_the_name_of_its_setting() {
        for (name, value) in [
            ("timeout", "10ms"),
            ("tableName", "state; DROP TABLE state"),
            ("tableName", "a.b.c"),
            ("metadataTableName", ""),
            ("cleanupInterval", "daily"),
            ("maxConns", "many"),
            ("useAWSIAM", "true"),
        ] {
            let error = settings(Layout::V1, &[(name, value)]).unwrap_err();
            assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
        }
        let error = settings(Layout::V2, &[("tablePrefix", "my-")]).unwrap_err();
        assert!(error.to_string().contains("`tablePrefix`"), "{error}");
    }
}
