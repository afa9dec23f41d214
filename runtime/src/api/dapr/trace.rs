//! The trace that a call is a part of, as it is passed on.

pub(crate) mod baggage;

/// The header, or gRPC metadata, of the W3C trace context.
pub(crate) const TRACEPARENT: &str = "traceparent";
/// What vendors add to it.
pub(crate) const TRACESTATE: &str = "tracestate";
/// What applications add to it.
pub(crate) const BAGGAGE: &str = "baggage";

/// What Dapr passes on where a call is a part of no trace.
pub(crate) const NO_TRACE: &str = "00-00000000000000000000000000000000-0000000000000000-00";
