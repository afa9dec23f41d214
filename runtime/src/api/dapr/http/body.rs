//! A request's body, read as far as it may be large.

use std::error::Error as _;
use std::io;

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{Version, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use super::Failure;
use crate::api::dapr::error::{ApiError, Kind, MALFORMED};
use crate::api::dapr::json::JsonError;

/// What stands before the cause where a body cannot be decoded. Saving state has the cause alone.
pub(super) const DESERIALIZING: &str = "failed deserializing HTTP body: ";

/// How much of a body that nobody wants is read before the answer, in bytes, as by Go: a connection
/// whose request has more of it left ends.
const LEFT_OVER: usize = 256 << 10;

/// A body that was not read yet.
#[derive(Debug)]
pub(super) struct Unread {
    body: Incoming,
    limit: usize,
    /// Somebody has asked for it.
    wanted: bool,
    /// It has broken off.
    broken: bool,
}

impl Unread {
    pub(super) fn new(body: Incoming, limit: usize) -> Self {
        Self { body, limit, wanted: false, broken: false }
    }

    /// Reads what is left of it. No where that is too much, or the client waits to be told that
    /// somebody wants it.
    pub(super) async fn passed_over(mut self, head: &Parts) -> bool {
        if head.version >= Version::HTTP_2 {
            return true;
        }
        if self.broken || self.body.is_end_stream() {
            return !self.broken;
        }
        if !self.wanted && head.headers.contains_key(header::EXPECT) {
            return false;
        }
        let mut room = LEFT_OVER;
        while let Some(frame) = self.body.frame().await {
            let Ok(frame) = frame else { return false };
            match room.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                Some(left) => room = left,
                None => return false,
            }
        }
        true
    }

    /// All of it. Where it is too large or breaks off, the failure is of `kind`, its message the
    /// cause after `prefix`.
    pub(super) async fn read(&mut self, kind: Kind, prefix: &str) -> Result<Bytes, Failure> {
        self.gathered().await.map_err(|broken| broken.failure(kind, prefix))
    }

    /// What `decode` makes of it, errors as by [`read`](Self::read). It is decoded as it comes, as by
    /// Dapr: what is wrong with its beginning is told before how large it is, and so is what follows
    /// its first value, which nobody reads.
    pub(super) async fn decoded<T>(
        &mut self,
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
                Err(of_json(kind, prefix, &error).into())
            }
            _ => Err(broken.failure(kind, prefix)),
        }
    }

    async fn gathered(&mut self) -> Result<Bytes, Broken> {
        self.wanted = true;
        let mut first = Bytes::new();
        let mut more = BytesMut::new();
        while let Some(frame) = self.body.frame().await {
            self.broken = frame.is_err();
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
            Self::Off(error) => in_go(error),
        };
        ApiError::plain(kind, format!("{prefix}{cause}")).into()
    }
}

/// What Go says of a body that breaks off, where it says something of its own.
fn in_go(error: &hyper::Error) -> String {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    let told = cause.map(|cause| (cause.kind(), cause.to_string()));
    match told {
        Some((io::ErrorKind::UnexpectedEof, _)) => "unexpected EOF".to_owned(),
        Some((_, text)) if text.starts_with("Invalid chunk body") => {
            "malformed chunked encoding".to_owned()
        }
        Some((_, text)) if text.starts_with("Invalid chunk size line") => {
            "invalid byte in chunk length".to_owned()
        }
        _ => error.to_string(),
    }
}

fn of_json(kind: Kind, prefix: &str, error: &JsonError) -> ApiError {
    ApiError::plain(kind, format!("{prefix}{error}"))
}

/// A body that cannot be decoded.
pub(super) fn malformed(error: &JsonError) -> ApiError {
    of_json(MALFORMED, DESERIALIZING, error)
}
