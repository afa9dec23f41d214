//! Dapr's API over HTTP: from a request to its route, and from what comes of it to an answer.

mod answer;
mod binding;
mod body;
mod cors;
mod health;
mod metadata;
mod observed;
mod params;
mod path;
mod pubsub;
mod refusal;
mod route;
mod secret;
mod state;
mod trace;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use replug_component::Context;

use self::answer::{Answer, go_error, no_content, plain_text};
use self::body::Unread;
use self::cors::Cors;
use self::observed::Observed;
use self::params::Params;
use self::route::Route;
use self::trace::TraceHeaders;
use super::error::{ApiError, INVOKE};
use super::{Dapr, FORCE_SHUTDOWN};
use crate::api::Traces;
use crate::api::token::HEADER;

/// Names the application that a call on an unknown path is for, in a header or as basic auth.
const APP_ID: &str = "dapr-app-id";

/// HTTP requests carry no deadline.
const CX: Context = Context { deadline: None };

/// The HTTP port. Clones are the same.
#[derive(Debug, Clone)]
pub(in crate::api) struct HttpPort {
    dapr: Arc<Dapr>,
    /// Health and metadata are all there is, for everybody.
    public: bool,
}

impl HttpPort {
    pub(in crate::api) fn new(dapr: Arc<Dapr>) -> Self {
        Self { dapr, public: false }
    }

    /// The port that serves health and metadata alone.
    pub(in crate::api) fn public(dapr: Arc<Dapr>) -> Self {
        Self { dapr, public: true }
    }
}

impl hyper::service::Service<Request<Incoming>> for HttpPort {
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (dapr, public) = (self.dapr.clone(), self.public);
        Box::pin(async move {
            if let Some(refused) = refusal::of(&request) {
                return Ok(refused);
            }
            // A health check is no part of anything.
            let traced =
                dapr.settings.traces == Traces::Told && !request.uri().path().contains("/healthz");
            let trace = match traced.then(|| TraceHeaders::of(request.headers())).transpose() {
                Ok(trace) => trace,
                Err(refused) => return Ok(*refused),
            };
            let mut answer =
                if public { dapr.answer_public(request).await } else { dapr.answer(request).await };
            if let Some(trace) = trace {
                trace.mark(&mut answer);
            }
            Ok(answer)
        })
    }
}

