//! JSON written anew as Go does: names sorted, blanks gone, and numbers letter by letter.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize as _;
use serde_json::value::RawValue;

use super::object;
use crate::api::json::{
    JsonError, Object, first_value, readable, to_bytes, without_half_characters,
};

/// How deep values may lie in each other.
const DEPTH: usize = 128;

/// What Go calls an object of anything.
const OBJECT: &str = "map[string]interface {}";

/// Why some text is not what it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoJson {
    /// It is no JSON, or of another kind.
    #[error("{0}")]
    Syntax(#[from] serde_json::Error),
    /// The same, in Go's words.
    #[error(transparent)]
    Told(#[from] JsonError),
    /// It is `null`, which is no object.
    #[error("it is null")]
    Null,
    /// Its values lie in each other too deep.
    #[error("it is nested too deep")]
    TooDeep,
}

/// The first value of `text`, written anew.
pub(super) fn rewritten(text: &[u8]) -> Result<String, NoJson> {
    let text = readable(text);
    let value = <&RawValue>::deserialize(&mut serde_json::Deserializer::from_str(&text))?;
    value_text(&whole_characters(value)?, DEPTH)
}

/// The fields of the object that is the first value of `text`, each value written anew.
pub(super) fn fields(text: &[u8]) -> Result<BTreeMap<String, String>, NoJson> {
    let readable = readable(text);
    let value = <&RawValue>::deserialize(&mut serde_json::Deserializer::from_str(&readable));
    match value {
        Ok(value) if value.get().starts_with('{') => members(&whole_characters(value)?, DEPTH),
        other => Err(no_object(text, other.err())),
    }
}

/// A value in which an escape that is half of a character is a replacement character, as Go reads it.
fn whole_characters(value: &RawValue) -> Result<Cow<'_, RawValue>, NoJson> {
    let halves = ["\\ud", "\\uD"].iter().any(|start| value.get().contains(start));
    if !halves {
        return Ok(Cow::Borrowed(value));
    }
    Ok(Cow::Owned(RawValue::from_string(without_half_characters(value.get()))?))
}

/// Why a text that is no object is none.
fn no_object(text: &[u8], error: Option<serde_json::Error>) -> NoJson {
    match first_value(text).and_then(|value| Object::from(value, OBJECT)) {
        Err(told) => told.into(),
        // Dapr breaks off at it.
        Ok(_) => error.map_or(NoJson::Null, NoJson::from),
    }
}

fn members(value: &RawValue, depth: usize) -> Result<BTreeMap<String, String>, NoJson> {
    let depth = depth.checked_sub(1).ok_or(NoJson::TooDeep)?;
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(value.get())?;
    members.into_iter().map(|(name, value)| Ok((name, value_text(value, depth)?))).collect()
}

fn value_text(value: &RawValue, depth: usize) -> Result<String, NoJson> {
    match value.get().as_bytes().first() {
        Some(b'{') => Ok(object(&members(value, depth)?)),
        Some(b'[') => {
            let depth = depth.checked_sub(1).ok_or(NoJson::TooDeep)?;
            let items: Vec<&RawValue> = serde_json::from_str(value.get())?;
            let mut text = String::from("[");
            for (index, item) in items.into_iter().enumerate() {
                let comma = if index > 0 { "," } else { "" };
                let _ = write!(text, "{comma}{}", value_text(item, depth)?);
            }
            text.push(']');
            Ok(text)
        }
        Some(b'"') => {
            let text: String = serde_json::from_str(value.get())?;
            Ok(String::from_utf8_lossy(&to_bytes(&text)).into_owned())
        }
        _ => Ok(value.get().to_owned()),
    }
}
