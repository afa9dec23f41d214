//! JSON text in the form of Go's encoder.

use std::io;

use bytes::Bytes;
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::ser::{Formatter, Serializer};

/// [`to_bytes`] with the end of a line, as Dapr's encoder writes some answers.
pub(crate) fn line<T: Serialize>(value: &T) -> Bytes {
    let mut text = written(value);
    text.push(b'\n');
    text.into()
}

/// `value` as JSON. Keys of maps come in their map's order, which is sorted for
/// [`serde_json::Value`]; numbers go through double precision; `<`, `>`, `&` and the two line
/// separators of Unicode are escaped inside strings.
pub(crate) fn to_bytes<T: Serialize>(value: &T) -> Bytes {
    written(value).into()
}

fn written<T: Serialize>(value: &T) -> Vec<u8> {
    let mut text = Vec::with_capacity(128);
    let written = value.serialize(&mut Serializer::with_formatter(&mut text, GoFormatter));
    // A vector takes every write, and what is encoded here has text for keys.
    debug_assert!(written.is_ok(), "{written:?}");
    text
}

/// The JSON text `text` without blanks and with the escapes of [`to_bytes`], numbers and order as
/// they are; none where it is no JSON.
pub(crate) fn compacted(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut out = String::with_capacity(text.len());
    let mut in_string = false;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if in_string => {
                out.push(c);
                // It is valid JSON, so a backslash is never the last.
                out.extend(chars.next());
            }
            '"' => {
                in_string = !in_string;
                out.push(c);
            }
            c if in_string => match escape(c) {
                Some(escaped) => out.push_str(escaped),
                None => out.push(c),
            },
            ' ' | '\t' | '\r' | '\n' => {}
            c => out.push(c),
        }
    }
    Some(out)
}

fn escape(c: char) -> Option<&'static str> {
    match c {
        '<' => Some("\\u003c"),
        '>' => Some("\\u003e"),
        '&' => Some("\\u0026"),
        '\u{2028}' => Some("\\u2028"),
        '\u{2029}' => Some("\\u2029"),
        _ => None,
    }
}

/// An object that is written field by field, for values that are JSON text already.
#[derive(Debug)]
pub(crate) struct Fields(Vec<u8>);

impl Fields {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(128))
    }

    /// Adds a field. The name needs no escapes.
    pub(crate) fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        self.text(name, &to_bytes(&value));
    }

    /// Adds a field whose value is the JSON text `text`.
    pub(crate) fn text(&mut self, name: &str, text: &[u8]) {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        self.0.push(b'"');
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
        self.0.extend_from_slice(text);
    }

    /// The object's text.
    pub(crate) fn end(mut self) -> Vec<u8> {
        if self.0.is_empty() {
            self.0.push(b'{');
        }
        self.0.push(b'}');
        self.0
    }
}

/// A list of values that are JSON text already.
pub(crate) fn list(items: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut text = vec![b'['];
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(&item);
    }
    text.push(b']');
    text
}

struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| escape(*c).is_some()) {
            writer.write_all(&rest.as_bytes()[..at])?;
            writer.write_all(escape(c).unwrap_or_default().as_bytes())?;
            rest = &rest[at + c.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }

    #[allow(clippy::cast_precision_loss)] // It is what double precision means.
    fn write_u64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: u64) -> io::Result<()> {
        self.write_f64(writer, value as f64)
    }

    #[allow(clippy::cast_precision_loss)]
    fn write_i64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: i64) -> io::Result<()> {
        self.write_f64(writer, value as f64)
    }

    /// Plain digits between 1e-6 and 1e21, an exponent outside.
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let size = value.abs();
        if size == 0.0 || (1e-6..1e21).contains(&size) {
            return write!(writer, "{value}");
        }
        let text = format!("{value:e}");
        match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => {
                write!(writer, "{digits}e+{exponent}")
            }
            _ => writer.write_all(text.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_as_go_writes_them() {
        let cases = [
            (r#"{"b":1,"a":{"z":[],"y":null}}"#, r#"{"a":{"y":null,"z":[]},"b":1}"#),
            ("12345678901234567890", "12345678901234567000"),
            ("9007199254740993", "9007199254740992"),
            ("-9007199254740993", "-9007199254740992"),
            ("1.0", "1"),
            ("1e6", "1000000"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1e-7"),
            ("1e21", "1e+21"),
            ("1.5e300", "1.5e+300"),
            ("-0.0", "-0"),
            (
                r#""<a href='x'>&\u2028\ud83d\ude00é\u0001""#,
                "\"\\u003ca href='x'\\u003e\\u0026\\u2028😀é\\u0001\"",
            ),
        ];
        for (text, written) in cases {
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(to_bytes(&value), written, "{text}");
        }
    }

    #[test]
    fn compacting_leaves_numbers_and_order_alone() {
        let text = b"{ \"b\" : 1.0,\n\t\"a\": \"x y<\\\" \\\\\", \"n\": 12345678901234567890 }";
        assert_eq!(
            compacted(text).unwrap(),
            "{\"b\":1.0,\"a\":\"x y\\u003c\\\" \\\\\",\"n\":12345678901234567890}"
        );
        assert_eq!(compacted(b"\xff\x00"), None);
        assert_eq!(compacted(b"{} trailing"), None);
    }
}
