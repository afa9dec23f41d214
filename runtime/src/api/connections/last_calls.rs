//! The last calls over HTTP/1.1 before others go on with the same sockets.
//!
//! Over HTTP/1.1 only an answer can tell a client that its connection is to be closed. A request that
//! is on its way while a connection is closed between two of them fails, and no client knows whether
//! it was carried out. So before anything is closed, answers say for a while that their connection
//! closes after them, and whoever calls often has gone by itself.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::Map;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::service::Service;
use tokio::sync::Notify;

/// How long clients have for a last call at the most.
const WHILE: Duration = Duration::from_millis(500);

/// Lets clients of HTTP/1.1 go. Clones are about the same clients.
#[derive(Debug, Clone, Default)]
pub struct LastCalls(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    have_begun: AtomicBool,
    /// Connections that are open.
    open: AtomicUsize,
    /// Rings when the last of them has closed.
    none_open: Notify,
}

impl LastCalls {
    /// Has every answer from now on say that its connection closes, and waits until there are none,
    /// for half a second and no longer than `most`. Clients that connect meanwhile are served, and
    /// told the same. Connections that are silent for so long stay. One may wait at a time.
    pub async fn over(&self, most: Duration) {
        self.0.have_begun.store(true, Ordering::Release);
        let none = async {
            while self.0.open.load(Ordering::Acquire) > 0 {
                self.0.none_open.notified().await;
            }
        };
        // Who is silent then is left to be closed.
        let _ = tokio::time::timeout(WHILE.min(most), none).await;
    }

    /// Counts a connection in, for as long as what is given lives.
    pub(super) fn opened(&self) -> Open<'_> {
        self.0.open.fetch_add(1, Ordering::AcqRel);
        Open(self)
    }
}

/// A connection that is open.
pub(super) struct Open<'c>(&'c LastCalls);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let Shared { open, none_open, .. } = &*self.0.0;
        if open.fetch_sub(1, Ordering::AcqRel) == 1 {
            none_open.notify_one();
        }
    }
}

/// A service whose answers say that their connection closes, once last calls have begun.
#[derive(Debug, Clone)]
pub(super) struct Closing<S> {
    service: S,
    last: LastCalls,
}

impl<S> Closing<S> {
    pub(super) fn new(service: S, last: LastCalls) -> Self {
        Self { service, last }
    }
}

type Answered<B> = Result<Response<B>, Infallible>;

impl<S, R, B> Service<Request<R>> for Closing<S>
where
    S: Service<Request<R>, Response = Response<B>, Error = Infallible>,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Map<S::Future, fn(Answered<B>) -> Answered<B>>;

    fn call(&self, request: Request<R>) -> Self::Future {
        let is_last = self.last.0.have_begun.load(Ordering::Acquire);
        // HTTP/2 has its own way to say so.
        let says_so = is_last && request.version() <= Version::HTTP_11;
        self.service.call(request).map(if says_so { closing } else { as_it_is })
    }
}

fn as_it_is<B>(answered: Answered<B>) -> Answered<B> {
    answered
}

fn closing<B>(answered: Answered<B>) -> Answered<B> {
    answered.map(|mut answer| {
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::Full;
    use hyper::service::service_fn;
    use tokio::time::Instant;

    use super::*;

    /// What the answer says of its connection.
    async fn said(last: &LastCalls, version: Version, status: StatusCode) -> Option<HeaderValue> {
        let service = service_fn(move |_| async move {
            let mut answer = Response::new(Full::<Bytes>::default());
            *answer.status_mut() = status;
            Ok(answer)
        });
        let mut request = Request::new(Full::<Bytes>::default());
        *request.version_mut() = version;
        let Ok(answer) = Closing::new(service, last.clone()).call(request).await;
        answer.headers().get(header::CONNECTION).cloned()
    }

    #[tokio::test(start_paused = true)]
    async fn answers_say_that_their_connection_closes_from_then_on_where_that_is_how_it_is_said() {
        let last = LastCalls::default();
        assert_eq!(said(&last, Version::HTTP_11, StatusCode::OK).await, None);
        last.over(Duration::MAX).await;
        assert_eq!(said(&last, Version::HTTP_11, StatusCode::OK).await.unwrap(), "close");
        assert_eq!(said(&last, Version::HTTP_2, StatusCode::OK).await, None);
        let switching = StatusCode::SWITCHING_PROTOCOLS;
        assert_eq!(said(&last, Version::HTTP_11, switching).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn they_are_over_with_the_last_connection_and_no_later_than_is_said() {
        let begun = Instant::now();
        let last = LastCalls::default();
        last.over(Duration::MAX).await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        let (first, second) = (last.opened(), last.opened());
        last.over(Duration::from_millis(100)).await;
        assert_eq!(begun.elapsed(), Duration::from_millis(100));
        last.over(Duration::MAX).await;
        assert_eq!(begun.elapsed(), Duration::from_millis(100) + WHILE);
        let closing = async {
            drop(first);
            tokio::task::yield_now().await;
            drop(second);
        };
        tokio::join!(last.over(Duration::MAX), closing);
        assert_eq!(begun.elapsed(), Duration::from_millis(100) + WHILE);
    }
}
