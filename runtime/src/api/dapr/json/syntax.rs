//! What is wrong with a text that is no JSON, in the words of Go's scanner, which clients of Dapr
//! see. It is asked after a text could not be read, never before.

use super::decode::JsonError;

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    /// A list's first value, or its end.
    ValueOrEnd,
    Key,
    /// An object's first key, or its end.
    KeyOrEnd,
    Colon,
    /// What follows a value in what holds it.
    AfterValue,
}

/// What is being read of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    List,
    Object,
}

/// Where the first value of `text` ends, in bytes; what is wrong with it where it is none.
pub(super) fn end_of_value(text: &[u8]) -> Result<usize, JsonError> {
    let mut scanner = Scanner { text, at: 0 };
    let mut inside = Vec::new();
    let mut next = Next::Value;
    loop {
        let Some(byte) = scanner.after_blanks() else {
            let nothing = next == Next::Value && inside.is_empty();
            return Err(if nothing { JsonError::Empty } else { JsonError::CutShort });
        };
        next = match (next, byte) {
            (Next::ValueOrEnd, b']') | (Next::KeyOrEnd, b'}') => {
                inside.pop();
                Next::AfterValue
            }
            (Next::Value | Next::ValueOrEnd, b'[') => {
                inside.push(Inside::List);
                Next::ValueOrEnd
            }
            (Next::Value | Next::ValueOrEnd, b'{') => {
                inside.push(Inside::Object);
                Next::KeyOrEnd
            }
            (Next::Value | Next::ValueOrEnd, byte) => {
                scanner.scalar(byte)?;
                Next::AfterValue
            }
            (Next::Key | Next::KeyOrEnd, b'"') => {
                scanner.string()?;
                Next::Colon
            }
            (Next::Key | Next::KeyOrEnd, byte) => {
                return Err(unexpected(byte, "looking for beginning of object key string"));
            }
            (Next::Colon, b':') => Next::Value,
            (Next::Colon, byte) => return Err(unexpected(byte, "after object key")),
            (Next::AfterValue, byte) => match (inside.last(), byte) {
                (Some(Inside::List), b',') => Next::Value,
                (Some(Inside::Object), b',') => Next::Key,
                (Some(Inside::List), b']') | (Some(Inside::Object), b'}') => {
                    inside.pop();
                    Next::AfterValue
                }
                (Some(Inside::List), byte) => return Err(unexpected(byte, "after array element")),
                (_, byte) => return Err(unexpected(byte, "after object key:value pair")),
            },
        };
        if next == Next::AfterValue && inside.is_empty() {
            return Ok(scanner.at);
        }
    }
}

/// `text`, which is JSON, with the escapes that are half of a character read as Go reads them: as
/// the replacement character.
pub(crate) fn without_half_characters(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        mended.push_str(&rest[..at]);
        let (escape, after) = match (unit(&rest[at..]), rest.get(at + 6..).and_then(unit)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => (&rest[at..at + 12], &rest[at + 12..]),
            (Some(0xd800..0xe000), _) => ("\\ufffd", &rest[at + 6..]),
            // An escape is two characters of ASCII, and more digits are as good as text.
            _ => (&rest[at..at + 2], &rest[at + 2..]),
        };
        mended.push_str(escape);
        rest = after;
    }
    mended.push_str(rest);
    mended
}

/// The number of an escape `\uXXXX` that `text` begins with.
fn unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u32::from_str_radix(digits, 16).ok()
}

struct Scanner<'t> {
    text: &'t [u8],
    at: usize,
}

impl Scanner<'_> {
    fn take(&mut self) -> Option<u8> {
        let byte = self.text.get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }

    fn take_any(&mut self) -> Result<u8, JsonError> {
        self.take().ok_or(JsonError::CutShort)
    }

    fn after_blanks(&mut self) -> Option<u8> {
        loop {
            match self.take()? {
                b' ' | b'\t' | b'\r' | b'\n' => {}
                byte => return Some(byte),
            }
        }
    }

    /// The rest of what begins with `first` and holds no other value.
    fn scalar(&mut self, first: u8) -> Result<(), JsonError> {
        match first {
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.number(first),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            byte => Err(unexpected(byte, "looking for beginning of value")),
        }
    }

    fn literal(&mut self, word: &str) -> Result<(), JsonError> {
        for wanted in word.chars().skip(1) {
            let byte = self.take_any()?;
            if char::from(byte) != wanted {
                let place = format!("in literal {word} (expecting {})", quoted(wanted));
                return Err(unexpected(byte, &place));
            }
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), JsonError> {
        loop {
            match self.take_any()? {
                b'"' => return Ok(()),
                b'\\' => match self.take_any()? {
                    b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => {}
                    b'u' => {
                        for _ in 0..4 {
                            let byte = self.take_any()?;
                            if !byte.is_ascii_hexdigit() {
                                let place = "in \\u hexadecimal character escape";
                                return Err(unexpected(byte, place));
                            }
                        }
                    }
                    byte => return Err(unexpected(byte, "in string escape code")),
                },
                byte if byte < b' ' => return Err(unexpected(byte, "in string literal")),
                _ => {}
            }
        }
    }

    fn number(&mut self, first: u8) -> Result<(), JsonError> {
        let first = if first == b'-' { self.take_any()? } else { first };
        match first {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            byte => return Err(unexpected(byte, "in numeric literal")),
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digit("after decimal point in numeric literal")?;
            self.digits();
        }
        if matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.text.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digit("in exponent of numeric literal")?;
            self.digits();
        }
        Ok(())
    }

    fn digit(&mut self, place: &str) -> Result<(), JsonError> {
        let byte = self.take_any()?;
        if byte.is_ascii_digit() { Ok(()) } else { Err(unexpected(byte, place)) }
    }

    fn digits(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }
}

