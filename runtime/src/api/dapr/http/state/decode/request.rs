//! The request of an operation in a transaction, which Dapr decodes by other rules than the rest, and
//! refuses in other words.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::api::dapr::json::{JsonError, to_bytes};

/// The fields that are texts, and what they are called in errors.
const TEXTS: [(&str, &str); 2] = [("key", "Key"), ("etag", "ETag")];

/// Whether each field is of the type that it should be of; everything that is not, at once.
pub(super) fn check(request: &Value) -> Result<(), JsonError> {
    let fields = match request {
        Value::Null => return Ok(()),
        Value::Object(fields) => fields,
        other => return Err(JsonError::Syntax(no_map("", other))),
    };
    let mut wrong = Vec::new();
    for (name, shown) in TEXTS {
        if let Some(value) = field(fields, name) {
            text(value, shown, &mut wrong);
        }
    }
    match field(fields, "metadata") {
        Some(Value::Object(entries)) => {
            for (name, value) in entries {
                text(value, &format!("Metadata[{name}]"), &mut wrong);
            }
        }
        Some(other) => wrong.push(no_map("Metadata", other)),
        None => {}
    }
    match field(fields, "options") {
        Some(Value::Object(options)) => {
            for name in ["Concurrency", "Consistency"] {
                if let Some(value) = field(options, name) {
                    text(value, &format!("Options.{name}"), &mut wrong);
                }
            }
        }
        Some(other) => wrong.push(no_map("Options", other)),
        None => {}
    }
    if wrong.is_empty() {
        return Ok(());
    }
    wrong.sort_unstable();
    let list: Vec<_> = wrong.iter().map(|wrong| format!("* {wrong}")).collect();
    let count = wrong.len();
    Err(JsonError::Syntax(format!("{count} error(s) decoding:\n\n{}", list.join("\n"))))
}

/// The field of this name, in any case; none where it is `null`.
fn field<'f>(fields: &'f Map<String, Value>, name: &str) -> Option<&'f Value> {
    let found = fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value).filter(|value| !value.is_null())
}

fn text(value: &Value, shown: &str, wrong: &mut Vec<String>) {
    if !value.is_string() && !value.is_null() {
        wrong.push(format!(
            "'{shown}' expected type 'string', got unconvertible type '{}', value: '{}'",
            go_type(value),
            in_go(value)
        ));
    }
}

fn no_map(shown: &str, value: &Value) -> String {
    let kind = if value.is_array() { "slice" } else { go_type(value) };
    format!("'{shown}' expected a map, got '{kind}'")
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// A value as Go prints it.
fn in_go(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(in_go).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(fields) => {
            let sorted: BTreeMap<_, _> = fields.iter().collect();
            let fields: Vec<_> = sorted
                .into_iter()
                .map(|(name, value)| format!("{name}:{}", in_go(value)))
                .collect();
            format!("map[{}]", fields.join(" "))
        }
        other => String::from_utf8_lossy(&to_bytes(other)).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_that_is_wrong_is_told_at_once_in_daprs_words() {
        let told = |request| check(&request).map_err(|error| error.to_string());
        assert_eq!(told(json!({"key": "a", "etag": null, "metadata": {"a": "b"}})), Ok(()));
        assert_eq!(told(Value::Null), Ok(()));
        assert_eq!(told(json!(1)).unwrap_err(), "'' expected a map, got 'float64'");
        assert_eq!(told(json!([])).unwrap_err(), "'' expected a map, got 'slice'");
        assert_eq!(
            told(json!({"Key": true, "etag": 5, "metadata": 1})).unwrap_err(),
            "3 error(s) decoding:\n\n\
             * 'ETag' expected type 'string', got unconvertible type 'float64', value: '5'\n\
             * 'Key' expected type 'string', got unconvertible type 'bool', value: 'true'\n\
             * 'Metadata' expected a map, got 'float64'"
        );
        assert_eq!(
            told(json!({"key": {"b": [1, null], "a": "x"}, "metadata": {"a": 1}})).unwrap_err(),
            "2 error(s) decoding:\n\n\
             * 'Key' expected type 'string', got unconvertible type 'map[string]interface {}', \
             value: 'map[a:x b:[1 <nil>]]'\n\
             * 'Metadata[a]' expected type 'string', got unconvertible type 'float64', value: '1'"
        );
    }
}
