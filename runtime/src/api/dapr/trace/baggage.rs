//! `baggage`: what applications add to a trace, in W3C's form.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::BAGGAGE;
use crate::api::quoted::quoted;

/// The header, or gRPC metadata.
pub(crate) static NAME: HeaderName = HeaderName::from_static(BAGGAGE);

/// The longest baggage, in bytes, and how many members it may have.
const MOST_BAGGAGE: usize = 8192;
const MOST_MEMBERS: usize = 64;

/// The baggage of a request; none where there is none, or an empty one. An error says in daprd's words
/// what is wrong with it.
pub(crate) fn of(headers: &HeaderMap) -> Result<Option<HeaderValue>, String> {
    let baggage = joined(headers).filter(|baggage| !baggage.is_empty());
    match baggage.as_ref().and_then(|baggage| wrong_baggage(baggage.as_bytes())) {
        Some(wrong) => Err(format!("invalid baggage header: {wrong}")),
        None => Ok(baggage),
    }
}

/// The baggage of a request, which may stand in several headers.
fn joined(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut all = headers.get_all(&NAME).iter();
    let first = all.next()?;
    if all.next().is_none() {
        return Some(first.clone());
    }
    let all: Vec<_> = headers.get_all(&NAME).iter().map(HeaderValue::as_bytes).collect();
    HeaderValue::from_bytes(&all.join(&b","[..])).ok()
}

/// What is wrong with a baggage or its members, a line each; none where nothing is.
fn wrong_baggage(baggage: &[u8]) -> Option<String> {
    if baggage.len() > MOST_BAGGAGE {
        return Some("baggage-string too large".to_owned());
    }
    if baggage.split(|byte| *byte == b',').nth(MOST_MEMBERS).is_some() {
        return Some("too many list-members in baggage-string".to_owned());
    }
    let members = baggage.split(|byte| *byte == b',').filter_map(wrong_member);
    let wrong: Vec<_> = members.collect();
    (!wrong.is_empty()).then(|| wrong.join("\n"))
}

fn wrong_member(member: &[u8]) -> Option<String> {
    let mut parts = member.split(|byte| *byte == b';');
    let key_and_value = parts.next().unwrap_or_default();
    if let Some(property) = parts.find(|property| !is_property(property)) {
        return Some(format!("invalid baggage list-member property: {}", quoted(property)));
    }
    let Some(at) = key_and_value.iter().position(|byte| *byte == b'=') else {
        return Some(format!("invalid baggage list-member: {}", quoted(member)));
    };
    let key = key_and_value[..at].trim_ascii();
    if key.is_empty() || !key.iter().all(|byte| is_of_key(*byte)) {
        return Some(format!("invalid key: {}", quoted(key)));
    }
    let value = &key_and_value[at + 1..];
    let trimmed = value.trim_ascii();
    if !trimmed.iter().all(|byte| is_of_value(*byte)) {
        return Some(format!("invalid value: {}", quoted(value)));
    }
    let escapes = trimmed.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    let mut wrong = escapes.filter_map(|(at, _)| {
        let escape = &trimmed[at..trimmed.len().min(at + 3)];
        let well = escape.len() == 3 && escape[1..].iter().all(u8::is_ascii_hexdigit);
        (!well).then_some(escape)
    });
    let escape = quoted(wrong.next()?);
    Some(format!("invalid value: invalid URL escape {escape}"))
}

/// `KEY` or `KEY=VALUE`, or nothing.
fn is_property(property: &[u8]) -> bool {
    if property.is_empty() {
        return true;
    }
    let (key, value) = match property.iter().position(|byte| *byte == b'=') {
        Some(at) => (&property[..at], property[at + 1..].trim_ascii()),
        None => (property, &[][..]),
    };
    let key = key.trim_ascii();
    !key.is_empty()
        && key.iter().all(|byte| is_of_key(*byte))
        && value.iter().all(|byte| is_of_value(*byte))
}

/// A character of a token, as HTTP has it.
fn is_of_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Anything that can be seen but quotes, commas, semicolons and backslashes.
fn is_of_value(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn baggage_is_what_w3c_says_and_what_is_wrong_is_told_in_daprs_words() {
        for fine in
            ["a=b", "a=", "a=b;c", "a=b;c=d", "a=b, c=d", "a=b;", " a = b ", "a=b=c", "a=%20"]
        {
            assert_eq!(wrong_baggage(fine.as_bytes()), None, "{fine}");
        }
        for (baggage, told) in [
            (&b"a"[..], "invalid baggage list-member: \"a\""),
            (b"=b", "invalid key: \"\""),
            (b"a b=c", "invalid key: \"a b\""),
            (b"a=b,,c=d", "invalid baggage list-member: \"\""),
            (b",", "invalid baggage list-member: \"\"\ninvalid baggage list-member: \"\""),
            (b"a=%zz", "invalid value: invalid URL escape \"%zz\""),
            (b"a=\"x\"", "invalid value: \"\\\"x\\\"\""),
            (b"\xff=1", "invalid key: \"\\xff\""),
            (b"a=b;=c", "invalid baggage list-member property: \"=c\""),
            (b"a=b c", "invalid value: \"b c\""),
        ] {
            assert_eq!(wrong_baggage(baggage).as_deref(), Some(told), "{baggage:?}");
        }
    }

    #[test]
    fn baggage_has_64_members_and_8192_bytes_at_the_most() {
        let members = |count| vec!["k=v"; count].join(",");
        let many = "too many list-members in baggage-string";
        assert_eq!(wrong_baggage(members(64).as_bytes()), None);
        assert_eq!(wrong_baggage(members(65).as_bytes()).as_deref(), Some(many));
        let long = format!("k={}", "v".repeat(MOST_BAGGAGE));
        let told = wrong_baggage(long.as_bytes());
        assert_eq!(told.as_deref(), Some("baggage-string too large"));
    }
}
