//! Searches in RedisJSON: the indexes of `queryIndexes`, made when the component is, and queries in
//! them. A query names its index (`queryIndexName`) and goes over the paths that it has.
//!
//! Texts are looked for as Dapr's store does it: by their words, not by their whole. Unlike there,
//! what stands in a value never becomes a part of the question, `NEQ` counts outside of `AND` and
//! `OR` too, and a query without a limit gives all there is.

mod question;

use std::collections::HashMap;

use redis::{Pipeline, Value};
use replug_component::state::{QueryItem, QueryRequest, QueryResponse};
use replug_component::{Error, Metadata};
use serde::Deserialize;

use super::server::{Doing, Server};
use super::settings::{Settings, Topology};
use crate::builtin::query::Plan;
use crate::builtin::setting::filled;
use question::Question;

/// How many entries a query without a limit gives at the most: what the module does by default.
const ALL: u64 = 1_000_000;

/// What can be searched.
pub(super) struct Indexes(HashMap<String, Index>);

/// One index: which paths it has, each under the name that the module knows it by.
struct Index {
    paths: Vec<Indexed>,
}

#[derive(Deserialize)]
struct Written {
    name: String,
    indexes: Vec<Indexed>,
}

#[derive(Deserialize)]
struct Indexed {
    key: String,
    #[serde(rename = "type")]
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Kind {
    #[serde(rename = "TEXT")]
    Text,
    #[serde(rename = "NUMERIC")]
    Number,
}

impl Indexes {
    pub(super) fn new(metadata: &Metadata, settings: &Settings) -> Result<Self, Error> {
        let Some(text) = filled(metadata, &["queryIndexes"])? else {
            return Ok(Self(HashMap::new()));
        };
        if matches!(settings.topology, Topology::Cluster(_)) {
            return Err(Error::Invalid(
                "`queryIndexes` cannot be had in a cluster: each node would index its own part"
                    .into(),
            ));
        }
        let written: Vec<Written> = serde_json::from_str(text).map_err(|error| {
            Error::Invalid(format!(
                "`queryIndexes` cannot be read: {error}; write \
                 [{{\"name\": \"orders\", \"indexes\": [{{\"key\": \"city\", \"type\": \"TEXT\"}}]}}] \
                 with the types TEXT and NUMERIC"
            ))
        })?;
        let index = |Written { name, indexes }| {
            if name.is_empty() || indexes.is_empty() {
                return Err(Error::Invalid(format!(
                    "`queryIndexes` has the index `{name}` with {} paths; write a name and one path \
                     or more",
                    indexes.len()
                )));
            }
            Ok((name, Index { paths: indexes }))
        };
        Ok(Self(written.into_iter().map(index).collect::<Result<_, _>>()?))
    }

    /// Makes them at the server, in the place of those that have their names.
    pub(super) async fn make(&self, server: &Server) -> Result<(), Error> {
        for (name, index) in &self.0 {
            if let Err(why) = index.make(server, name).await? {
                if !why.to_lowercase().contains("already exists") {
                    return Err(server.told(format!("cannot make the index {name}: {why}")));
                }
                let mut commands = Pipeline::with_capacity(1);
                commands.cmd("FT.DROPINDEX").arg(name);
                // Somebody else may have done so, too.
                server.ask(Doing::Write, &commands).await?;
                if let Err(why) = index.make(server, name).await?
                    && !why.to_lowercase().contains("already exists")
                {
                    return Err(server.told(format!("cannot make the index {name}: {why}")));
                }
            }
        }
        Ok(())
    }

    /// Carries out a query.
    pub(super) async fn search(
        &self,
        server: &Server,
        request: &QueryRequest,
    ) -> Result<QueryResponse, Error> {
        if self.0.is_empty() {
            return Err(Error::Unsupported(
                "state store does not support querying without `queryIndexes`".into(),
            ));
        }
        let name = request.metadata.get("queryIndexName").map(String::as_str).unwrap_or_default();
        let index = self.0.get(name).ok_or_else(|| {
            Error::Invalid(if name.is_empty() {
                "query index not found: name one in the metadata `queryIndexName`".to_owned()
            } else {
                format!("query index schema \"{name}\" not found")
            })
        })?;
        let plan = Plan::new(&request.query)?;
        let question = Question::new(&plan, &index.paths)?;
        let mut commands = Pipeline::with_capacity(1);
        commands.cmd("FT.SEARCH").arg(name).arg(question.filter);
        if let Some((alias, descending)) = question.sort {
            commands.arg("SORTBY").arg(alias).arg(if descending { "DESC" } else { "ASC" });
        }
        commands.arg("LIMIT").arg(plan.offset).arg(plan.limit.unwrap_or(ALL));
        commands.arg("RETURN").arg(2).arg("$.data").arg("$.version").arg("DIALECT").arg(2);
        let answer = match server.ask(Doing::Read, &commands).await?.into_iter().next() {
            Some(Value::Array(answer)) => answer,
            Some(Value::ServerError(error)) => {
                return Err(server.told(format!("cannot query: {error}")));
            }
            _ => return Err(server.told("the answer to a query is none".to_owned())),
        };
        let mut answer = answer.into_iter();
        let total = match answer.next() {
            Some(Value::Int(total)) => u64::try_from(total).unwrap_or(0),
            _ => 0,
        };
        let mut items = Vec::new();
        while let (Some(Value::BulkString(key)), Some(fields)) = (answer.next(), answer.next()) {
            items.push(item(&key, fields));
        }
        let more = plan.offset + (items.len() as u64) < total;
        let token = plan.token_after(items.len(), more && plan.limit.is_some());
        Ok(QueryResponse { items, token, ..QueryResponse::default() })
    }
}

impl Index {
    /// In the answer of the server, why it is not made.
    async fn make(&self, server: &Server, name: &str) -> Result<Result<(), String>, Error> {
        let mut commands = Pipeline::with_capacity(1);
        commands.cmd("FT.CREATE").arg(name).arg("ON").arg("JSON").arg("SCHEMA");
        for (number, path) in self.paths.iter().enumerate() {
            commands.arg(format!("$.data.{}", path.key)).arg("AS").arg(alias(number));
            commands.arg(match path.kind {
                Kind::Text => "TEXT",
                Kind::Number => "NUMERIC",
            });
            commands.arg("SORTABLE");
        }
        match server.ask(Doing::Write, &commands).await?.into_iter().next() {
            Some(Value::ServerError(error)) => Ok(Err(error.to_string())),
            _ => Ok(Ok(())),
        }
    }
}

/// What the module calls a path.
fn alias(number: usize) -> String {
    format!("var{number}")
}

fn item(key: &[u8], fields: Value) -> QueryItem {
    let mut item =
        QueryItem { key: String::from_utf8_lossy(key).into_owned(), ..QueryItem::default() };
    let mut fields = match fields {
        Value::Array(fields) => fields.into_iter(),
        _ => Vec::new().into_iter(),
    };
    while let (Some(Value::BulkString(name)), Some(value)) = (fields.next(), fields.next()) {
        match (name.as_slice(), value) {
            (b"$.data", Value::BulkString(data)) => item.data = data.into(),
            (b"$.version", Value::BulkString(version)) => {
                item.etag = Some(String::from_utf8_lossy(&version).into_owned());
            }
            _ => {}
        }
    }
    if item.data.is_empty() {
        "the value is none that a state store has written".clone_into(&mut item.error);
    }
    item
}
