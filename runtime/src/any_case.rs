//! JSON whose names match in any case, as Go reads it: SDKs for Java write `pubsubName` where others
//! write `pubsubname`.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The first value of a text, whose fields are named in lower case, read from JSON in which they are
/// in any. Blanks alone read as `null`. What is below a field called `metadata` has names of somebody
/// else's, which stay as they are.
pub(crate) fn from_slice<T: DeserializeOwned>(text: &[u8]) -> Result<T, serde_json::Error> {
    let first = serde_json::Deserializer::from_slice(text).into_iter().next();
    serde_json::from_value(lowered(first.unwrap_or(Ok(Value::Null))?))
}

/// Names that differ in their case alone are one; the last counts.
fn lowered(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(lowered).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| {
                let name = name.to_ascii_lowercase();
                let value = if name == "metadata" { value } else { lowered(value) };
                (name, value)
            });
            Value::Object(fields.collect::<Map<_, _>>())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn names_match_in_any_case_but_those_of_metadata() {
        let read: HashMap<String, Value> =
            from_slice(br#"{"pubsubName":[{"ROUTE":1}],"metadata":{"rawPayload":"Yes"}}"#).unwrap();
        assert_eq!(read["pubsubname"], serde_json::json!([{ "route": 1 }]));
        assert_eq!(read["metadata"], serde_json::json!({ "rawPayload": "Yes" }));
        assert!(from_slice::<Value>(b"{").is_err());
    }
}
