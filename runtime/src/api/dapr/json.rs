//! JSON as Dapr reads and writes it, so that stored values come out letter by letter the same.

mod decode;
mod encode;
mod syntax;

pub(crate) use self::decode::{JsonError, Object, first_value, items, whole_value};
pub(crate) use self::encode::{Fields, compacted, line, list, to_bytes};
pub(crate) use self::syntax::without_half_characters;

use std::borrow::Cow;

use bytes::Bytes;

/// A text as Go reads it: each byte that is no part of a character is a replacement character.
pub(crate) fn readable(text: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(text) {
        return Cow::Borrowed(text);
    }
    let mut readable = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        readable.push_str(chunk.valid());
        readable.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(readable)
}

/// The JSON text `text`, written anew: keys sorted, numbers through double precision.
pub(super) fn rewritten(text: &[u8]) -> Result<Bytes, JsonError> {
    Ok(to_bytes(&decode::whole_value(text)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_that_is_no_part_of_a_character_is_replaced() {
        for (text, expected) in [
            (&b"abc"[..], "abc"),
            ("\u{fc}\u{2028}".as_bytes(), "\u{fc}\u{2028}"),
            (b"\xe2\xad\xc2x", "\u{fffd}\u{fffd}\u{fffd}x"),
            (b"a\xf0\x9f\x98", "a\u{fffd}\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(readable(text), expected);
        }
    }
}
