//! The head of a call: what of it cannot be read, and what of it the answer's head tells.
//!
//! What is refused is what Go's gRPC library refuses, in its order and words, since Dapr is written on
//! it: a caller that sends such a head learns so, rather than that it had no effect.

use std::time::Instant;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, HeaderName, Method, Response, StatusCode};
use tonic::body::Body;
use tonic::{Code, Status};

use super::{binary, deadline};
use crate::api::dapr::trace::{BAGGAGE, TRACEPARENT, baggage};
use crate::api::quoted::quoted;
use crate::messaging::cloud_event::{Trace, binary_trace};

/// What every call's content type begins with.
const GRPC: &str = "application/grpc";

/// Where a caller says how long it waits.
const TIMEOUT: &str = "grpc-timeout";

/// Where gRPC has a trace, in a form of its own.
const TRACE: &str = "grpc-trace-bin";

/// The same in an answer.
pub(super) static TRACE_NAME: HeaderName = HeaderName::from_static(TRACE);

/// What names of binary fields end with.
const BINARY: &str = "-bin";

/// A head that can be read.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// When the caller stops waiting.
    pub(super) deadline: Option<Instant>,
    /// Fields that the answer's head has of it; mostly none.
    pub(super) told: Option<Box<HeaderMap>>,
    baggage: bool,
}

// === impl Head ===

impl Head {
    /// Traces and baggage are looked at if `traces` says so. An error is the whole answer, in the head
    /// alone.
    pub(super) fn read(
        method: &Method,
        headers: &HeaderMap,
        traces: bool,
    ) -> Result<Self, Box<Response<Body>>> {
        let kind = of_answer(headers)?;
        let refused =
            |status, code, text: String| Err(Box::new(refusal(status, code, text, kind.as_ref())));
        let (mut head, mut wrong) = (Self::default(), None);
        let (mut trace, mut parent) = (None, None);
        for (name, value) in headers {
            match name.as_str() {
                TIMEOUT => match deadline::timeout(value.as_bytes()) {
                    Ok(timeout) => head.deadline = Instant::now().checked_add(timeout),
                    Err(error) => wrong = Some(format!("malformed grpc-timeout: {error}")),
                },
                TRACEPARENT if traces => parent = parent.or(Some(value)),
                BAGGAGE if traces => head.baggage = true,
                name if name.ends_with(BINARY) => match binary::decoded(value.as_bytes()) {
                    Ok(bytes) if traces && name == TRACE => trace = trace.or(Some(bytes)),
                    Ok(_) => {}
                    Err(at) => {
                        let value = quoted(value.as_bytes());
                        wrong = Some(format!(
                            "malformed binary metadata {value} in header \"{name}\": illegal base64 \
                             data at input byte {at}"
                        ));
                    }
                },
                _ => {}
            }
        }
        if let Some(wrong) = wrong {
            return refused(StatusCode::BAD_REQUEST, Code::Internal, wrong);
        }
        if method != Method::POST {
            let text =
                format!("Received a HEADERS frame with :method \"{method}\" which should be POST");
            return refused(StatusCode::METHOD_NOT_ALLOWED, Code::Internal, text);
        }
        if head.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            let text = "context deadline exceeded".to_owned();
            return refused(StatusCode::OK, Code::DeadlineExceeded, text);
        }
        let trace = match trace {
            Some(bytes) => Trace::of_binary(&bytes),
            None => parent.map(|parent| Trace::of_headers(Some(parent.as_bytes()), None)),
        };
        if let Some(trace) = trace.and_then(|trace| told(&trace.parent)) {
            head.tell(&TRACE_NAME, trace);
        }
        if let Some(kind) = kind {
            head.tell(&CONTENT_TYPE, kind);
        }
        Ok(head)
    }

    /// Reads the baggage as well, which is looked at once it is known that the caller may call.
    pub(super) fn read_baggage(&mut self, headers: &HeaderMap) -> Result<(), Status> {
        if self.baggage
            && let Some(baggage) = baggage::of(headers).map_err(Status::invalid_argument)?
        {
            self.tell(&baggage::NAME, baggage);
        }
        Ok(())
    }

    fn tell(&mut self, name: &HeaderName, value: HeaderValue) {
        self.told.get_or_insert_default().insert(name.clone(), value);
    }
}

/// A `traceparent` in gRPC's form; none where it is none.
pub(super) fn told(parent: &str) -> Option<HeaderValue> {
    let trace = BASE64_STANDARD_NO_PAD.encode(binary_trace(parent)?);
    HeaderValue::try_from(trace).ok()
}

