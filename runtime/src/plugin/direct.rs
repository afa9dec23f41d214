//! Calls of generated clients over one connection: initialisations, probes, and whatever else is
//! about a process and not about whoever serves a component.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use bytes::{Buf as _, Bytes};
use http::header::HeaderValue;
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::BodyExt as _;
use tonic::Status;
use tonic::body::Body;
use tower_service::Service;

use super::connection::{Answer, Connection, UpTo, head};
use super::link::{CallError, INSTANCE, MAX_ANSWER};

/// Calls over one connection: no waiting, nothing sent again.
#[derive(Debug, Clone)]
pub struct Direct {
    connection: Connection,
    instance: Option<HeaderValue>,
}

impl Direct {
    /// Calls over `connection` as the component that the header `instance` names.
    pub(super) fn of(connection: &Connection, instance: &HeaderValue) -> Self {
        Self { connection: connection.clone(), instance: Some(instance.clone()) }
    }

    /// Calls over `connection` that are about no component.
    #[must_use]
    pub fn new(connection: &Connection) -> Self {
        Self { connection: connection.clone(), instance: None }
    }
}

impl Service<Request<Body>> for Direct {
    type Response = Response<AnswerBody>;
    type Error = CallError;
    type Future = CallFuture;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> CallFuture {
        let Self { connection, instance } = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let mut head = head(localhost(parts.uri)?, parts.headers);
            if let Some(instance) = instance {
                head.headers_mut().insert(INSTANCE.clone(), instance);
            }
            // One frame for a unary call, so this moves the bytes and copies none.
            let body = body.collect().await?.to_bytes();
            let answer = connection.enter().unary(head, body, &mut UpTo::new(MAX_ANSWER)).await?;
            Ok(AnswerBody::of(answer))
        })
    }
}

type CallFuture = Pin<Box<dyn Future<Output = Result<Response<AnswerBody>, CallError>> + Send>>;

/// The uri of a request to a plugin, which stands on a socket without a name.
pub(super) fn localhost(uri: Uri) -> Result<Uri, Status> {
    let mut uri = uri.into_parts();
    uri.scheme = Some(http::uri::Scheme::HTTP);
    uri.authority = Some(http::uri::Authority::from_static("localhost"));
    Uri::from_parts(uri).map_err(|error| Status::internal(error.to_string()))
}

/// The body of an answer that has arrived whole.
#[derive(Debug)]
pub struct AnswerBody {
    chunks: std::vec::IntoIter<Bytes>,
    trailers: Option<HeaderMap>,
}

impl AnswerBody {
    fn of(answer: Answer<Vec<Bytes>>) -> Response<Self> {
        let Answer { head, body, trailers } = answer;
        head.map(|()| Self { chunks: body.into_iter(), trailers })
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Status>>> {
        for chunk in self.chunks.by_ref() {
            if chunk.has_remaining() {
                return Poll::Ready(Some(Ok(http_body::Frame::data(chunk))));
            }
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(http_body::Frame::trailers(trailers))))
    }
}
