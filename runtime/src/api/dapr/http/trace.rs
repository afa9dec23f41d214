//! The trace headers of an answer: those of the request, and of a request that stands in no trace one
//! that says so.

mod state;

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::answer::{Answer, go_error};
use crate::api::dapr::trace::{BAGGAGE, NO_TRACE, TRACEPARENT, TRACESTATE};
use crate::messaging::cloud_event::is_parent;

static PARENT: HeaderName = HeaderName::from_static(TRACEPARENT);
static STATE: HeaderName = HeaderName::from_static(TRACESTATE);
static BAGGAGE_NAME: HeaderName = HeaderName::from_static(BAGGAGE);
static NONE: HeaderValue = HeaderValue::from_static(NO_TRACE);

/// The longest `tracestate` that is told.
const MOST_STATE: usize = 512;

/// The length of a parent of the present version.
const PARENT_LENGTH: usize = 55;

/// The longest baggage, in bytes, and how many members it may have.
const MOST_BAGGAGE: usize = 8192;
const MOST_MEMBERS: usize = 64;

/// What an answer has besides what answers.
#[derive(Debug)]
pub(super) struct TraceHeaders {
    /// None: the request stands in no trace.
    parent: Option<HeaderValue>,
    state: Option<HeaderValue>,
    baggage: Option<HeaderValue>,
}

impl TraceHeaders {
    /// Those of a request; the answer where its baggage is none.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Box<Answer>> {
        let text = |value: &&HeaderValue| value.to_str().is_ok_and(is_parent);
        let parent = headers.get(&PARENT).filter(text).and_then(of_this_version);
        let state = headers
            .get(&STATE)
            .filter(|state| parent.is_some() && state.len() <= MOST_STATE)
            .and_then(|state| state::told(state.to_str().ok()?))
            .and_then(|state| HeaderValue::try_from(state).ok());
        let baggage = joined(headers).filter(|baggage| !baggage.is_empty());
        let wrong = baggage.as_ref().and_then(|baggage| wrong_baggage(baggage.as_bytes()));
        if let Some(wrong) = wrong {
            let text = format!("invalid baggage header: {wrong}\n");
            return Err(Box::new(go_error(StatusCode::BAD_REQUEST, text)));
        }
        Ok(Self { parent, state, baggage })
    }

    /// Puts them into the answer.
    pub(super) fn mark(self, answer: &mut Answer) {
        let headers = answer.headers_mut();
        headers.insert(PARENT.clone(), self.parent.unwrap_or_else(|| NONE.clone()));
        if let Some(state) = self.state {
            headers.insert(STATE.clone(), state);
        }
        if let Some(baggage) = self.baggage {
            headers.insert(BAGGAGE_NAME.clone(), baggage);
        }
    }
}

/// The baggage of a request, which may stand in several headers.
fn joined(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut all = headers.get_all(&BAGGAGE_NAME).iter();
    let first = all.next()?;
    if all.next().is_none() {
        return Some(first.clone());
    }
    let all: Vec<_> = headers.get_all(&BAGGAGE_NAME).iter().map(HeaderValue::as_bytes).collect();
    HeaderValue::from_bytes(&all.join(&b","[..])).ok()
}

/// A parent as this version of the format has it: what later ones add is left out.
fn of_this_version(parent: &HeaderValue) -> Option<HeaderValue> {
    let text = parent.to_str().ok()?.get(..PARENT_LENGTH)?;
    if text.starts_with("00") {
        return Some(parent.clone());
    }
    HeaderValue::try_from(format!("00{}", &text[2..])).ok()
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

/// A text in quotes, as Go writes one.
fn quoted(text: &[u8]) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

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

    #[test]
    fn a_parent_of_a_later_version_is_told_as_one_of_this() {
        let later = HeaderValue::try_from(format!("01{}-more", &TRACE[2..])).unwrap();
        assert_eq!(of_this_version(&later).unwrap(), TRACE);
    }

    #[test]
    fn an_answer_has_the_trace_of_its_request_or_none() {
        let marked = |asked: &[(&'static str, &'static str)]| {
            let asked = asked.iter().map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            });
            let mut answer = super::super::answer::no_content();
            TraceHeaders::of(&asked.collect()).unwrap().mark(&mut answer);
            let headers = answer.headers();
            let mut told: Vec<_> = headers
                .iter()
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect();
            told.sort();
            told
        };
        assert_eq!(marked(&[]), [format!("traceparent: {NO_TRACE}")]);
        let state = ("tracestate", "a=b");
        assert_eq!(marked(&[("traceparent", "bad"), state]), [format!("traceparent: {NO_TRACE}")]);
        assert_eq!(
            marked(&[("traceparent", TRACE), state, ("baggage", "a=b")]),
            ["baggage: a=b".to_owned(), format!("traceparent: {TRACE}"), "tracestate: a=b".into()]
        );
    }
}
