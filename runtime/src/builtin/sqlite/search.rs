//! Queries, in SQL. What a user wrote, paths included, is bound and never becomes part of it.

use replug_component::Error;
use replug_component::state::{QueryItem, QueryResponse, SortOrder};
use rusqlite::types::Value;
use rusqlite::{ErrorCode, Row, params_from_iter};
use tokio::sync::oneshot::{self, error::TryRecvError};

use super::connection::{Database, TEXT_OF};
use super::read::{self, ALIVE};
use super::timestamp;
use crate::builtin::query::{Bound, Filter, Number, Path, Plan, Scalar};

/// How many of SQLite's instructions pass between two looks at whether the caller is still there.
const INSTRUCTIONS_BETWEEN_LOOKS: i32 = 10_000;

impl Database {
    /// Carries out a query, unless `stop` is closed before it has ended.
    pub(super) fn search(
        &self,
        plan: &Plan,
        mut stop: oneshot::Receiver<()>,
    ) -> Result<QueryResponse, Error> {
        let (sql, parameters) = statement(&self.settings.table, plan);
        let connection = &self.connection;
        let gone = move || stop.try_recv() == Err(TryRecvError::Closed);
        let found = connection
            .progress_handler(INSTRUCTIONS_BETWEEN_LOOKS, Some(gone))
            .and_then(|()| connection.prepare(&sql))
            .and_then(|mut statement| {
                statement.query_map(params_from_iter(parameters), item)?.collect()
            });
        let reset = connection.progress_handler(0, None::<fn() -> bool>);
        let mut items: Vec<QueryItem> = match found.and_then(|found| reset.map(|()| found)) {
            Ok(items) => items,
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
                return Err(Error::Failed("the query was given up".into()));
            }
            Err(error) => return Err(self.failed("query", &error)),
        };
        let limit = plan.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let token = plan.token_after(items.len(), more);
        Ok(QueryResponse { items, token, ..QueryResponse::default() })
    }
}

fn item(row: &Row<'_>) -> rusqlite::Result<QueryItem> {
    let mut item = QueryItem { key: row.get(0)?, etag: Some(row.get(3)?), ..QueryItem::default() };
    // A value that cannot be read is told of beside the others.
    match read::value(row.get_ref(1)?, row.get_ref(2)?) {
        Ok(data) => item.data = data,
        Err(error) => item.error = error.to_string(),
    }
    Ok(item)
}

/// A plan as a statement and what is bound to it. It asks for one row more than the page has, to
/// learn whether there is a next page.
fn statement(table: &str, plan: &Plan) -> (String, Vec<Value>) {
    let mut sql = Sql { text: String::new(), parameters: vec![timestamp::now().into()] };
    let kept = format!(
        "SELECT key, value, is_binary, etag, {TEXT_OF}(value, is_binary) AS text
         FROM {table} WHERE {ALIVE}"
    );
    sql.push(&format!(
        "SELECT key, value, is_binary, etag FROM (SELECT key, value, is_binary, etag,
             CASE WHEN json_valid(text) THEN text END AS document FROM ({kept}))"
    ));
    if let Some(filter) = &plan.filter {
        sql.push(" WHERE document IS NOT NULL AND ");
        sql.filter(filter);
    }
    sql.push(" ORDER BY ");
    for (path, order) in &plan.sort {
        sql.sorting(path, *order);
    }
    sql.push("key LIMIT ");
    // A limit below zero is none.
    let limit = plan.limit.map(|limit| limit.saturating_add(1));
    sql.bind(limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(-1));
    sql.push(" OFFSET ");
    sql.bind(i64::try_from(plan.offset).unwrap_or(i64::MAX));
    (sql.text, sql.parameters)
}

struct Sql {
    text: String,
    parameters: Vec<Value>,
}

impl Sql {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Binds a value and names it here.
    fn bind(&mut self, value: impl Into<Value>) {
        let name = self.name(value);
        self.push(&name);
    }

    /// Binds a value. Gives its name.
    fn name(&mut self, value: impl Into<Value>) -> String {
        self.parameters.push(value.into());
        format!("?{}", self.parameters.len())
    }

    /// The type and the value of a member of the document, both as SQL.
    fn member(&mut self, path: &Path) -> (String, String) {
        let parts = path.parts().iter().map(|part| format!(".\"{part}\""));
        let path = self.name(format!("${}", parts.collect::<String>()));
        let kind = format!("ifnull(json_type(document, {path}), 'null')");
        (kind, format!("json_extract(document, {path})"))
    }

    fn filter(&mut self, filter: &Filter) {
        match filter {
            Filter::Is(path, values) => self.is(path, values),
            Filter::IsNot(path, value) => {
                self.push("NOT ");
                self.is(path, std::slice::from_ref(value));
            }
            Filter::Compares(path, comparison, bound) => {
                let (kind, member) = self.member(path);
                let sign = comparison.sign();
                let (kinds, bound) = match bound {
                    Bound::Number(number) => ("'integer', 'real'", number_value(*number)),
                    Bound::Text(text) => ("'text'", text.clone().into()),
                };
                self.push(&format!("({kind} IN ({kinds}) AND {member} {sign} "));
                self.bind(bound);
                self.push(")");
            }
            Filter::All(filters) => self.several(" AND ", filters),
            Filter::Any(filters) => self.several(" OR ", filters),
        }
    }

    fn several(&mut self, between: &str, filters: &[Filter]) {
        self.push("(");
        for (index, filter) in filters.iter().enumerate() {
            if index > 0 {
                self.push(between);
            }
            self.filter(filter);
        }
        self.push(")");
    }

    /// The member is one of `values`: one list for each type among them, as texts and numbers
    /// would otherwise be compared with each other.
    fn is(&mut self, path: &Path, values: &[Scalar]) {
        let (kind, member) = self.member(path);
        let (mut kinds, mut numbers, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        for value in values {
            match value {
                Scalar::Null => kinds.push("'null'"),
                Scalar::Bool(true) => kinds.push("'true'"),
                Scalar::Bool(false) => kinds.push("'false'"),
                Scalar::Number(number) => numbers.push(self.name(number_value(*number))),
                Scalar::Text(text) => texts.push(self.name(text.clone())),
            }
        }
        let mut ways = Vec::new();
        if !kinds.is_empty() {
            ways.push(format!("{kind} IN ({})", kinds.join(", ")));
        }
        for (kinds, names) in [("'integer', 'real'", numbers), ("'text'", texts)] {
            if !names.is_empty() {
                let names = names.join(", ");
                ways.push(format!("({kind} IN ({kinds}) AND {member} IN ({names}))"));
            }
        }
        self.push(&format!("({})", ways.join(" OR ")));
    }

    /// By type first, then by value; what is neither of these types is all alike.
    fn sorting(&mut self, path: &Path, order: SortOrder) {
        let (kind, member) = self.member(path);
        let order = match order {
            SortOrder::Ascending => "ASC",
            SortOrder::Descending => "DESC",
        };
        self.push(&format!(
            "CASE {kind} WHEN 'null' THEN 0 WHEN 'false' THEN 1 WHEN 'true' THEN 2
                 WHEN 'integer' THEN 3 WHEN 'real' THEN 3 WHEN 'text' THEN 4 ELSE 5 END {order},
             CASE WHEN {kind} IN ('integer', 'real', 'text') THEN {member} END {order}, "
        ));
    }
}

fn number_value(number: Number) -> Value {
    match number {
        Number::Integer(integer) => integer.into(),
        Number::Real(real) => real.into(),
    }
}
