//! The gRPC port: Dapr and Layotto side by side, with reflection and health.
//!
//! What holds for every call is done here, once: the token, the deadline, and the statuses that
//! differ from those of the gRPC library.

mod deadline;
mod observed;
mod statuses;

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};

use http::{Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use replug_component::Context;
use replug_proto::dapr::runtime::v1::dapr_server::{self, DaprServer};
use replug_proto::layotto::runtime::v1::runtime_server::{self, RuntimeServer};
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower_service::Service as _;

use self::observed::Observed;
use super::access::ApiAccess;
use super::dapr::Dapr;
use super::dapr::grpc::DaprGrpc;
use super::health::{Health, Phase};
use super::layotto::LayottoGrpc;
use super::settings::ApiSettings;
use super::token::{ApiToken, HEADER};
use crate::registry::Registry;
use crate::telemetry::Telemetry;

/// What health checks ask about: everything, and each service by its name.
const HEALTH_OF: [&str; 3] = ["", dapr_server::SERVICE_NAME, runtime_server::SERVICE_NAME];

/// The services of the gRPC port. Clones are cheap and the same.
#[derive(Debug, Clone)]
pub(super) struct GrpcPort {
    dapr: DaprServer<DaprGrpc>,
    layotto: RuntimeServer<LayottoGrpc>,
    /// Health and reflection; made when somebody first asks, since what they take in memory is more
    /// than all the rest, and most applications never do.
    about: Arc<LazyLock<Routes, MakeRoutes>>,
    token: Option<ApiToken>,
    access: ApiAccess,
    call_log: bool,
    telemetry: Option<Arc<Telemetry>>,
}

type MakeRoutes = Box<dyn FnOnce() -> Routes + Send>;

type Answer = Result<Response<Body>, Infallible>;

// === impl GrpcPort ===

impl GrpcPort {
    pub(super) fn new(
        dapr: &Arc<Dapr>,
        registry: &Arc<Registry>,
        settings: &ApiSettings,
    ) -> (Self, HealthReporter) {
        let limit = settings.body_limit();
        let (reporter, health) = tonic_health::server::health_reporter();
        let port = Self {
            dapr: DaprServer::new(DaprGrpc(dapr.clone())).max_decoding_message_size(limit),
            layotto: RuntimeServer::new(LayottoGrpc(registry.clone()))
                .max_decoding_message_size(limit),
            about: Arc::new(LazyLock::new(Box::new(|| reflection(Routes::new(health))))),
            token: settings.token.clone(),
            access: settings.access.clone(),
            call_log: settings.call_log.is_some(),
            telemetry: settings.telemetry.clone(),
        };
        (port, reporter)
    }

    /// Why a request is not looked at; none where it is.
    fn refused(&self, request: &Request<Incoming>) -> Option<Response<Body>> {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let is_grpc = content_type.is_some_and(|t| t.as_bytes().starts_with(b"application/grpc"));
        if !is_grpc || request.method() != Method::POST {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Some(response);
        }
        if let Some(method) = dapr_method(request.uri().path())
            && !self.access.grpc(method)
        {
            return Some(statuses::closed().into_http());
        }
        let token = self.token.as_ref()?;
        match request.headers().get(HEADER) {
            Some(shown) if token.admits(shown.as_bytes()) => None,
            shown => Some(statuses::unauthorized(shown.is_some()).into_http()),
        }
    }
}

impl GrpcPort {
    /// The call as it is to be measured and logged; none where nobody wants to know, or where it
    /// goes on after its answer has begun.
    fn observed(&self, request: &Request<Incoming>) -> Option<Observed> {
        if self.telemetry.is_none() && !self.call_log {
            return None;
        }
        let path = request.uri().path();
        let method = dapr_method(path)?;
        if ["Subscribe", "Encrypt", "Decrypt"].iter().any(|start| method.starts_with(start)) {
            return None;
        }
        Some(Observed::begin(request, self.telemetry.clone(), self.call_log))
    }
}

/// The method of the service `Dapr` that a path names.
fn dapr_method(path: &str) -> Option<&str> {
    path.strip_prefix('/')?.strip_prefix(dapr_server::SERVICE_NAME)?.strip_prefix('/')
}

impl hyper::service::Service<Request<Incoming>> for GrpcPort {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        if let Some(refusal) = self.refused(&request) {
            return Box::pin(ready(Ok(refusal)));
        }
        request.headers_mut().remove(HEADER);
        let deadline = deadline::of(request.headers());
        request.extensions_mut().insert(Context::with_deadline(deadline));
        let observed = self.observed(&request);
        let path = request.uri().path();
        let service = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        let answer: Self::Future = match service.map(|(service, _)| service) {
            Some(dapr_server::SERVICE_NAME) => Box::pin(self.dapr.clone().call(request)),
            Some(runtime_server::SERVICE_NAME) => Box::pin(self.layotto.clone().call(request)),
            _ => Box::pin(LazyLock::force(&self.about).clone().call(request)),
        };
        Box::pin(async move {
            let answer = match deadline {
                None => answer.await,
                Some(deadline) => match tokio::time::timeout_at(deadline.into(), answer).await {
                    Ok(answer) => answer,
                    Err(_) => {
                        Ok(Status::deadline_exceeded("context deadline exceeded").into_http())
                    }
                },
            };
            let answer = answer.map(statuses::told);
            if let (Some(observed), Ok(answer)) = (observed, &answer) {
                observed.answered(answer);
            }
            answer
        })
    }
}

/// Adds reflection of the services of this port, in both versions that clients ask for.
fn reflection(routes: Routes) -> Routes {
    let builder = || {
        let served = HEALTH_OF.into_iter().filter(|name| !name.is_empty());
        served
            .chain([
                tonic_health::pb::health_server::SERVICE_NAME,
                tonic_reflection::pb::v1::server_reflection_server::SERVICE_NAME,
                tonic_reflection::pb::v1alpha::server_reflection_server::SERVICE_NAME,
            ])
            .fold(tonic_reflection::server::Builder::configure(), |builder, name| {
                builder.with_service_name(name)
            })
            .register_encoded_file_descriptor_set(replug_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(
                tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
            )
            .include_reflection_service(false)
    };
    // The descriptors are compiled in; a test asks for them.
    let v1 = builder().build_v1().expect("compiled descriptors are well-formed");
    let v1alpha = builder().build_v1alpha().expect("compiled descriptors are well-formed");
    routes.add_service(v1).add_service(v1alpha)
}

/// Tells the health service of every phase, for ever.
pub(super) async fn tell_health(health: &Health, reporter: HealthReporter) {
    let mut phases = health.watch();
    loop {
        let status = match *phases.borrow_and_update() {
            Phase::Ready => ServingStatus::Serving,
            _ => ServingStatus::NotServing,
        };
        for service in HEALTH_OF {
            reporter.set_service_status(service, status).await;
        }
        if phases.changed().await.is_err() {
            // Not reached: `health` holds the other end.
            std::future::pending::<()>().await;
        }
    }
}
