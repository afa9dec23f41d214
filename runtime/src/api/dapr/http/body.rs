//! A request's body, read as far as it may be large.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::Failure;
use crate::api::dapr::error::{ApiError, Kind, MALFORMED};
use crate::api::dapr::json::JsonError;

/// What stands before the cause where a body cannot be decoded. Saving state has the cause alone.
pub(super) const DESERIALIZING: &str = "failed deserializing HTTP body: ";

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
        self.gathered().await.map_err(|broken| broken.failure(kind, prefix))
    }

    /// What `decode` makes of it, errors as by [`read`](Self::read). It is decoded as it comes, as by
    /// Dapr: what is wrong with its beginning is told before how large it is, and so is what follows
    /// its first value, which nobody reads.
    pub(super) async fn decoded<T>(
        self,
        kind: Kind,
        prefix: &str,
        decode: impl FnOnce(&[u8]) -> Result<T, JsonError>,
    ) -> Result<T, Failure> {
        let broken = match self.gathered().await {
            Ok(body) => return decode(&body).map_err(|error| of_json(kind, prefix, &error).into()),
            Err(broken) => broken,
        };
        match broken.beginning().map(decode) {
            Some(Ok(decoded)) => Ok(decoded),
            Some(Err(error)) if !matches!(error, JsonError::Empty | JsonError::CutShort) => {
                Err(Failure { error: of_json(kind, prefix, &error), close: true })
            }
            _ => Err(broken.failure(kind, prefix)),
        }
    }

    async fn gathered(mut self) -> Result<Bytes, Broken> {
        let mut first = Bytes::new();
        let mut more = BytesMut::new();
        while let Some(frame) = self.body.frame().await {
            let Ok(mut data) = frame.map_err(Broken::Off)?.into_data() else { continue };
            let room = self.limit - first.len().max(more.len());
            let too_large = data.len() > room;
            data.truncate(room);
            if first.is_empty() && more.is_empty() {
                first = data;
            } else {
                // One frame is passed on as it came; several become one text.
                if more.is_empty() {
                    more = BytesMut::from(first);
                    first = Bytes::new();
                }
                more.extend_from_slice(&data);
            }
            if too_large {
                return Err(Broken::TooLarge(if more.is_empty() { first } else { more.freeze() }));
            }
        }
        Ok(if more.is_empty() { first } else { more.freeze() })
    }
}

/// Why there is no whole body.
#[derive(Debug)]
enum Broken {
    /// It is larger than it may be: as much of it as it may be.
    TooLarge(Bytes),
    /// It breaks off.
    Off(hyper::Error),
}

impl Broken {
    /// As much as has been read, where that is known.
    fn beginning(&self) -> Option<&[u8]> {
        match self {
            Self::TooLarge(beginning) => Some(beginning),
            Self::Off(_) => None,
        }
    }

    fn failure(&self, kind: Kind, prefix: &str) -> Failure {
        let cause = match self {
            Self::TooLarge(_) => "stream too large".to_owned(),
            Self::Off(error) => error.to_string(),
        };
        Failure { error: ApiError::plain(kind, format!("{prefix}{cause}")), close: true }
    }
}

fn of_json(kind: Kind, prefix: &str, error: &JsonError) -> ApiError {
    ApiError::plain(kind, format!("{prefix}{error}"))
}

/// A body that cannot be decoded.
pub(super) fn malformed(error: &JsonError) -> ApiError {
    of_json(MALFORMED, DESERIALIZING, error)
}
