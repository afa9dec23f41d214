//! Queries over version 1's `jsonb`, in SQL. What a user wrote, paths included, is bound and never
//! becomes part of it. What stands for bytes is met by no filter.

use replug_component::Error;
use replug_component::state::{GetResponse, QueryItem, QueryResponse, SortOrder};
use tokio_postgres::types::{ToSql, Type};

use super::database::Database;
use super::layout::Layout;
use crate::builtin::query::{Bound, Filter, Number, Path, Plan, Scalar};

impl Database {
    /// Carries out a query.
    pub(super) async fn search(&self, plan: &Plan) -> Result<QueryResponse, Error> {
        let sql = Sql::of(&self.settings.table, plan);
        let parameters =
            sql.parameters.iter().map(|text| (text as &(dyn ToSql + Sync), Type::TEXT));
        let parameters: Vec<_> = parameters.collect();
        let rows = self.read(&sql.text, &parameters).await?;
        let limit = plan.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let items = rows.iter().take(limit).map(|row| {
            // A value that cannot be read is told of beside the others.
            let (value, error) = match Layout::V1.response(row) {
                Ok(value) => (value, String::new()),
                Err(error) => (GetResponse::default(), error),
            };
            let GetResponse { data, etag, .. } = value;
            QueryItem { key: row.get(0), data, etag, error, ..QueryItem::default() }
        });
        let items: Vec<QueryItem> = items.collect();
        let token = plan.token_after(items.len(), rows.len() > limit);
        Ok(QueryResponse { items, token, ..QueryResponse::default() })
    }
}

/// A statement, and what is bound to it, all of it text.
struct Sql {
    text: String,
    parameters: Vec<String>,
}

impl Sql {
    /// A plan as a statement. It asks for one row more than the page has, to learn whether there is a
    /// next page.
    fn of(table: &str, plan: &Plan) -> Self {
        let (columns, alive) = (Layout::V1.columns(), Layout::V1.alive());
        let mut sql = Self { text: String::new(), parameters: Vec::new() };
        sql.push(&format!("SELECT {columns} FROM {table} AS t WHERE {alive}"));
        if let Some(filter) = &plan.filter {
            sql.push(" AND NOT t.isbinary AND ");
            sql.filter(filter);
        }
        sql.push(" ORDER BY ");
        for (path, order) in &plan.sort {
            sql.sorting(path, *order);
        }
        sql.push("t.key COLLATE \"C\"");
        if let Some(limit) = plan.limit {
            let limit = sql.bound(limit.saturating_add(1).min(i64::MAX as u64).to_string());
            sql.push(&format!(" LIMIT {limit}::int8"));
        }
        let offset = sql.bound(plan.offset.min(i64::MAX as u64).to_string());
        sql.push(&format!(" OFFSET {offset}::int8"));
        sql
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Binds a text. Gives its name.
    fn bound(&mut self, text: String) -> String {
        self.parameters.push(text);
        format!("${}::text", self.parameters.len())
    }

    /// A member of the value as `jsonb`; a missing one is null. It does not go into arrays, since its
    /// names are texts. What stands for bytes has no members.
    fn member(&mut self, path: &Path) -> String {
        let mut member = "coalesce(t.value".to_owned();
        for part in path.parts() {
            member.push_str(" -> ");
            member.push_str(&self.bound(part.clone()));
        }
        member.push_str(", 'null'::jsonb)");
        member
    }

    fn filter(&mut self, filter: &Filter) {
        match filter {
            Filter::Is(path, values) => self.is(path, values),
            Filter::IsNot(path, value) => {
                self.push("NOT ");
                self.is(path, std::slice::from_ref(value));
            }
            Filter::Compares(path, comparison, bound) => {
                let member = self.member(path);
                let sign = comparison.sign();
                let text = match bound {
                    Bound::Number(number) => {
                        let number = self.number(*number);
                        format!("(jsonb_typeof({member}) = 'number' AND {member} {sign} {number})")
                    }
                    Bound::Text(text) => {
                        let text = self.bound(text.clone());
                        format!(
                            "(jsonb_typeof({member}) = 'string'
                              AND ({member} #>> '{{}}') COLLATE \"C\" {sign} {text})"
                        )
                    }
                };
                self.push(&text);
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

    fn is(&mut self, path: &Path, values: &[Scalar]) {
        let member = self.member(path);
        let values: Vec<String> = values.iter().map(|value| self.scalar(value)).collect();
        self.push(&format!("({member} IN ({}))", values.join(", ")));
    }

    fn scalar(&mut self, value: &Scalar) -> String {
        match value {
            Scalar::Null => "'null'::jsonb".to_owned(),
            Scalar::Bool(true) => "'true'::jsonb".to_owned(),
            Scalar::Bool(false) => "'false'::jsonb".to_owned(),
            Scalar::Number(number) => self.number(*number),
            Scalar::Text(text) => format!("to_jsonb({})", self.bound(text.clone())),
        }
    }

    fn number(&mut self, number: Number) -> String {
        let text = match number {
            Number::Integer(integer) => integer.to_string(),
            Number::Real(real) => real.to_string(),
        };
        format!("to_jsonb({}::numeric)", self.bound(text))
    }

    /// By type first, then by value; what is neither of these types is all alike.
    fn sorting(&mut self, path: &Path, order: SortOrder) {
        let member = self.member(path);
        let order = match order {
            SortOrder::Ascending => "ASC",
            SortOrder::Descending => "DESC",
        };
        self.push(&format!(
            "CASE jsonb_typeof({member}) WHEN 'null' THEN 0
                 WHEN 'boolean' THEN CASE WHEN {member} = 'true'::jsonb THEN 2 ELSE 1 END
                 WHEN 'number' THEN 3 WHEN 'string' THEN 4 ELSE 5 END {order},
             CASE WHEN jsonb_typeof({member}) = 'number'
                 THEN ({member} #>> '{{}}')::numeric END {order},
             CASE WHEN jsonb_typeof({member}) = 'string'
                 THEN {member} #>> '{{}}' END COLLATE \"C\" {order}, "
        ));
    }
}