impl Dapr {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let observed = Observed::begin(&self.settings, &request);
        let cors = Cors::of(&self.settings.cors, request.headers());
        let preflight = cors.as_ref().and_then(|cors| cors.preflight(&request));
        let (head, body) = request.into_parts();
        let mut body = Unread::new(body, self.settings.body_limit());
        let mut refused = false;
        let mut answer = if let Some(answer) = preflight {
            answer
        } else {
            let mut answer = self.answer_to(&head, &mut body, &mut refused).await;
            if let Some(cors) = cors {
                cors.mark(&mut answer);
            }
            answer
        };
        if !body.passed_over(&head).await {
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(header::CONNECTION, close);
        }
        if let Some(observed) = observed {
            observed.answered(&self.settings, &answer, refused);
        }
        answer
    }

    /// What the public port answers.
    async fn answer_public(&self, request: Request<Incoming>) -> Answer {
        let observed = Observed::begin(&self.settings, &request);
        let route = Route::of(request.method(), request.uri().path());
        let (head, body) = request.into_parts();
        let mut body = Unread::new(body, self.settings.body_limit());
        let answer = match route {
            Ok(
                route @ (Route::GetMetadata
                | Route::PutMetadata { .. }
                | Route::Healthz
                | Route::HealthzOutbound),
            ) => match self.routed(route, &head, &mut body).await {
                Ok(answer) => answer,
                Err(error) => answer::error(&error),
            },
            _ => go_error(StatusCode::NOT_FOUND, "404 page not found\n"),
        };
        if let Some(observed) = observed {
            // It is measured, and not logged.
            observed.answered(&self.settings, &answer, true);
        }
        answer
    }

    /// `refused` is set where the caller's token is not the right one.
    async fn answer_to(&self, head: &Parts, body: &mut Unread, refused: &mut bool) -> Answer {
        let path = head.uri.path();
        let (Ok(mut route), Ok(segments)) = (Route::of(&head.method, path), path::segments(path))
        else {
            return plain_text(StatusCode::BAD_REQUEST, "400 Bad Request");
        };
        if !self.settings.access.http(&segments) {
            route = Route::Unknown;
        }
        if let Some(token) = &self.settings.token
            && !route.needs_no_token()
            && !head.headers.get(&HEADER).is_some_and(|shown| token.admits(shown.as_bytes()))
        {
            *refused = true;
            return go_error(StatusCode::UNAUTHORIZED, "invalid api token\n");
        }
        match self.routed(route, head, body).await {
            Ok(answer) => answer,
            Err(error) => answer::error(&error),
        }
    }

    async fn routed(
        &self,
        route: Route,
        head: &Parts,
        body: &mut Unread,
    ) -> Result<Answer, Failure> {
        let params = Params::of(&head.uri);
        match route {
            Route::GetState { store, key } => self.http_get_state(&store, &key, &params).await,
            Route::SaveState { store } => self.http_save_state(&store, &params, body).await,
            Route::DeleteState { store, key } => {
                self.http_delete_state(&store, &key, &params, &head.headers).await
            }
            Route::BulkState { store } => self.http_bulk_state(&store, &params, body).await,
            Route::Transaction { store } => self.http_transaction(&store, &params, body).await,
            Route::Query { store } => self.http_query(&store, &params, body).await,
            Route::GetSecret { store, key } => self.http_get_secret(&store, &key, &params).await,
            Route::BulkSecret { store } => self.http_get_secrets(&store, &params).await,
            Route::Publish { pubsub, topic } => {
                self.http_publish(&pubsub, &topic, &params, &head.headers, body).await
            }
            Route::BulkPublish { pubsub, topic } => {
                self.http_bulk_publish(&pubsub, &topic, &params, &head.headers, body).await
            }
            Route::InvokeBinding { name } => {
                self.http_invoke_binding(&name, &head.headers, body).await
            }
            Route::GetMetadata => self.http_get_metadata(body).await,
            Route::PutMetadata { key } => self.http_put_metadata(key, body).await,
            Route::Healthz => Ok(self.http_healthz(&params)?),
            Route::HealthzOutbound => Ok(self.http_healthz_outbound()?),
            Route::Shutdown => {
                let force = head.headers.get(FORCE_SHUTDOWN);
                self.request_shutdown(force.map(HeaderValue::as_bytes));
                Ok(no_content())
            }
            Route::NotYet => Err(ApiError::unimplemented().into()),
            // To invoke an application is one more route that is not there yet.
            // The route that would tell is closed itself.
            Route::Unknown if !self.settings.access.http(&["v1.0", "invoke"]) => {
                Ok(go_error(StatusCode::NOT_FOUND, "404 page not found\n"))
            }
            Route::Unknown if names_an_app(&head.headers) => Err(ApiError::unimplemented().into()),
            Route::Unknown => Err(ApiError::plain(
                INVOKE,
                "failed getting app id either from the URL path or the header dapr-app-id",
            )
            .into()),
        }
    }
}

/// What is told in place of what was asked for.
#[derive(Debug)]
struct Failure {
    error: ApiError,
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self { error }
    }
}

fn names_an_app(headers: &HeaderMap) -> bool {
    if headers.get(APP_ID).is_some_and(|id| !id.is_empty()) {
        return true;
    }
    let auth = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let basic = auth.and_then(|auth| auth.strip_prefix("Basic "));
    let user = basic.and_then(|encoded| BASE64_STANDARD.decode(encoded).ok());
    user.is_some_and(|user| user.starts_with(b"dapr-app-id:"))
}
