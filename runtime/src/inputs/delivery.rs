//! From one event to the application, and from its answer back.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderName, HeaderValue, Method, Request, header};
use replug_component::binding::{Event, InvokeRequest};
use replug_component::{Context, RemoteError, code_name};
use replug_proto::dapr::runtime::v1 as pb;
use replug_proto::dapr::runtime::v1::binding_event_response::BindingEventConcurrency;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

use crate::api::dapr::binding::invoke;
use crate::api::dapr::trace::{BAGGAGE, NO_TRACE, TRACEPARENT, TRACESTATE};
use crate::app::{Application, BINDING_EVENT, Callbacks, Channel, HttpChannel, path};
use crate::messaging::cloud_event::{binary_trace, is_parent};
use crate::registry::Registry;
use crate::telemetry::{GrpcCall, Telemetry};

/// What other bindings are asked to do that the application's answer goes to.
const CREATE: &str = "create";

/// Headers that say something of the request itself, and those of one connection.
static KEPT_BACK: [HeaderName; 8] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::HOST,
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
];

/// Where the events of one binding go.
pub(super) struct Delivery {
    registry: Arc<Registry>,
    application: Application,
    telemetry: Option<Arc<Telemetry>>,
    binding: String,
    path: String,
}

// === impl Delivery ===

impl Delivery {
    pub(super) fn new(
        registry: Arc<Registry>,
        application: Application,
        telemetry: Option<Arc<Telemetry>>,
        binding: &str,
        route: Option<&str>,
    ) -> Self {
        let route = route.unwrap_or(binding);
        let (binding, path) = (binding.to_owned(), path::of_route(route));
        Self { registry, application, telemetry, binding, path }
    }

    /// Where they go over HTTP.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Has the application handle an event, and gives what it says. An error is the text that the
    /// binding is told.
    pub(super) async fn deliver(&self, event: Event) -> Result<Bytes, String> {
        let begun = Instant::now();
        let answer = match self.application.channel() {
            Channel::Http(channel) => self.over_http(channel, event).await,
            Channel::Grpc(callbacks) => self.over_grpc(callbacks, event).await,
        };
        if let Some(telemetry) = &self.telemetry {
            telemetry.input_binding(&self.binding, begun.elapsed(), answer.is_ok());
        }
        answer
    }

    async fn over_http(&self, channel: &HttpChannel, event: Event) -> Result<Bytes, String> {
        let mut request = Request::new(event.data);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        for (name, value) in event.metadata {
            if let Ok(name) = HeaderName::try_from(name)
                && let Ok(value) = HeaderValue::try_from(value)
                && !KEPT_BACK.contains(&name)
            {
                headers.insert(name, value);
            }
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let answer = channel.send(request).await;
        let answer = answer.map_err(|error| format!("error invoking app: {error}"))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer.into_body());
        }
        Err(format!(
            "fails to send binding event to http app channel, status code: {} body: {}",
            status.as_u16(),
            String::from_utf8_lossy(answer.body())
        ))
    }

    async fn over_grpc(&self, callbacks: &Callbacks, event: Event) -> Result<Bytes, String> {
        let Event { data, metadata, .. } = event;
        let name = self.binding.clone();
        let mut headers = MetadataMap::new();
        for name in [TRACESTATE, BAGGAGE] {
            if let Some(value) = metadata.get(name).and_then(|value| value.parse().ok()) {
                headers.insert(name, value);
            }
        }
        let parent = metadata.get(TRACEPARENT).filter(|parent| is_parent(parent));
        let parent = parent.map_or(NO_TRACE, String::as_str);
        if let Some(trace) = binary_trace(parent)
            && let Ok(parent) = parent.parse()
        {
            headers.insert(TRACEPARENT, parent);
            headers.insert_bin("grpc-trace-bin", MetadataValue::from_bytes(&trace));
        }
        let begun = Instant::now();
        let received = data.len();
        let mut request = tonic::Request::new(pb::BindingEventRequest { name, data, metadata });
        *request.metadata_mut() = headers;
        let answer = callbacks.on_binding_event(request).await;
        if let Some(telemetry) = &self.telemetry {
            // Dapr counts an event as a call that it serves as well.
            telemetry.grpc(&GrpcCall {
                method: BINDING_EVENT,
                status: code_name(answer.as_ref().map_or_else(Status::code, |_| Code::Ok)),
                took: begun.elapsed(),
                sizes: Some((received, answer.as_ref().map_or(0, |answer| answer.data.len()))),
            });
        }
        let answer = answer
            .map_err(|status| format!("error invoking app: {}", RemoteError::from(status)))?;
        self.pass_on(&answer).await;
        Ok(answer.data)
    }

    /// Gives the answer to the bindings that it names. What fails there is told in the log alone, as
    /// in Dapr.
    async fn pass_on(&self, answer: &pb::BindingEventResponse) {
        let data = serde_json::from_slice(&answer.data).unwrap_or(serde_json::Value::Null);
        let data = Bytes::from(data.to_string());
        let send = |to: String| {
            let data = data.clone();
            async move {
                let operation = CREATE.to_owned();
                let request = InvokeRequest { operation, data, ..InvokeRequest::default() };
                let sent = invoke(&self.registry, &Context::default(), &to, request).await;
                sent.map(drop).inspect_err(|error| {
                    tracing::error!("error sending to output binding {to}: {error}");
                })
            }
        };
        if answer.concurrency() == BindingEventConcurrency::Parallel {
            join_all(answer.to.iter().cloned().map(send)).await;
            return;
        }
        for to in answer.to.iter().cloned() {
            if send(to).await.is_err() {
                return;
            }
        }
    }
}
