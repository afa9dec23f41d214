//! One request as a call asks for it, and where redirects lead it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, REFERER, TRAILER,
    TRANSFER_ENCODING, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use replug_component::{Error, Metadata};
use url::Url;

use super::settings::Settings;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const SELF: HeaderValue = HeaderValue::from_static(concat!("replug/", env!("CARGO_PKG_VERSION")));

/// Metadata that are headers as they are: the trace that the call is a part of.
const TRACE: [&str; 3] = ["traceparent", "tracestate", "baggage"];

/// What nobody but the HTTP library says.
const OWN: [HeaderName; 4] = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, TRAILER];

/// A request that can be sent more than once.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) url: Url,
    headers: HeaderMap,
    body: Bytes,
    /// The header of the security token.
    token: Option<HeaderName>,
    /// Whether the call itself says where it comes from.
    says_referer: bool,
}

impl Question {
    /// What a call with this metadata asks. `data` are sent with methods that have a body.
    pub(super) fn new(
        settings: &Settings,
        method: Method,
        metadata: &Metadata,
        data: Bytes,
    ) -> Result<Self, Error> {
        let url = url(&settings.url, metadata.get("path").map_or("", String::as_str), &method)?;
        let has_body = matches!(method, Method::POST | Method::PUT | Method::PATCH);
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, JSON);
        headers.insert(USER_AGENT, SELF);
        if has_body {
            headers.insert(CONTENT_TYPE, JSON);
        }
        if let Some(basic) = credentials(&url) {
            headers.insert(AUTHORIZATION, basic);
        }
        let mut token = None;
        if let Some((name, secret)) = &settings.token {
            let name = header_name(name)?;
            let mut value = header_value(&name, secret.reveal())?;
            value.set_sensitive(true);
            headers.insert(name.clone(), value);
            token = Some(name);
        }
        for (name, value) in metadata {
            if !name.starts_with(|first: char| first.is_ascii_uppercase()) {
                continue;
            }
            let name = header_name(name)?;
            if !OWN.contains(&name) {
                let value = header_value(&name, value)?;
                headers.insert(name, value);
            }
        }
        for name in TRACE {
            if let Some(value) = metadata.get(name).filter(|value| !value.is_empty()) {
                let name = HeaderName::from_static(name);
                let value = header_value(&name, value)?;
                headers.insert(name, value);
            }
        }
        let body = if has_body { data } else { Bytes::new() };
        let says_referer = headers.contains_key(REFERER);
        Ok(Self { method, url, headers, body, token, says_referer })
    }

    /// The request, to be sent.
    pub(super) fn request(&self) -> Result<Request<Full<Bytes>>, Error> {
        let mut url = self.url.clone();
        // They are a header. It fails where a URL has no host, and then it has none of them.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_fragment(None);
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() =
            url.as_str().parse().map_err(|error| self.failed(&format_args!("{error}")))?;
        *request.headers_mut() = self.headers.clone();
        Ok(request)
    }

    /// What is asked next after an answer that leads elsewhere; none: it is the answer.
    pub(super) fn redirected(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Option<Self>, Error> {
        let keeps = match status.as_u16() {
            301..=303 => matches!(self.method, Method::GET | Method::HEAD),
            307 | 308 => true,
            _ => return Ok(None),
        };
        let Some(location) = headers.get(http::header::LOCATION) else { return Ok(None) };
        let location = String::from_utf8_lossy(location.as_bytes());
        let url = self.url.join(&location).map_err(|error| {
            self.failed(&format_args!("failed to parse Location header \"{location}\": {error}"))
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            let scheme = url.scheme();
            return Err(self.failed(&format_args!("unsupported protocol scheme \"{scheme}\"")));
        }
        let mut next = self.clone();
        if !keeps {
            next.method = Method::GET;
            next.body = Bytes::new();
            next.headers.remove(CONTENT_TYPE);
        }
        if !stays(&self.url, &url) {
            for name in [AUTHORIZATION, COOKIE].iter().chain(&self.token) {
                next.headers.remove(name);
            }
        }
        if let Some(basic) = credentials(&url) {
            next.headers.insert(AUTHORIZATION, basic);
        }
        if !self.says_referer {
            next.headers.remove(REFERER);
            next.headers.extend(self.referer(&url).map(|from| (REFERER, from)));
        }
        next.url = url;
        Ok(Some(next))
    }

    /// Where a request to `to` says that it comes from: from here, without name and password, and
    /// nothing where it goes from TLS to what anybody can read.
    fn referer(&self, to: &Url) -> Option<HeaderValue> {
        if self.url.scheme() == "https" && to.scheme() == "http" {
            return None;
        }
        let mut from = self.url.clone();
        let _ = from.set_username("");
        let _ = from.set_password(None);
        from.set_fragment(None);
        from.as_str().parse().ok()
    }

    /// An error of this request, as Dapr words it.
    pub(super) fn failed(&self, why: &dyn std::fmt::Display) -> Error {
        failed(&self.method, &shown(&self.url), why)
    }
}

/// A path comes after the URL with one slash between them.
fn url(base: &str, path: &str, method: &Method) -> Result<Url, Error> {
    let whole = match path {
        "" => base.to_owned(),
        path => format!("{}/{}", base.trim_end_matches('/'), path.trim_start_matches('/')),
    };
    let not_spoken = |url: &dyn std::fmt::Display, scheme: &str| {
        Err(failed(method, url, &format_args!("unsupported protocol scheme \"{scheme}\"")))
    };
    match Url::parse(&whole) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        Ok(url) => not_spoken(&shown(&url), url.scheme()),
        Err(url::ParseError::RelativeUrlWithoutBase) => not_spoken(&whole, ""),
        Err(error) => Err(Error::Invalid(format!("parse \"{whole}\": {error}"))),
    }
}

