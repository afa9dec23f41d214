//! Answers of the HTTP API.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use replug_component::Metadata;

use super::Failure;
use crate::api::dapr::json;

/// An answer with its whole body.
pub(super) type Answer = Response<Full<Bytes>>;

static JSON: HeaderValue = HeaderValue::from_static("application/json");
static TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

fn answer(status: StatusCode, content_type: Option<&HeaderValue>, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    if let Some(content_type) = content_type {
        answer.headers_mut().insert(header::CONTENT_TYPE, content_type.clone());
    }
    answer
}

/// 200 with a body, which is called JSON whatever it is, as by Dapr.
pub(super) fn ok(body: impl Into<Bytes>) -> Answer {
    answer(StatusCode::OK, Some(&JSON), body.into())
}

/// A JSON body with this status.
pub(super) fn with_status(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    answer(status, Some(&JSON), body.into())
}

/// 204.
pub(super) fn no_content() -> Answer {
    answer(StatusCode::NO_CONTENT, None, Bytes::new())
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Answer {
    answer(status, None, Bytes::new())
}

/// An answer that is no JSON.
pub(super) fn plain_text(status: StatusCode, text: &'static str) -> Answer {
    answer(status, Some(&TEXT), Bytes::from_static(text.as_bytes()))
}

/// The same as Go's `http.Error` writes it.
pub(super) fn go_error(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let mut told = answer(status, Some(&TEXT), text.into());
    let sniff = HeaderValue::from_static("nosniff");
    told.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, sniff);
    told
}

/// Tells an error.
pub(super) fn error(failure: &Failure) -> Answer {
    let error = &failure.error;
    let mut told = answer(error.http_status(), Some(&JSON), json::to_bytes(&error.body()));
    told.extensions_mut().insert(error.told());
    if let Some(after) = error.retry_after() {
        // Whole seconds, and none is no time to wait.
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        told.headers_mut().insert(header::RETRY_AFTER, seconds.max(1).into());
    }
    if let Some(metadata) = error.metadata() {
        add_metadata(&mut told, metadata.clone());
    }
    told
}

/// Adds `metadata.KEY` headers. What a header cannot hold is left out.
pub(super) fn add_metadata(answer: &mut Answer, metadata: Metadata) {
    for (name, value) in metadata {
        if let Ok(name) = HeaderName::try_from(format!("metadata.{name}"))
            && let Ok(value) = HeaderValue::try_from(value)
        {
            answer.headers_mut().insert(name, value);
        }
    }
}
