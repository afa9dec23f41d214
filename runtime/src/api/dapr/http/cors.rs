//! CORS: which web pages of other origins may call the API.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};

use super::answer::{Answer, empty};

/// The methods that pages may use.
const METHODS: [&str; 6] = ["HEAD", "GET", "POST", "PUT", "PATCH", "DELETE"];

/// What the page that makes a request may do.
#[derive(Debug)]
pub(super) struct Cors {
    /// The origin to be named in the answer; none where the page is no guest, or is no page.
    allowed: Option<HeaderValue>,
}

impl Cors {
    /// What `origins` allow to whoever sent these headers; none where CORS is off.
    pub(super) fn of(origins: &[String], headers: &HeaderMap) -> Option<Self> {
        if origins.is_empty() {
            return None;
        }
        let origin = headers.get(ORIGIN).filter(|origin| !origin.is_empty());
        let allowed = origin.and_then(|origin| {
            if origins.iter().any(|allowed| allowed == "*") {
                return Some(HeaderValue::from_static("*"));
            }
            let named =
                |allowed: &String| allowed.as_bytes().eq_ignore_ascii_case(origin.as_bytes());
            origins.iter().any(named).then(|| origin.clone())
        });
        Some(Self { allowed })
    }

    /// The answer to a browser that asks before it sends the request itself; none where this is
    /// no such question.
    pub(super) fn preflight<B>(&self, request: &Request<B>) -> Option<Answer> {
        let asked = request.headers();
        let method = asked.get(ACCESS_CONTROL_REQUEST_METHOD).filter(|it| !it.is_empty())?;
        if request.method() != Method::OPTIONS {
            return None;
        }
        let mut answer = empty(StatusCode::OK);
        let headers = answer.headers_mut();
        for vary in [ORIGIN, ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_REQUEST_HEADERS] {
            if let Ok(vary) = HeaderValue::try_from(canonical(vary.as_str())) {
                headers.append(VARY, vary);
            }
        }
        let known =
            METHODS.iter().any(|known| method.as_bytes().eq_ignore_ascii_case(known.as_bytes()));
        if let Some(origin) = self.allowed.clone().filter(|_| known) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            let told = String::from_utf8_lossy(method.as_bytes()).to_ascii_uppercase();
            if let Ok(told) = HeaderValue::try_from(told) {
                headers.insert(ACCESS_CONTROL_ALLOW_METHODS, told);
            }
            let wanted = asked.get(ACCESS_CONTROL_REQUEST_HEADERS);
            let wanted = wanted.and_then(|wanted| wanted.to_str().ok()).unwrap_or_default();
            let names: Vec<_> =
                wanted.split([',', ' ']).filter(|name| !name.is_empty()).map(canonical).collect();
            if let Ok(told) = HeaderValue::try_from(names.join(", "))
                && !names.is_empty()
            {
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, told);
            }
        }
        Some(answer)
    }

    /// Lets the page see the answer.
    pub(super) fn mark(self, answer: &mut Answer) {
        let headers = answer.headers_mut();
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = self.allowed {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
    }
}

/// A header's name as Go writes it: `access-control-request-method` with capitals.
fn canonical(name: &str) -> String {
    let parts = name.split('-').map(|part| {
        let mut part = part.to_ascii_lowercase();
        if let Some(first) = part.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        part
    });
    parts.collect::<Vec<_>>().join("-")
}
