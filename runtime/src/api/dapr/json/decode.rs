//! JSON bodies, read with Go's leniency: names in any case, unknown fields ignored, `null` for
//! nothing, and whatever follows the first value left unread.

use std::borrow::Cow;
use std::collections::HashMap;

use replug_component::Metadata;
use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::syntax::{end_of_value, unexpected, without_half_characters};

/// Why a body cannot be decoded, in the words that clients of Dapr see.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JsonError {
    /// There is nothing.
    #[error("EOF")]
    Empty,
    /// It ends in the middle of a value.
    #[error("unexpected EOF")]
    CutShort,
    /// It is no JSON.
    #[error("{0}")]
    Syntax(String),
    /// A value is of another type than its place asks for.
    #[error("json: cannot unmarshal {found} into Go {place} of type {wanted}")]
    Type {
        /// The type that is there.
        found: Cow<'static, str>,
        /// Where it stands.
        place: String,
        /// The type that should be there.
        wanted: &'static str,
    },
}

/// The first value of `text`. Bytes that are not UTF-8 read as replacement characters, and so do
/// escapes that are half of a character.
pub(crate) fn first_value(text: &[u8]) -> Result<Value, JsonError> {
    let readable = super::readable(text);
    let read = |text: &str| Value::deserialize(&mut serde_json::Deserializer::from_str(text));
    read(&readable).or_else(|error| {
        // Go reads it, whatever follows. What it finds wrong then is a number that fits nothing.
        let value = super::readable(&text[..end_of_value(text)?]);
        read(&without_half_characters(&value)).map_err(|_| JsonError::Syntax(error.to_string()))
    })
}

/// The one value of `text`, after which there is nothing.
pub(crate) fn whole_value(text: &[u8]) -> Result<Value, JsonError> {
    let end = end_of_value(text).map_err(|error| match error {
        JsonError::Empty | JsonError::CutShort => {
            JsonError::Syntax("unexpected end of JSON input".to_owned())
        }
        error => error,
    })?;
    let blank = |byte: &&u8| matches!(**byte, b' ' | b'\t' | b'\r' | b'\n');
    match text[end..].iter().find(|byte| !blank(byte)) {
        Some(byte) => Err(unexpected(*byte, "after top-level value")),
        None => first_value(text),
    }
}

/// A JSON object of which fields are taken by name.
#[derive(Debug, Default)]
pub(crate) struct Object {
    fields: HashMap<String, Value>,
    /// What Dapr calls such an object, in errors, with its package.
    name: &'static str,
    /// The fields it stands in, each with a dot, in errors.
    within: &'static str,
}

impl Object {
    /// `value` as an object; `null` is an empty one.
    pub(crate) fn from(value: Value, name: &'static str) -> Result<Self, JsonError> {
        match value {
            Value::Null => Ok(Self { name, ..Self::default() }),
            Value::Object(fields) => {
                let fields = fields.into_iter().map(|(n, v)| (n.to_ascii_lowercase(), v)).collect();
                Ok(Self { fields, name, within: "" })
            }
            other => Err(mismatch(&other, "value".to_owned(), name)),
        }
    }

    /// The object as one that stands in fields of another, each of them with a dot after it.
    pub(crate) fn within(self, fields: &'static str) -> Self {
        Self { within: fields, ..self }
    }

    /// The value of a field as it is; none where it is absent or `null`. Names are asked for in
    /// lower case.
    pub(crate) fn take(&mut self, field: &'static str) -> Option<Value> {
        self.fields.remove(field).filter(|value| !value.is_null())
    }

