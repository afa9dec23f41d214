//! What both sides of a call have in common below gRPC's generated code: towards applications and
//! towards plugins, calls go over HTTP/2 streams that are read and written here directly.

pub(crate) mod gathered;
pub(crate) mod message;