/// The content type of the answer to a call of another than the usual.
fn of_answer(headers: &HeaderMap) -> Result<Option<HeaderValue>, Box<Response<Body>>> {
    let asked = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    match asked.strip_prefix(GRPC.as_bytes()) {
        Some([] | [b'+' | b';']) => Ok(None),
        Some([b'+' | b';', kind @ ..]) => {
            Ok(HeaderValue::from_bytes(&[GRPC.as_bytes(), b"+", kind].concat()).ok())
        }
        _ => {
            let text = format!("invalid gRPC request content-type {}", quoted(asked));
            let (status, code) = (StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument);
            Err(Box::new(refusal(status, code, text, None)))
        }
    }
}

fn refusal(
    status: StatusCode,
    code: Code,
    text: String,
    kind: Option<&HeaderValue>,
) -> Response<Body> {
    let mut answer = Status::new(code, text).into_http();
    *answer.status_mut() = status;
    if let Some(kind) = kind {
        answer.headers_mut().insert(CONTENT_TYPE, kind.clone());
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const IN_BINARY: &str = "AAAK92UZFs1D3YRI6yEcgDGcAbeta3FpIDMxAgE";

    fn read(fields: &[(&'static str, &str)]) -> Result<Head, (u16, String)> {
        let usual = [("content-type", GRPC), ("te", "trailers")];
        let mut headers = HeaderMap::new();
        for (name, value) in usual.iter().chain(fields) {
            headers.insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        Head::read(&Method::POST, &headers, true).map_err(|answer| {
            let status = Status::from_header_map(answer.headers()).unwrap();
            (answer.status().as_u16(), format!("{:?}: {}", status.code(), status.message()))
        })
    }

    #[test]
    fn a_usual_head_has_nothing_to_tell() {
        let head = read(&[("x-bin", "AAE"), ("y-bin", "AA=="), ("user-agent", "me")]).unwrap();
        assert!(head.deadline.is_none() && head.told.is_none());
        assert!(read(&[("grpc-timeout", "1S")]).unwrap().deadline.is_some());
    }

    #[test]
    fn a_head_that_cannot_be_read_is_refused_in_the_words_of_gos_library() {
        for (field, status, text) in [
            (
                ("content-type", "text/plain"),
                415,
                "InvalidArgument: invalid gRPC request content-type \"text/plain\"",
            ),
            (
                ("content-type", "application/grpcx"),
                415,
                "InvalidArgument: invalid gRPC request content-type \"application/grpcx\"",
            ),
            (
                ("grpc-timeout", "-1S"),
                400,
                "Internal: malformed grpc-timeout: strconv.ParseUint: parsing \"-1\": invalid syntax",
            ),
            (
                ("x-bin", "not base64!"),
                400,
                "Internal: malformed binary metadata \"not base64!\" in header \"x-bin\": illegal \
                 base64 data at input byte 3",
            ),
            (("grpc-timeout", "0S"), 200, "DeadlineExceeded: context deadline exceeded"),
        ] {
            assert_eq!(read(&[field]).unwrap_err(), (status, text.to_owned()), "{field:?}");
        }
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(GRPC))]);
        let refused = Head::read(&Method::GET, &headers, false).unwrap_err();
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    }

    #[test]
    fn the_answer_has_the_callers_trace_baggage_and_kind_of_content() {
        let told = |fields: &[(&'static str, &str)], name: &str| {
            let told = read(fields).unwrap().told?;
            Some(told.get(name)?.to_str().unwrap().to_owned())
        };
        let kind = |asked| told(&[("content-type", asked)], "content-type");
        assert_eq!(kind("application/grpc+proto").as_deref(), Some("application/grpc+proto"));
        assert_eq!(kind("application/grpc;a=b").as_deref(), Some("application/grpc+a=b"));
        assert_eq!(kind("application/grpc+"), None);
        assert_eq!(told(&[(TRACEPARENT, PARENT)], TRACE).as_deref(), Some(IN_BINARY));
        assert_eq!(told(&[(TRACE, IN_BINARY)], TRACE).as_deref(), Some(IN_BINARY));
        assert_eq!(told(&[(TRACEPARENT, "nonsense")], TRACE), None);
        let headers = HeaderMap::from_iter([(baggage::NAME.clone(), "a=b".parse().unwrap())]);
        let mut head = Head { baggage: true, ..Head::default() };
        head.read_baggage(&headers).unwrap();
        assert_eq!(head.told.unwrap()[BAGGAGE], "a=b");
    }
}