    /// A text; none where it is absent.
    pub(crate) fn text(&mut self, field: &'static str) -> Result<Option<String>, JsonError> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.mismatch(&other, field, "string")),
        }
    }

    /// A whole number; zero where it is absent.
    pub(crate) fn number(&mut self, field: &'static str) -> Result<i64, JsonError> {
        match self.take(field) {
            None => Ok(0),
            Some(Value::Number(number)) if number.is_i64() => Ok(number.as_i64().unwrap_or(0)),
            Some(Value::Number(number)) => {
                Err(self.mistyped(format!("number {number}").into(), field, "int"))
            }
            Some(other) => Err(self.mismatch(&other, field, "int")),
        }
    }

    /// A list, called `wanted` in errors; empty where it is absent.
    pub(crate) fn list(
        &mut self,
        field: &'static str,
        wanted: &'static str,
    ) -> Result<Vec<Value>, JsonError> {
        match self.take(field) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items),
            Some(other) => Err(self.mismatch(&other, field, wanted)),
        }
    }

    /// An object whose names count as they are; empty where it is absent.
    pub(crate) fn map(&mut self, field: &'static str) -> Result<Map<String, Value>, JsonError> {
        match self.take(field) {
            None => Ok(Map::new()),
            Some(Value::Object(fields)) => Ok(fields),
            Some(other) => Err(self.mismatch(&other, field, "map[string]string")),
        }
    }

    /// An object of texts.
    pub(crate) fn metadata(&mut self, field: &'static str) -> Result<Metadata, JsonError> {
        let entries = self.map(field)?.into_iter().map(|(name, value)| match value {
            Value::String(text) => Ok((name, text)),
            Value::Null => Ok((name, String::new())),
            other => Err(self.mismatch(&other, field, "string")),
        });
        entries.collect()
    }

    /// A list of texts.
    pub(crate) fn texts(&mut self, field: &'static str) -> Result<Vec<String>, JsonError> {
        let items = self.list(field, "[]string")?.into_iter().map(|item| match item {
            Value::String(text) => Ok(text),
            Value::Null => Ok(String::new()),
            other => Err(self.mismatch(&other, field, "string")),
        });
        items.collect()
    }

    /// That a field's value is not of the type that it should be of.
    pub(crate) fn mismatch(&self, found: &Value, field: &str, wanted: &'static str) -> JsonError {
        self.mistyped(kind(found).into(), field, wanted)
    }

    fn mistyped(&self, found: Cow<'static, str>, field: &str, wanted: &'static str) -> JsonError {
        let struct_name = self.name.rsplit('.').next().unwrap_or(self.name);
        let field = NAMES.iter().find(|(asked, _)| *asked == field).map_or(field, |(_, name)| name);
        let place = format!("struct field {struct_name}.{}{field}", self.within);
        JsonError::Type { found, place, wanted }
    }
}

/// Fields by the names that they are asked for by, and those that Dapr tells.
const NAMES: [(&str, &str); 4] = [
    ("entryid", "entryId"),
    ("contenttype", "contentType"),
    ("concurrency", "Concurrency"),
    ("consistency", "Consistency"),
];

/// The items of a list that is the whole body; `null` is an empty one.
pub(crate) fn items(value: Value, wanted: &'static str) -> Result<Vec<Value>, JsonError> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => Ok(items),
        other => Err(mismatch(&other, "value".to_owned(), wanted)),
    }
}

fn mismatch(found: &Value, place: String, wanted: &'static str) -> JsonError {
    JsonError::Type { found: kind(found).into(), place, wanted }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_counts() {
        assert_eq!(first_value(b"[1] {broken").unwrap(), serde_json::json!([1]));
        assert_eq!(first_value(b" \n").unwrap_err().to_string(), "EOF");
        assert_eq!(first_value(b"[1,").unwrap_err().to_string(), "unexpected EOF");
        assert!(matches!(first_value(b"{a}"), Err(JsonError::Syntax(_))));
        assert_eq!(first_value(b"\"\xff\"").unwrap(), "\u{fffd}");
        for after in ["\\", "\\\u{e9}", "\\u12", " \\ud800"] {
            let text = format!(r#"["\ud800"]{after}"#);
            assert_eq!(first_value(text.as_bytes()).unwrap(), serde_json::json!(["\u{fffd}"]));
        }
        assert_eq!(first_value(br#"["\ud800"] x"#).unwrap(), serde_json::json!(["\u{fffd}"]));
    }

    #[test]
    fn names_match_in_any_case_and_types_are_strict() {
        let value = serde_json::json!({"KEY": "k", "Etag": 1, "metadata": {"A": "b"}, "x": 0});
        let mut object = Object::from(value, "state.SetRequest").unwrap();
        assert_eq!(object.text("key").unwrap().as_deref(), Some("k"));
        assert_eq!(object.text("value").unwrap(), None);
        assert_eq!(object.metadata("metadata").unwrap()["A"], "b");
        assert_eq!(
            object.text("etag").unwrap_err().to_string(),
            "json: cannot unmarshal number into Go struct field SetRequest.etag of type string"
        );
        assert_eq!(
            Object::from(serde_json::json!([]), "state.SetRequest").unwrap_err().to_string(),
            "json: cannot unmarshal array into Go value of type state.SetRequest"
        );
    }
}
