//! One request, and how it is written.

use std::fmt::Write as _;

use crate::compare::comparison::Expected;
use crate::compare::setup::Setup;

/// Where the etag of the sidecar's last answer that had one goes.
const ETAG: &str = "{etag}";

/// How much of a request's text the report shows, in bytes.
const SHOWN: usize = 600;

/// Calls that are made one after the other, at a pair started for them.
pub(super) struct Group {
    pub(super) setup: Setup,
    pub(super) calls: Vec<Call>,
    /// What is known of what the application is sent.
    pub(super) heard: Expected,
    /// Whether the application is sent the same more or less often.
    pub(super) heard_by_time: bool,
    /// Whether the metrics are compared after the calls.
    pub(super) measured: bool,
    /// Whether both end after the calls.
    pub(super) ends: bool,
}

/// One request.
#[derive(Debug)]
pub(super) struct Call {
    request: Vec<u8>,
    pub(super) expected: Expected,
    /// Whether a message is delivered for it, which is waited for.
    pub(super) delivered: bool,
}

// === impl Group ===

impl Group {
    pub(super) fn new(setup: Setup) -> Self {
        Self {
            setup,
            calls: Vec::new(),
            heard: Expected::Same,
            heard_by_time: false,
            measured: true,
            ends: false,
        }
    }

    pub(super) fn get(&mut self, path: &str) -> &mut Call {
        self.send("GET", path, &[], "")
    }

    pub(super) fn delete(&mut self, path: &str) -> &mut Call {
        self.send("DELETE", path, &[], "")
    }

    /// A request with a body of JSON.
    pub(super) fn post(&mut self, path: &str, body: impl AsRef<[u8]>) -> &mut Call {
        self.send("POST", path, &["Content-Type: application/json"], body)
    }

    /// A request with those fields, and a length where there is a body.
    pub(super) fn send(
        &mut self,
        method: &str,
        path: &str,
        fields: &[&str],
        body: impl AsRef<[u8]>,
    ) -> &mut Call {
        let body = body.as_ref();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        for field in fields {
            head.push_str(field);
            head.push_str("\r\n");
        }
        let has_body = !body.is_empty() || !matches!(method, "GET" | "HEAD" | "DELETE" | "OPTIONS");
        if has_body {
            let _ = write!(head, "Content-Length: {}\r\n", body.len());
        }
        head.push_str("\r\n");
        self.raw([head.as_bytes(), body].concat())
    }

    /// Those bytes.
    pub(super) fn raw(&mut self, request: impl Into<Vec<u8>>) -> &mut Call {
        let request = request.into();
        self.calls.push(Call { request, expected: Expected::Same, delivered: false });
        self.calls.last_mut().expect("it was pushed just now")
    }
}

// === impl Call ===

impl Call {
    /// replug does not have this yet.
    pub(super) fn later(&mut self, what: &'static str) {
        self.expected = Expected::Later(what);
    }

    /// A message is delivered for it.
    pub(super) fn delivers(&mut self) {
        self.delivered = true;
    }

    /// What is sent to a sidecar whose last etag is that one.
    pub(super) fn bytes(&self, etag: &str) -> Vec<u8> {
        let Ok(text) = std::str::from_utf8(&self.request) else { return self.request.clone() };
        if !text.contains(ETAG) {
            return self.request.clone();
        }
        // The length was counted with the placeholder in it.
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let filled = body.replace(ETAG, etag);
        let length = |body: &str| format!("Content-Length: {}", body.len());
        let head = head.replace(ETAG, etag).replace(&length(body), &length(&filled));
        format!("{head}\r\n\r\n{filled}").into_bytes()
    }

    /// How the report shows it: as curl's user would say it, without what every request has.
    pub(super) fn shown(&self) -> String {
        let bytes = &self.request[..self.request.len().min(SHOWN)];
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.escape_ascii().to_string(),
        };
        let mut shown = Vec::new();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        for (at, line) in head.split("\r\n").enumerate() {
            let usual = ["Host: localhost", "Content-Type: application/json"].contains(&line)
                || line == format!("Content-Length: {}", body.len());
            if !usual {
                shown.push(if at == 0 { line.trim_end_matches(" HTTP/1.1") } else { line });
            }
        }
        shown.push(body);
        shown.join(" ").trim_end().to_owned()
    }
}
