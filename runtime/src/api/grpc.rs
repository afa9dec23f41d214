//! The gRPC port: Dapr and Layotto side by side, with reflection and health.
//!
//! What holds for every call is done here, once: the token, the deadline, and the statuses that
//! differ from those of the gRPC library.

mod binary;
mod connection;
mod deadline;
mod exchange;
mod head;
mod observed;
mod statuses;
mod unread;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::Poll;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderName, Request, Response};
use replug_component::Context;
use replug_proto::dapr::runtime::v1::dapr_server::{self, DaprServer};
use replug_proto::layotto::runtime::v1::runtime_server::{self, RuntimeServer};
use tonic::Status;
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower_service::Service as _;

pub(super) use self::connection::OverHttp2;
use self::exchange::{Answer, Inbound};
use self::head::Head;
use self::observed::Observed;
use self::unread::Unread;
use super::access::ApiAccess;
use super::dapr::Dapr;
use super::dapr::grpc::{DaprGrpc, Refusal, Unary, tell_authority};
use super::health::{Health, Phase};
use super::layotto::LayottoGrpc;
use super::quoted::quoted;
use super::settings::{ApiSettings, Traces};
use super::token::{ApiToken, HEADER};
use crate::registry::Registry;
use crate::telemetry::Telemetry;

/// How a request's messages are compressed.
static ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// What health checks ask about: everything, and each service by its name.
const HEALTH_OF: [&str; 3] = ["", dapr_server::SERVICE_NAME, runtime_server::SERVICE_NAME];

/// The services of the gRPC port.
#[derive(Debug)]
pub(super) struct GrpcPort {
    /// Answers the most frequent calls by itself, any other through the generated service.
    dapr_calls: DaprGrpc,
    dapr: DaprServer<DaprGrpc>,
    layotto: RuntimeServer<LayottoGrpc>,
    /// Health and reflection; made when somebody first asks, since what they take in memory is more
    /// than all the rest, and most applications never do.
    about: LazyLock<Routes, MakeRoutes>,
    /// The largest message of a request, in bytes.
    limit: usize,
    token: Option<ApiToken>,
    access: ApiAccess,
    call_log: bool,
    /// Whether answers have the trace and the baggage of their calls, which are then looked at.
    traces: bool,
    telemetry: Option<Arc<Telemetry>>,
}

/// No size of a message.
const UNKNOWN: usize = usize::MAX;

type MakeRoutes = Box<dyn FnOnce() -> Routes + Send>;

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
            dapr_calls: DaprGrpc(dapr.clone()),
            limit,
            // A request that is compressed comes here, and only its caller takes an answer that is.
            dapr: DaprServer::new(DaprGrpc(dapr.clone()))
                .max_decoding_message_size(limit)
                .accept_compressed(CompressionEncoding::Gzip)
                .send_compressed(CompressionEncoding::Gzip),
            layotto: RuntimeServer::new(LayottoGrpc(registry.clone()))
                .max_decoding_message_size(limit),
            about: LazyLock::new(Box::new(|| reflection(Routes::new(health)))),
            token: settings.token.clone(),
            access: settings.access.clone(),
            call_log: settings.call_log.is_some(),
            traces: settings.traces == Traces::Told,
            telemetry: settings.telemetry.clone(),
        };
        (port, reporter)
    }

    /// Why a caller may not call; none where it may.
    fn refused(&self, request: &Request<RecvStream>) -> Option<Response<Body>> {
        if let Some(method) = dapr_method(request.uri().path())
            && !self.access.grpc(method)
        {
            return Some(statuses::closed().into_http());
        }
        let token = self.token.as_ref()?;
        match request.headers().get(&HEADER) {
            Some(shown) if token.admits(shown.as_bytes()) => None,
            shown => Some(statuses::unauthorized(shown.is_some()).into_http()),
        }
    }
}

