//! The application over HTTP: connections that are used again, a bound on requests at a time.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::uri::{Authority, InvalidUri, PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Semaphore;

use super::settings::AppSettings;
use super::stream::Connector;
use super::token::{AppToken, HEADER};
use crate::telemetry::{AppHttpCall, Telemetry};

/// How many connections there are at the most, as in Dapr.
const MAX_CONNECTIONS: usize = 1024;

/// Tells the application whose runtime calls, where it is asked for what it wants.
const DAPR_APP_ID: HeaderName = HeaderName::from_static("dapr-app-id");

/// The application over HTTP.
pub struct HttpChannel {
    client: Client<Connector, Full<Bytes>>,
    scheme: Scheme,
    authority: String,
    app_id: Option<HeaderValue>,
    token: Option<AppToken>,
    /// A permit is a request that is under way, until its answer has been read.
    permits: Option<Semaphore>,
    body_limit: usize,
    telemetry: Option<Arc<Telemetry>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The path cannot stand in a request.
    #[error("{path:?} is no path: {cause}")]
    Path {
        /// What was asked for.
        path: String,
        /// What is wrong with it.
        cause: InvalidUri,
    },
    /// Nobody could be connected to, or the connection was lost before an answer.
    #[error("cannot call the application: {0}")]
    Call(String),
    /// The answer's body did not come to its end.
    #[error("the application's answer broke off: {0}")]
    Body(String),
    /// The answer is larger than it may be.
    #[error("the application's answer is larger than {limit} bytes")]
    TooLarge {
        /// The bound in bytes.
        limit: usize,
    },
}

// === impl HttpChannel ===

impl HttpChannel {
    pub(super) fn new(
        app_id: &str,
        settings: &AppSettings,
        telemetry: Option<Arc<Telemetry>>,
    ) -> Self {
        let http2 = settings.protocol.is_http2();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .http2_only(http2)
            .build(Connector::new(settings));
        let bound = match settings.max_concurrency {
            // Over HTTP/2 one connection carries them all.
            0 if http2 => None,
            0 => Some(MAX_CONNECTIONS),
            some if http2 => Some(some),
            some => Some(some.min(MAX_CONNECTIONS)),
        };
        Self {
            client,
            scheme: if settings.protocol.is_encrypted() { Scheme::HTTPS } else { Scheme::HTTP },
            authority: settings.authority(),
            app_id: HeaderValue::from_str(app_id).ok(),
            token: settings.token.clone(),
            permits: bound.map(|bound| Semaphore::new(bound.min(Semaphore::MAX_PERMITS))),
            body_limit: settings.body_limit(),
            telemetry,
        }
    }

    /// Sends a request, whose URI is a path and a query, and waits for the whole answer, whatever
    /// its status. It waits as long as the application lets it; redirects are answers like others.
    /// Waits its turn where as many requests are under way as there may be. Dropping the future
    /// cancels the request.
    pub async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // It is never closed.
        let _permit = match &self.permits {
            Some(permits) => permits.acquire().await.ok(),
            None => None,
        };
        if let Some(token) = &self.token {
            request.headers_mut().insert(HEADER, token.value());
        }
        match &self.telemetry {
            None => self.exchange(request).await,
            Some(telemetry) => self.measured(telemetry, request).await,
        }
    }

    async fn measured(
        &self,
        telemetry: &Telemetry,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, HttpError> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let (sent, begun) = (request.body().len(), Instant::now());
        let answer = self.exchange(request).await;
        telemetry.app_http(&AppHttpCall {
            method: method.as_str(),
            path: uri.path(),
            status: status(&answer).as_str(),
            took: begun.elapsed(),
            sent,
            received: answer.as_ref().map_or(0, |answer| answer.body().len()),
        });
        answer
    }

    /// Sends a request in which the application is told whose runtime asks, as `send` does.
    pub async fn ask(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        if let Some(app_id) = &self.app_id {
            request.headers_mut().insert(DAPR_APP_ID, app_id.clone());
        }
        self.send(request).await
    }

    /// Sends a request beside all others: without the token and without a turn.
    pub(super) async fn probe(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, HttpError> {
        self.exchange(request).await
    }

    /// Counts a health check that is over; none: it took too long.
    pub(super) fn probed(&self, answer: Option<StatusCode>, took: Duration) {
        if let Some(telemetry) = &self.telemetry {
            telemetry.app_http_probe(answer.unwrap_or(NO_ANSWER).as_str(), took);
        }
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (mut head, body) = request.into_parts();
        head.uri = self.absolute(&head.uri)?;
        // Both are made anew.
        head.headers.remove(HOST);
        head.headers.remove(CONTENT_LENGTH);
        let answer = self.client.request(Request::from_parts(head, Full::new(body))).await;
        let answer = answer.map_err(|error| HttpError::Call(causes(&error)))?;
        let (head, body) = answer.into_parts();
        match Limited::new(body, self.body_limit).collect().await {
            Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(HttpError::TooLarge { limit: self.body_limit })
            }
            Err(error) => Err(HttpError::Body(causes(&*error))),
        }
    }

    fn absolute(&self, uri: &Uri) -> Result<Uri, HttpError> {
        let fault = |cause| HttpError::Path { path: uri.to_string(), cause };
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.parse::<Authority>().map_err(fault)?);
        parts.path_and_query =
            Some(uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")));
        // It has all three.
        Ok(Uri::from_parts(parts).unwrap_or_default())
    }
}

impl fmt::Debug for HttpChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpChannel").field("authority", &self.authority).finish_non_exhaustive()
    }
}

/// What a call without an answer counts as, as in Dapr.
const NO_ANSWER: StatusCode = StatusCode::INTERNAL_SERVER_ERROR;

fn status(answer: &Result<Response<Bytes>, HttpError>) -> StatusCode {
    answer.as_ref().map_or(NO_ANSWER, Response::status)
}

// === impl HttpError ===

/// An error with what has caused it, which is where HTTP clients say what happened.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
