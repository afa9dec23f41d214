//! One call, and how it is put together.

use std::fmt::Write as _;

use prost::Message;

use super::stream::Script;
use crate::compare::comparison::Expected;
use crate::compare::setup::Setup;

/// How much of a field's value stands in a call's name, in characters.
const SHOWN: usize = 40;

/// The service that applications call.
pub(super) const DAPR: &str = "/dapr.proto.runtime.v1.Dapr/";

/// What is done one after the other at a pair that is started for it: calls, then streams, then what
/// is delivered to the application.
pub(super) struct Group {
    pub(super) setup: Setup,
    pub(super) calls: Vec<Call>,
    pub(super) scripts: Vec<Script>,
    /// Calls whose deliveries are compared.
    pub(super) deliveries: Vec<Call>,
    /// Whether the metrics are compared after that.
    pub(super) measured: bool,
    /// Whether both end after that.
    pub(super) ends: bool,
}

/// A request's message, given the etag that the sidecar has last told.
type Body = Box<dyn Fn(&str) -> Vec<u8> + Send + Sync>;

/// One call.
pub(super) struct Call {
    about: &'static str,
    pub(super) path: String,
    /// Fields of the head beside those that every call has, which they replace.
    pub(super) fields: Vec<(&'static str, String)>,
    /// What is sent, prefixes of messages included.
    body: Body,
    pub(super) expected: Expected,
}

// === impl Group ===

impl Group {
    pub(super) fn new(setup: Setup) -> Self {
        Self {
            setup,
            calls: Vec::new(),
            scripts: Vec::new(),
            deliveries: Vec::new(),
            measured: false,
            ends: false,
        }
    }

    /// A call of the service `Dapr`.
    pub(super) fn call<M: Message>(
        &mut self,
        method: &str,
        about: &'static str,
        message: &M,
    ) -> &mut Call {
        self.raw(&format!("{DAPR}{method}"), about, framed(&message.encode_to_vec()))
    }

    /// The same with a message in which stands the etag that was last told.
    pub(super) fn with_etag<M: Message>(
        &mut self,
        method: &str,
        about: &'static str,
        message: impl Fn(String) -> M + Send + Sync + 'static,
    ) -> &mut Call {
        let body: Body = Box::new(move |etag| framed(&message(etag.to_owned()).encode_to_vec()));
        self.push(Call::new(format!("{DAPR}{method}"), about, body))
    }

    /// A call of that path whose body is this, whatever it is.
    pub(super) fn raw(&mut self, path: &str, about: &'static str, body: Vec<u8>) -> &mut Call {
        self.push(Call::new(path.to_owned(), about, Box::new(move |_| body.clone())))
    }

    /// A call whose deliveries are compared.
    pub(super) fn delivered<M: Message>(
        &mut self,
        method: &str,
        about: &'static str,
        message: &M,
    ) -> &mut Call {
        let body = framed(&message.encode_to_vec());
        let call = Call::new(format!("{DAPR}{method}"), about, Box::new(move |_| body.clone()));
        self.deliveries.push(call);
        let at = self.deliveries.len() - 1;
        &mut self.deliveries[at]
    }

    fn push(&mut self, call: Call) -> &mut Call {
        self.calls.push(call);
        let at = self.calls.len() - 1;
        &mut self.calls[at]
    }
}

// === impl Call ===

impl Call {
    fn new(path: String, about: &'static str, body: Body) -> Self {
        Self { about, path, fields: Vec::new(), body, expected: Expected::Same }
    }

    /// With that field in its head.
    pub(super) fn field(&mut self, name: &'static str, value: impl Into<String>) -> &mut Self {
        self.fields.push((name, value.into()));
        self
    }

    /// replug does not have it yet.
    pub(super) fn later(&mut self, what: &'static str) -> &mut Self {
        self.expected = Expected::Later(what);
        self
    }

    /// The method's name alone.
    pub(super) fn method(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    pub(super) fn body(&self, etag: &str) -> Vec<u8> {
        (self.body)(etag)
    }

    /// What the comparison calls it: the method, or the path where that is another service's.
    pub(super) fn shown(&self) -> String {
        let of = self.path.strip_prefix(DAPR).unwrap_or(&self.path);
        let mut shown = format!("{of}: {}", self.about);
        for (name, value) in &self.fields {
            let value: String = value.chars().take(SHOWN).collect();
            // A text takes every write.
            let _ = write!(shown, ", {name} {value}");
        }
        shown
    }
}

/// A message as gRPC sends it, uncompressed.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0], &length.to_be_bytes()[..], message].concat()
}
