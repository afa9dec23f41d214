//! SQLite's errors, told so that somebody can act on them.

use replug_component::Error;
use rusqlite::ErrorCode;

use super::settings::Settings;

/// `error`, which came of `doing` something with the database.
pub(super) fn failed(settings: &Settings, doing: &str, error: &rusqlite::Error) -> Error {
    let hint = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => format!(
            "; another connection holds it, and is waited for up to `busyTimeout` ({})",
            humantime::format_duration(settings.busy_timeout)
        ),
        Some(ErrorCode::CannotOpen) => {
            "; does its folder exist, and may this process write there?".to_owned()
        }
        Some(ErrorCode::DiskFull) => "; make room, and the next write goes through".to_owned(),
        Some(ErrorCode::NotADatabase) => {
            "; `connectionString` names a file of another kind".to_owned()
        }
        _ => String::new(),
    };
    let shown = &settings.connection.shown;
    if let rusqlite::Error::SqlInputError { msg, .. } = error {
        let table = &settings.table;
        return Error::Failed(format!(
            "sqlite {shown}: cannot {doing}: {msg}; is the table `{table}` (`tableName`) there, and \
             one of a state store?"
        ));
    }
    Error::Failed(format!("sqlite {shown}: cannot {doing}: {error}{hint}"))
}
