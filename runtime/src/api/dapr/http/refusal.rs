//! Requests that Go's HTTP server refuses by their heads, before anybody sees them: they are in no
//! trace and counted nowhere, and the connection ends.

use http::{HeaderMap, HeaderValue, Request, StatusCode, Version, header};
use hyper::ext::ReasonPhrase;

use super::answer::{Answer, empty, plain_text};
use crate::api::connections::is_of_host;

/// The answer to such a request; none: it is none.
pub(super) fn of<B>(request: &Request<B>) -> Option<Answer> {
    let mut answer = refused(request)?;
    if request.version() < Version::HTTP_2 {
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(header::CONNECTION, close);
    }
    Some(answer)
}

fn refused<B>(request: &Request<B>) -> Option<Answer> {
    let bad = || plain_text(StatusCode::BAD_REQUEST, "400 Bad Request");
    if !is_escaped(request.uri().path()) {
        return Some(bad());
    }
    if request.version() >= Version::HTTP_2 {
        return None;
    }
    let headers = request.headers();
    if let Some(encoding) = headers.get(header::TRANSFER_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"chunked")
    {
        return Some(plain_text(StatusCode::NOT_IMPLEMENTED, "Unsupported transfer encoding"));
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Some(bad()),
        (None, None) if request.version() == Version::HTTP_11 => {
            return Some(with_reason(
                "400 Bad Request: missing required Host header",
                b"Bad Request: missing required Host header",
            ));
        }
        (Some(host), None) if !host.as_bytes().iter().all(|byte| is_of_host(*byte)) => {
            return Some(with_reason(
                "400 Bad Request: malformed Host header",
                b"Bad Request: malformed Host header",
            ));
        }
        _ => {}
    }
    expects_more(headers).then(|| empty(StatusCode::EXPECTATION_FAILED))
}

/// A text that the status line tells, too.
fn with_reason(text: &'static str, reason: &'static [u8]) -> Answer {
    let mut answer = plain_text(StatusCode::BAD_REQUEST, text);
    answer.extensions_mut().insert(ReasonPhrase::from_static(reason));
    answer
}

/// Whether each percent sign begins an escape.
fn is_escaped(path: &str) -> bool {
    let mut parts = path.split('%');
    parts.next();
    parts.all(|part| part.len() >= 2 && part.bytes().take(2).all(|byte| byte.is_ascii_hexdigit()))
}

/// Whether the client waits for something else than being told to go on.
fn expects_more(headers: &HeaderMap) -> bool {
    let expected = headers.get(header::EXPECT).filter(|expected| !expected.is_empty());
    expected.is_some_and(|it| !it.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_refused_as_go_refuses_it() {
        let status = |path: &str, fields: &[(&str, &str)]| {
            let mut request = Request::builder().uri(path);
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            of(&request.body(()).unwrap()).map(|answer| answer.status().as_u16())
        };
        for (path, fields, refused) in [
            ("/a", &[("host", "a")][..], None),
            ("/a", &[("host", "")], None),
            ("/a", &[("host", "a:1"), ("expect", "100-continue")], None),
            ("/a", &[("host", "a"), ("transfer-encoding", "Chunked")], None),
            ("/a", &[], Some(400)),
            ("/a", &[("host", "a"), ("host", "b")], Some(400)),
            ("/a", &[("host", "a b")], Some(400)),
            ("/a", &[("host", "a/b")], Some(400)),
            ("/%zz", &[("host", "a")], Some(400)),
            ("/a%", &[("host", "a")], Some(400)),
            ("/%c3%bc", &[("host", "a")], None),
            ("/a", &[("host", "a"), ("transfer-encoding", "gzip, chunked")], Some(501)),
            ("/a", &[("host", "a"), ("expect", "other")], Some(417)),
        ] {
            assert_eq!(status(path, fields), refused, "{path} {fields:?}");
        }
    }
}
