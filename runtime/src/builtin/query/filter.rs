//! Filters: which values a query asks for.

use replug_component::Error;
use serde_json::{Map, Value};

use super::Number;

/// How many conditions a filter may have: what SQLite takes in one expression, with room to spare.
const MAX_CONDITIONS: usize = 250;

/// How many values all `IN`s of a filter may list.
const MAX_LISTED: usize = 10_000;

/// Which values a query asks for.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::builtin) enum Filter {
    /// The member is one of these: `EQ` and `IN`.
    Is(Path, Vec<Scalar>),
    /// The member is not this: `NEQ`.
    IsNot(Path, Scalar),
    /// The member is of the bound's type and so to it: `GT`, `GTE`, `LT`, `LTE`.
    Compares(Path, Comparison, Bound),
    /// All of these hold: `AND`.
    All(Vec<Filter>),
    /// One of these holds: `OR`.
    Any(Vec<Filter>),
}

/// How a member is to a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::builtin) enum Comparison {
    /// `GT`.
    Greater,
    /// `GTE`.
    GreaterOrEqual,
    /// `LT`.
    Less,
    /// `LTE`.
    LessOrEqual,
}

impl Comparison {
    /// The sign that databases have for it.
    pub(in crate::builtin) fn sign(self) -> &'static str {
        match self {
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
        }
    }
}

/// What a member can be less or greater than.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::builtin) enum Bound {
    /// Numbers compare with numbers.
    Number(Number),
    /// Texts compare with texts, by code point.
    Text(String),
}

/// What a member can be equal to.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::builtin) enum Scalar {
    /// Null, or missing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
}

/// Where in a JSON value a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::builtin) struct Path(Vec<String>);

impl Path {
    /// The path that `key` writes: names with dots between.
    pub(super) fn parse(key: &str) -> Result<Self, Error> {
        let parts: Vec<String> = key.split('.').map(str::to_owned).collect();
        let wrong = |what| Err(Error::Invalid(format!("query key `{key}` {what}")));
        if parts.iter().any(String::is_empty) {
            return wrong("is no path: write names with dots between, such as `person.org`");
        }
        // SQLite's paths have no way to write these inside a name.
        if key.contains(['"', '\\']) {
            return wrong("cannot be looked for: it has a quotation mark or a backslash");
        }
        Ok(Self(parts))
    }

    /// The names, from the outermost object inwards.
    pub(in crate::builtin) fn parts(&self) -> &[String] {
        &self.0
    }
}

impl Filter {
    /// Reads a filter; an empty one is none.
    pub(super) fn parse(filter: &Map<String, Value>) -> Result<Option<Self>, Error> {
        if filter.is_empty() {
            return Ok(None);
        }
        let mut limits = Limits { conditions: MAX_CONDITIONS, listed: MAX_LISTED };
        limits.condition(filter).map(Some)
    }
}

/// What a filter may still have.
struct Limits {
    conditions: usize,
    listed: usize,
}

impl Limits {
    fn condition(&mut self, condition: &Map<String, Value>) -> Result<Filter, Error> {
        self.conditions = self.conditions.checked_sub(1).ok_or_else(|| {
            invalid(&format!("has more than {MAX_CONDITIONS} conditions; ask several queries"))
        })?;
        let (operator, operand) = only_member(condition)
            .ok_or_else(|| invalid("must have one operator at each place, such as EQ"))?;
        let compares = |comparison| {
            let (path, value) = path_and_value(operator, operand)?;
            Ok(Filter::Compares(path, comparison, bound(operator, value)?))
        };
        match operator {
            "EQ" => {
                let (path, value) = path_and_value(operator, operand)?;
                Ok(Filter::Is(path, vec![scalar(operator, value)?]))
            }
            "NEQ" => {
                let (path, value) = path_and_value(operator, operand)?;
                Ok(Filter::IsNot(path, scalar(operator, value)?))
            }
            "GT" => compares(Comparison::Greater),
            "GTE" => compares(Comparison::GreaterOrEqual),
            "LT" => compares(Comparison::Less),
            "LTE" => compares(Comparison::LessOrEqual),
            "IN" => self.is_in(operand),
            "AND" => self.several(operator, operand).map(Filter::All),
            "OR" => self.several(operator, operand).map(Filter::Any),
            _ => Err(invalid(&format!(
                "has the operator `{operator}`; there are EQ, NEQ, GT, GTE, LT, LTE, IN, AND, OR"
            ))),
        }
    }

    fn is_in(&mut self, operand: &Value) -> Result<Filter, Error> {
        let (path, values) = path_and_value("IN", operand)?;
        let values = values.as_array().filter(|values| !values.is_empty());
        let values = values.ok_or_else(|| {
            invalid(
                "needs a list after IN that is not empty: {\"IN\": {\"state\": [\"CA\", \"WA\"]}}",
            )
        })?;
        self.listed = self
            .listed
            .checked_sub(values.len())
            .ok_or_else(|| invalid(&format!("lists more than {MAX_LISTED} values after IN")))?;
        let values = values.iter().map(|value| scalar("IN", value));
        Ok(Filter::Is(path, values.collect::<Result<_, _>>()?))
    }

