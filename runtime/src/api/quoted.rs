//! Texts in quotes, as Go writes them where it says what is wrong with them.

use std::fmt::Write as _;

/// A text in quotes.
pub(crate) fn quoted(text: &[u8]) -> String {
    let mut quoted = String::from("\"");
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\\' => quoted.extend(['\\', character]),
                '\t' => quoted.push_str("\\t"),
                other => quoted.push(other),
            }
        }
        for byte in chunk.invalid() {
            // A text takes every write.
            let _ = write!(quoted, "\\x{byte:02x}");
        }
    }
    quoted.push('"');
    quoted
}