/// The URL without the password in it.
fn shown(url: &Url) -> Url {
    let mut url = url.clone();
    if url.password().is_some() {
        let _ = url.set_password(Some("xxxxx"));
    }
    url
}

/// An error of a request, as Dapr words it.
fn failed(method: &Method, url: &dyn std::fmt::Display, why: &dyn std::fmt::Display) -> Error {
    let method = super::capitals(&method.as_str().to_ascii_lowercase());
    Error::Failed(format!("{method} \"{url}\": {why}"))
}

/// Whether what is for the one host may be shown to the other: it is the same or below it.
fn stays(from: &Url, to: &Url) -> bool {
    let (Some(from_host), Some(to_host)) = (from.host_str(), to.host_str()) else { return false };
    let downgraded = from.scheme() == "https" && to.scheme() == "http";
    let below = || to_host.strip_suffix(from_host).is_some_and(|sub| sub.ends_with('.'));
    !downgraded && (from_host == to_host || from.domain().is_some() && below())
}

/// The name and the password in a URL, as basic authentication.
fn credentials(url: &Url) -> Option<HeaderValue> {
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut both = decoded(url.username());
    both.push(b':');
    both.extend(decoded(url.password().unwrap_or_default()));
    let mut value =
        HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(both))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn header_name(name: &str) -> Result<HeaderName, Error> {
    HeaderName::try_from(name)
        .map_err(|_| Error::Invalid(format!("invalid header field name {name:?}")))
}

fn header_value(name: &HeaderName, value: &str) -> Result<HeaderValue, Error> {
    HeaderValue::try_from(value)
        .map_err(|_| Error::Invalid(format!("invalid header field value for \"{name}\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(base: &str, metadata: &[(&str, &str)]) -> Question {
        let settings = [("url", base), ("securityToken", "t"), ("securityTokenHeader", "X-Token")];
        let map = |given: &[(&str, &str)]| -> Metadata {
            given.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
        };
        let settings = Settings::new(&map(&settings)).await.unwrap();
        Question::new(&settings, Method::POST, &map(metadata), Bytes::from("data")).unwrap()
    }

    #[tokio::test]
    async fn a_path_comes_after_the_url_with_one_slash() {
        for (base, path, wanted) in [
            ("http://a/b/", "/c?d=e f", "http://a/b/c?d=e%20f"),
            ("http://a/b", "c", "http://a/b/c"),
            ("http://a/b?x=1", "", "http://a/b?x=1"),
            ("http://a", "", "http://a/"),
        ] {
            assert_eq!(asked(base, &[("path", path)]).await.url.as_str(), wanted);
        }
    }

    #[tokio::test]
    async fn metadata_with_a_capital_letter_are_headers_but_for_the_librarys_own() {
        let asked = asked(
            "http://me:p%40ss@a",
            &[
                ("Content-Type", "text/plain"),
                ("Host", "elsewhere"),
                ("Content-Length", "9"),
                ("small", "no"),
                ("traceparent", "00-1"),
                ("baggage", ""),
            ],
        )
        .await;
        let headers = &asked.headers;
        assert_eq!(headers["content-type"], "text/plain");
        assert_eq!(headers["accept"], "application/json; charset=utf-8");
        assert_eq!(headers["x-token"], "t");
        assert_eq!(headers["traceparent"], "00-1");
        assert_eq!(headers["authorization"], "Basic bWU6cEBzcw==");
        for left_out in ["host", "content-length", "small", "baggage"] {
            assert!(!headers.contains_key(left_out), "{left_out}");
        }
        assert_eq!(asked.request().unwrap().uri(), "http://a/");
        assert!(!asked.failed(&"no").to_string().contains("p%40ss"));
    }

    #[tokio::test]
    async fn a_redirect_keeps_the_body_where_its_status_says_so_and_secrets_on_the_host() {
        let asked = asked("http://me:pw@a.b/c", &[]).await;
        let to = |status: u16, location: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("location", location.parse().unwrap());
            asked.redirected(StatusCode::from_u16(status).unwrap(), &headers)
        };
        let next = to(302, "d").unwrap().unwrap();
        assert_eq!((next.method, next.url.as_str()), (Method::GET, "http://me:pw@a.b/d"));
        assert_eq!(next.headers["referer"], "http://a.b/c");
        assert!(next.body.is_empty() && !next.headers.contains_key("content-type"));
        assert!(next.headers.contains_key("x-token") && next.headers.contains_key("authorization"));
        let next = to(308, "http://sub.a.b/").unwrap().unwrap();
        assert_eq!((next.method, &next.body[..]), (Method::POST, &b"data"[..]));
        assert!(next.headers.contains_key("x-token"));
        let next = to(307, "http://xa.b/").unwrap().unwrap();
        assert!(!next.headers.contains_key("x-token"));
        assert!(!next.headers.contains_key("authorization"));
        assert!(to(304, "d").unwrap().is_none());
        let error = to(301, "file:///etc/passwd").unwrap_err().to_string();
        assert!(error.ends_with("unsupported protocol scheme \"file\""), "{error}");
    }
}