/// A byte that cannot stand where it does. Go shows it as the character of that number.
pub(super) fn unexpected(byte: u8, place: &str) -> JsonError {
    JsonError::Syntax(format!("invalid character {} {place}", quoted(byte.into())))
}

/// A character of one byte in quotes, as Go writes one.
fn quoted(character: char) -> String {
    match character {
        '\'' => r"'\''".to_owned(),
        '\\' => r"'\\'".to_owned(),
        '\x07' => r"'\a'".to_owned(),
        '\x08' => r"'\b'".to_owned(),
        '\x0b' => r"'\v'".to_owned(),
        '\x0c' => r"'\f'".to_owned(),
        '\n' => r"'\n'".to_owned(),
        '\r' => r"'\r'".to_owned(),
        '\t' => r"'\t'".to_owned(),
        '\0'..' ' | '\x7f' => format!("'\\x{:02x}'", u32::from(character)),
        '\u{80}'..='\u{a0}' | '\u{ad}' => format!("'\\u{:04x}'", u32::from(character)),
        other => format!("'{other}'"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_wrong_is_told_as_go_tells_it() {
        for (text, told) in [
            (&b" \n"[..], "EOF"),
            (b"[1,", "unexpected EOF"),
            (b"tru", "unexpected EOF"),
            (b"x", "invalid character 'x' looking for beginning of value"),
            (b"[1,]", "invalid character ']' looking for beginning of value"),
            (b"[1 2]", "invalid character '2' after array element"),
            (b"{1}", "invalid character '1' looking for beginning of object key string"),
            (b"{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
            (b"{\"a\" 1}", "invalid character '1' after object key"),
            (b"{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair"),
            (b"{\"a\":01}", "invalid character '1' after object key:value pair"),
            (b"nope", "invalid character 'o' in literal null (expecting 'u')"),
            (b"nul\0", "invalid character '\\x00' in literal null (expecting 'l')"),
            (b"-x", "invalid character 'x' in numeric literal"),
            (b"1.x", "invalid character 'x' after decimal point in numeric literal"),
            (b"1e+x", "invalid character 'x' in exponent of numeric literal"),
            (b"\"\\q\"", "invalid character 'q' in string escape code"),
            (b"\"\\u12x\"", "invalid character 'x' in \\u hexadecimal character escape"),
            (b"\"a\nb\"", "invalid character '\\n' in string literal"),
            (b"'a'", "invalid character '\\'' looking for beginning of value"),
            (b"\x7f", "invalid character '\\x7f' looking for beginning of value"),
            (b"\xff", "invalid character 'ÿ' looking for beginning of value"),
        ] {
            assert_eq!(end_of_value(text).unwrap_err().to_string(), told, "{text:?}");
        }
        assert_eq!(end_of_value(b" [1] {broken").unwrap(), 4);
        assert_eq!(end_of_value(b"12 3").unwrap(), 2);
    }

    #[test]
    fn half_a_character_is_the_replacement_character() {
        let mended =
            without_half_characters(r#""\ud800 \ud83d\ude00 \udc00\ud800\n \\ud800 \u00e9""#);
        assert_eq!(mended, r#""\ufffd \ud83d\ude00 \ufffd\ufffd\n \\ud800 \u00e9""#);
    }

    proptest! {
        #[test]
        fn a_text_is_one_exactly_where_it_can_be_read(
            text in r#"([\[\]{}:, "0-9a\\-]|true|null|"a"|\\u00e9|1e5){0,12}"#,
        ) {
            let read = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            let whole = end_of_value(text.as_bytes())
                .is_ok_and(|end| text.as_bytes()[end..].iter().all(u8::is_ascii_whitespace));
            prop_assert_eq!(whole, read, "{}", text);
        }
    }
}