impl GrpcPort {
    /// The call as it is to be measured and logged; none where nobody wants to know, or where it
    /// goes on after its answer has begun.
    fn observed(&self, request: &Request<RecvStream>) -> Option<Observed> {
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

impl GrpcPort {
    /// Answers one call; ends when the caller is gone.
    async fn attend(
        self: Arc<Self>,
        request: Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
        unread: Arc<Unread>,
    ) {
        let answer = {
            let mut answer = pin!(self.answer(request, &unread));
            poll_fn(|cx| match answer.as_mut().poll(cx) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending => respond.poll_reset(cx).map(|_| None),
            })
            .await
        };
        if let Some(answer) = answer {
            answer.send(respond, self.traces, &unread).await;
        }
    }

    async fn answer(&self, mut request: Request<RecvStream>, unread: &Unread) -> Answer {
        let mut head = match Head::read(request.method(), request.headers(), self.traces) {
            Ok(head) => head,
            Err(refusal) => return Answer::Other(*refusal),
        };
        if let Some(refusal) = self.refused(&request) {
            return Answer::Other(refusal);
        }
        if let Err(status) = head.read_baggage(request.headers()) {
            return status.into();
        }
        request.headers_mut().remove(&HEADER);
        let Head { deadline, told, .. } = head;
        let observed = self.observed(&request);
        let received = AtomicUsize::new(UNKNOWN);
        // In its place: moved, it would take its room twice.
        let mut answer = pin!(async {
            unread.room().await;
            let cx = Context::with_deadline(deadline);
            self.answer_by(cx, request, told, &received).await
        });
        let answer = match deadline {
            None => answer.as_mut().await,
            Some(deadline) => match tokio::time::timeout_at(deadline.into(), answer.as_mut()).await
            {
                Ok(answer) => answer,
                Err(_) => Status::deadline_exceeded("context deadline exceeded").into(),
            },
        };
        if let (Some(telemetry), Some(told)) = (&self.telemetry, answer.told()) {
            telemetry.error(told.code(), told.category());
        }
        if let Some(observed) = observed {
            let received = received.load(Ordering::Relaxed);
            let sizes = (received != UNKNOWN).then(|| (received, answer.message_len()));
            observed.answered(answer.code(), sizes);
        }
        answer
    }

    /// Answers within the caller's deadline, which somebody else sees to, with what the head of the
    /// answer is `told`. Says how large the request's message is where it is looked at here.
    async fn answer_by(
        &self,
        cx: Context,
        mut request: Request<RecvStream>,
        mut told: Option<Box<HeaderMap>>,
        received: &AtomicUsize,
    ) -> Answer {
        let call = dapr_method(request.uri().path()).and_then(Unary::of);
        if call == Some(Unary::InvokeBinding) {
            tell_authority(&mut request);
        }
        if let Some(call) = call
            && is_plain(request.headers())
        {
            let (head, body) = request.into_parts();
            let answered = match exchange::message(body, self.limit).await {
                Ok(message) => {
                    received.store(message.len(), Ordering::Relaxed);
                    self.dapr_calls.unary(call, &cx, head.headers, message).await
                }
                Err(status) => Err(Refusal { status, headers: None, unread: true }),
            };
            return answered.map_or_else(Answer::from, Answer::Message).telling(told);
        }
        let path = request.uri().path();
        if !path.get(1..).is_some_and(|path| path.contains('/')) {
            let text = format!("malformed method name: {}", quoted(path.as_bytes()));
            return Status::unimplemented(text).into();
        }
        let service = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        let service = service.map(|(service, _)| service);
        let is_dapr = service == Some(dapr_server::SERVICE_NAME);
        let is_layotto = service == Some(runtime_server::SERVICE_NAME);
        request.extensions_mut().insert(cx);
        let request = request.map(Inbound);
        let answer = exchange::of_service(if is_dapr {
            self.dapr.clone().call(request).await
        } else if is_layotto {
            self.layotto.clone().call(request).await
        } else {
            LazyLock::force(&self.about).clone().call(request).await
        });
        if call.is_some() && self.traces {
            return exchange::traced(answer).telling(told);
        }
        // A stream has begun before its trace is told, and others' calls have none.
        if let Some(told) = &mut told {
            told.remove(&head::TRACE_NAME);
        }
        answer.telling(told)
    }
}

/// Whether a request's message comes as it is, uncompressed.
fn is_plain(headers: &HeaderMap) -> bool {
    headers.get(&ENCODING).is_none_or(|encoding| encoding == "identity")
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
