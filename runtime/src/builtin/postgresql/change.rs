//! What requests change, and how it is written.

use bytes::Bytes;
use replug_component::Error;
use replug_component::state::{Concurrency, DeleteRequest, Operation, SetRequest};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

use super::database::{Database, Sent};
use super::layout::{Layout, to_json};
use crate::builtin::etag;
use crate::builtin::ttl::{self, BelowMinusOne};

/// What a request does to one key.
pub(super) enum Change {
    /// Stores a value.
    Set { key: String, value: Kept, etag: Option<String>, first: bool, seconds: Option<f64> },
    /// Removes a key.
    Delete { key: String, etag: Option<String> },
}

/// A value as its column keeps it.
pub(super) enum Kept {
    Json(String, bool),
    Bytes(Bytes),
}

impl Change {
    pub(super) fn set(request: SetRequest, layout: Layout) -> Result<Self, Error> {
        let ttl = ttl::parse(&request.metadata, BelowMinusOne::Refused)?;
        let value = match layout {
            Layout::V1 => {
                let (json, binary) = to_json(&request.value, says_other_than_json(&request));
                Kept::Json(json, binary)
            }
            Layout::V2 => Kept::Bytes(request.value),
        };
        Ok(Self::Set {
            etag: asked(request.etag, layout)?,
            key: request.key,
            value,
            first: request.options.concurrency == Concurrency::FirstWrite,
            seconds: ttl.map(|ttl| ttl.as_secs_f64()),
        })
    }

    pub(super) fn delete(request: DeleteRequest, layout: Layout) -> Result<Self, Error> {
        Ok(Self::Delete { etag: asked(request.etag, layout)?, key: request.key })
    }

    /// An operation of a transaction.
    pub(super) fn part(operation: Operation, layout: Layout) -> Result<Self, Error> {
        match operation {
            Operation::Set(request) => Self::set(request, layout),
            Operation::Delete(request) => Self::delete(request, layout),
        }
    }

    /// Makes the change. False: what is stored is not as the request asked.
    async fn make(
        &self,
        database: &Database,
        to: &impl Executor,
    ) -> Result<bool, tokio_postgres::Error> {
        let statements = &database.statements;
        let rows = match self {
            Self::Set { key, value, etag, first, seconds } => {
                let bytes: &[u8];
                let (value, of, binary): (&(dyn ToSql + Sync), Type, bool) = match value {
                    Kept::Json(json, binary) => (json, Type::TEXT, *binary),
                    Kept::Bytes(value) => {
                        bytes = value;
                        (&bytes, Type::BYTEA, true)
                    }
                };
                let mut parameters: Vec<(&(dyn ToSql + Sync), Type)> = vec![
                    (key, Type::TEXT),
                    (value, of),
                    (&binary, Type::BOOL),
                    (seconds, Type::FLOAT8),
                ];
                let sql = match (etag, first) {
                    (Some(etag), _) => {
                        parameters.push((etag, Type::TEXT));
                        &statements.put_matching
                    }
                    (None, true) => &statements.put_first,
                    (None, false) => &statements.put,
                };
                to.execute(sql, &parameters).await?
            }
            Self::Delete { key, etag: None } => {
                to.execute(&statements.delete, &[(key, Type::TEXT)]).await?;
                return Ok(true);
            }
            Self::Delete { key, etag: Some(etag) } => {
                let parameters: [(&(dyn ToSql + Sync), Type); 2] =
                    [(key, Type::TEXT), (etag, Type::TEXT)];
                to.execute(&statements.delete_matching, &parameters).await?
            }
        };
        Ok(rows > 0)
    }
}

/// Whether a write says that its value is of another type than JSON.
fn says_other_than_json(request: &SetRequest) -> bool {
    let said = request.metadata.iter().find(|(name, _)| name.eq_ignore_ascii_case("contentType"));
    let said = said.map_or(request.content_type.as_str(), |(_, value)| value);
    !said.is_empty() && !said.to_ascii_lowercase().contains("json")
}

/// The etag that a request asks for, in the form that the table compares.
fn asked(etag: Option<String>, layout: Layout) -> Result<Option<String>, Error> {
    let Some(etag) = etag::asked(etag) else {
        return Ok(None);
    };
    match layout {
        Layout::V1 if etag.parse::<u32>().is_ok() => {
            // As PostgreSQL writes them.
            Ok(Some(etag.trim_start_matches('+').to_owned()))
        }
        Layout::V1 => Err(Error::EtagInvalid(format!(
            "`{etag}` is not a whole number, as this store's etags are"
        ))),
        Layout::V2 => match Uuid::try_parse(&etag) {
            Ok(etag) => Ok(Some(etag.to_string())),
            // For Dapr's it is one that does not match, in the words of its library.
            Err(_) if ![32, 36, 38, 45].contains(&etag.len()) => {
                Err(Error::EtagMismatch(format!("invalid UUID length: {}", etag.len())))
            }
            Err(_) => Err(Error::EtagMismatch("invalid UUID format".to_owned())),
        },
    }
}

/// What statements are sent to: a connection, or a transaction on one.
trait Executor {
    async fn execute(
        &self,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<u64, tokio_postgres::Error>;
}

impl Executor for Client {
    async fn execute(
        &self,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<u64, tokio_postgres::Error> {
        self.execute_typed(sql, parameters).await
    }
}

impl Executor for Transaction<'_> {
    async fn execute(
        &self,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<u64, tokio_postgres::Error> {
        self.execute_typed(sql, parameters).await
    }
}

impl Database {
    /// Makes one change.
    pub(super) async fn write_one(&self, change: &Change) -> Result<(), Error> {
        let connection = self.connection().await?;
        let made = self.answer(change.make(self, &*connection)).await;
        let changed = self.settled(connection, made, Sent::Write)?;
        if changed { Ok(()) } else { Err(etag::mismatch()) }
    }

    /// Makes all changes, in their order, or none.
    pub(super) async fn write_together(&self, changes: &[Change]) -> Result<(), Error> {
        let mut connection = self.connection().await?;
        let made = {
            let client: &mut Client = &mut connection;
            self.answer(async {
                let transaction = client.transaction().await?;
                for change in changes {
                    if !change.make(self, &transaction).await? {
                        transaction.rollback().await?;
                        return Ok(Some(change));
                    }
                }
                transaction.commit().await?;
                Ok(None)
            })
            .await
        };
        match self.settled(connection, made, Sent::Write)? {
            None => Ok(()),
            Some(_) => Err(etag::mismatch()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_is_asked_for_in_the_form_of_its_table() {
        let asked = |etag: &str, layout| {
            asked(Some(etag.to_owned()), layout).map_err(|error| error.to_string())
        };
        assert_eq!(asked("+17", Layout::V1), Ok(Some("17".to_owned())));
        assert!(asked("x", Layout::V1).unwrap_err().starts_with("invalid etag value"));
        let uuid = "0b1f1f6e-9c2f-4f4e-8d0a-3a5d8a4f1c2b";
        for form in [uuid, &uuid.to_uppercase(), &uuid.replace('-', ""), &format!("{{{uuid}}}")] {
            assert_eq!(asked(form, Layout::V2), Ok(Some(uuid.to_owned())), "{form}");
        }
        let mismatch = "possible etag mismatch. error from state store: invalid UUID";
        assert_eq!(asked("1", Layout::V2), Err(format!("{mismatch} length: 1")));
        let no_hexadecimal = uuid.replace('b', "x");
        assert_eq!(asked(&no_hexadecimal, Layout::V2), Err(format!("{mismatch} format")));
    }
}