    fn several(&mut self, operator: &str, operand: &Value) -> Result<Vec<Filter>, Error> {
        let conditions = operand.as_array().filter(|conditions| conditions.len() >= 2);
        let conditions = conditions.ok_or_else(|| {
            invalid(&format!("needs a list of at least two conditions after {operator}"))
        })?;
        let read = conditions.iter().map(|condition| match condition.as_object() {
            Some(condition) => self.condition(condition),
            None => Err(invalid(&format!("needs objects in the list after {operator}"))),
        });
        read.collect()
    }
}

fn invalid(what: &str) -> Error {
    Error::Invalid(format!("query filter {what}"))
}

fn only_member(object: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut members = object.iter();
    match (members.next(), members.next()) {
        (Some((name, value)), None) => Some((name, value)),
        _ => None,
    }
}

fn path_and_value<'v>(operator: &str, operand: &'v Value) -> Result<(Path, &'v Value), Error> {
    let (key, value) = operand.as_object().and_then(only_member).ok_or_else(|| {
        invalid(&format!("needs one key and its value after {operator}: {{\"state\": \"CA\"}}"))
    })?;
    Ok((Path::parse(key)?, value))
}

fn scalar(operator: &str, value: &Value) -> Result<Scalar, Error> {
    match value {
        Value::Null => Ok(Scalar::Null),
        Value::Bool(value) => Ok(Scalar::Bool(*value)),
        Value::Number(number) => Ok(Scalar::Number(Number::new(number))),
        Value::String(text) => Ok(Scalar::Text(text.clone())),
        Value::Array(_) | Value::Object(_) => Err(invalid(&format!(
            "compares with a list or an object after {operator}; compare with a text, a number, \
             true, false or null"
        ))),
    }
}

fn bound(operator: &str, value: &Value) -> Result<Bound, Error> {
    match value {
        Value::Number(number) => Ok(Bound::Number(Number::new(number))),
        Value::String(text) => Ok(Bound::Text(text.clone())),
        _ => Err(invalid(&format!("needs a number or a text after {operator}"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(filter: &Value) -> Result<Option<Filter>, Error> {
        Filter::parse(filter.as_object().unwrap())
    }

    #[test]
    fn a_filter_is_read_into_a_tree() {
        let filter = json!({"OR": [
            {"EQ": {"person.org": "Dev Ops"}},
            {"AND": [{"GTE": {"id": 7}}, {"IN": {"state": ["CA", null]}}]},
        ]});
        let path = |key| Path::parse(key).unwrap();
        assert_eq!(
            parse(&filter).unwrap().unwrap(),
            Filter::Any(vec![
                Filter::Is(path("person.org"), vec![Scalar::Text("Dev Ops".into())]),
                Filter::All(vec![
                    Filter::Compares(
                        path("id"),
                        Comparison::GreaterOrEqual,
                        Bound::Number(Number::Integer(7))
                    ),
                    Filter::Is(path("state"), vec![Scalar::Text("CA".into()), Scalar::Null]),
                ]),
            ])
        );
        assert_eq!(parse(&json!({})).unwrap(), None);
    }

    #[test]
    fn a_malformed_filter_is_refused_with_what_would_be_right() {
        for (filter, says) in [
            (json!({"EQ": {"a": 1}, "NEQ": {"a": 2}}), "one operator"),
            (json!({"LIKE": {"a": 1}}), "there are EQ"),
            (json!({"EQ": 5}), "one key and its value after EQ"),
            (json!({"EQ": {"a": 1, "b": 2}}), "one key and its value after EQ"),
            (json!({"EQ": {"a": [1]}}), "text, a number"),
            (json!({"EQ": {"a..b": 1}}), "no path"),
            (json!({"EQ": {"a\"b": 1}}), "quotation mark"),
            (json!({"GT": {"a": true}}), "number or a text after GT"),
            (json!({"IN": {"a": []}}), "list after IN"),
            (json!({"IN": {"a": "CA"}}), "list after IN"),
            (json!({"AND": [{"EQ": {"a": 1}}]}), "at least two"),
            (json!({"OR": [{"EQ": {"a": 1}}, 5]}), "objects in the list after OR"),
            (json!({"OR": vec![json!({"EQ": {"a": 1}}); 300]}), "more than 250"),
            (json!({"IN": {"a": vec![1; 10_001]}}), "more than 10000"),
        ] {
            match parse(&filter) {
                Err(Error::Invalid(text)) => assert!(text.contains(says), "{filter}: {text}"),
                other => panic!("{filter}: {other:?}"),
            }
        }
    }
}
