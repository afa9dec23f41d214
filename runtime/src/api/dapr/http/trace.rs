//! The trace headers of an answer: those of the request, and of a request that stands in no trace one
//! that says so.

mod state;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::answer::{Answer, go_error};
use crate::api::dapr::trace::{NO_TRACE, TRACEPARENT, TRACESTATE, baggage};
use crate::messaging::cloud_event::is_parent;

static PARENT: HeaderName = HeaderName::from_static(TRACEPARENT);
static STATE: HeaderName = HeaderName::from_static(TRACESTATE);
static NONE: HeaderValue = HeaderValue::from_static(NO_TRACE);

/// The longest `tracestate` that is told.
const MOST_STATE: usize = 512;

/// The length of a parent of the present version.
const PARENT_LENGTH: usize = 55;

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
        let baggage = baggage::of(headers)
            .map_err(|wrong| Box::new(go_error(StatusCode::BAD_REQUEST, format!("{wrong}\n"))))?;
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
            headers.insert(baggage::NAME.clone(), baggage);
        }
    }
}

/// A parent as this version of the format has it: what later ones add is left out.
fn of_this_version(parent: &HeaderValue) -> Option<HeaderValue> {
    let text = parent.to_str().ok()?.get(..PARENT_LENGTH)?;
    if text.starts_with("00") {
        return Some(parent.clone());
    }
    HeaderValue::try_from(format!("00{}", &text[2..])).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

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
