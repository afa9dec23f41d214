//! A request's body, read as far as it may be large.

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;

use super::Failure;
use crate::api::dapr::error::{ApiError, Kind, MALFORMED};
use crate::api::dapr::json::JsonError;

/// What stands before the cause where a body cannot be decoded. Saving state has the cause alone.
const DESERIALIZING: &str = "failed deserializing HTTP body: ";

/// A body that was not read yet.
#[derive(Debug)]
pub(super) struct Unread {
    body: Incoming,
    limit: usize,
}

impl Unread {
    pub(super) fn new(body: Incoming, limit: usize) -> Self {
        Self { body, limit }
    }

    /// All of it. Where it is too large or breaks off, the failure is of `kind`, its message the
    /// cause after `prefix`, and the connection is closed after the answer.
    pub(super) async fn read(self, kind: Kind, prefix: &str) -> Result<Bytes, Failure> {
        match Limited::new(self.body, self.limit).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) => {
                let cause = if error.is::<LengthLimitError>() {
                    "stream too large".to_owned()
                } else {
                    error.to_string()
                };
                let error = ApiError::plain(kind, format!("{prefix}{cause}"));
                Err(Failure { error, close: true })
            }
        }
    }

    /// All of it, where it is to be decoded.
    pub(super) async fn read_to_decode(self) -> Result<Bytes, Failure> {
        self.read(MALFORMED, DESERIALIZING).await
    }
}

/// A body that cannot be decoded.
pub(super) fn malformed(error: &JsonError) -> ApiError {
    ApiError::plain(MALFORMED, format!("{DESERIALIZING}{error}"))
}
