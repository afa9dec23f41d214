//! The application over gRPC: the calls of Dapr's `AppCallback`.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Uri;
use prost::Message;
use replug_component::code_name;
use replug_proto::dapr::runtime::v1 as pb;
use replug_proto::dapr::runtime::v1::app_callback_alpha_client::AppCallbackAlphaClient;
use replug_proto::dapr::runtime::v1::app_callback_client::AppCallbackClient;
use replug_proto::dapr::runtime::v1::app_callback_health_check_client::AppCallbackHealthCheckClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use super::settings::AppSettings;
use super::stream::Connector;
use super::token::HEADER_NAME as HEADER;
use crate::telemetry::{GrpcCall, Telemetry};

/// Bytes that the application may send on one stream before it has to wait for the reader.
const STREAM_WINDOW: u32 = 1 << 20;
/// The same for all streams together.
const CONNECTION_WINDOW: u32 = 8 << 20;

/// The calls of `AppCallback`, over one connection that is made when it is needed. Each waits as
/// long as the application lets it; dropping the future cancels the call. The metadata of a request
/// goes to the application as it is.
pub struct Callbacks {
    channel: Channel,
    token: Option<MetadataValue<Ascii>>,
    limit: usize,
    telemetry: Option<Arc<Telemetry>>,
}

/// The calls, as metrics name them.
pub(super) mod calls {
    pub(super) const TOPIC_EVENT: &str = "/dapr.proto.runtime.v1.AppCallback/OnTopicEvent";
    pub(super) const BULK_EVENT: &str = "/dapr.proto.runtime.v1.AppCallback/OnBulkTopicEvent";
    pub(super) const BULK_EVENT_ALPHA1: &str =
        "/dapr.proto.runtime.v1.AppCallbackAlpha/OnBulkTopicEventAlpha1";
    pub(crate) const BINDING_EVENT: &str = "/dapr.proto.runtime.v1.AppCallback/OnBindingEvent";
    pub(super) const LIST_SUBSCRIPTIONS: &str =
        "/dapr.proto.runtime.v1.AppCallback/ListTopicSubscriptions";
    pub(super) const LIST_BINDINGS: &str = "/dapr.proto.runtime.v1.AppCallback/ListInputBindings";
}

// === impl Callbacks ===

impl Callbacks {
    pub(super) fn new(settings: &AppSettings, telemetry: Option<Arc<Telemetry>>) -> Self {
        let scheme = settings.protocol.scheme();
        let uri = format!("{scheme}://{}", settings.authority()).parse::<Uri>();
        // A host that is no part of a URL is no name either: the connector will say so.
        let uri = uri.unwrap_or_else(|_| Uri::from_static("http://application"));
        let channel = Endpoint::from(uri)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .connect_with_connector_lazy(Connector::new(settings));
        let token = settings.token.as_ref().and_then(|token| {
            let mut value = MetadataValue::try_from(token.value().as_bytes()).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        Self { channel, token, limit: settings.body_limit(), telemetry }
    }

    /// Delivers a message of a topic.
    pub async fn on_topic_event(
        &self,
        request: Request<pb::TopicEventRequest>,
    ) -> Result<pb::TopicEventResponse, Status> {
        let request = self.signed(request);
        let sent = self.size_of(request.get_ref());
        let mut client = self.client();
        self.measured(calls::TOPIC_EVENT, sent, client.on_topic_event(request)).await
    }

    /// Delivers several messages of a topic at once; to applications that do not know the call, by
    /// the alpha version of it. Where they know neither, the status is `UNIMPLEMENTED`.
    pub async fn on_bulk_topic_event(
        &self,
        request: Request<pb::TopicEventBulkRequest>,
    ) -> Result<pb::TopicEventBulkResponse, Status> {
        let (metadata, extensions, message) = self.signed(request).into_parts();
        let first = Request::from_parts(metadata.clone(), extensions.clone(), message.clone());
        let sent = self.size_of(&message);
        let mut client = self.client();
        match self.measured(calls::BULK_EVENT, sent, client.on_bulk_topic_event(first)).await {
            Err(status) if status.code() == Code::Unimplemented => {
                let again = Request::from_parts(metadata, extensions, message);
                let mut client = AppCallbackAlphaClient::new(self.channel.clone())
                    .max_decoding_message_size(self.limit);
                let call = client.on_bulk_topic_event_alpha1(again);
                self.measured(calls::BULK_EVENT_ALPHA1, sent, call).await
            }
            answer => answer,
        }
    }

    /// Delivers an event of an input binding.
    pub async fn on_binding_event(
        &self,
        request: Request<pb::BindingEventRequest>,
    ) -> Result<pb::BindingEventResponse, Status> {
        let request = self.signed(request);
        let sent = self.size_of(request.get_ref());
        let mut client = self.client();
        self.measured(calls::BINDING_EVENT, sent, client.on_binding_event(request)).await
    }

    /// Asks for the topics that the application subscribes to. Carries no token, as in Dapr.
    pub async fn list_topic_subscriptions(
        &self,
    ) -> Result<pb::ListTopicSubscriptionsResponse, Status> {
        let mut client = self.client();
        self.measured(calls::LIST_SUBSCRIPTIONS, 0, client.list_topic_subscriptions(())).await
    }

    /// Asks for the names of the bindings whose events the application wants. Carries no token, as
    /// in Dapr. The application is told that the answer is waited for so long.
    pub async fn list_input_bindings(
        &self,
        limit: Duration,
    ) -> Result<pb::ListInputBindingsResponse, Status> {
        let mut client = self.client();
        let mut request = Request::new(());
        request.set_timeout(limit);
        self.measured(calls::LIST_BINDINGS, 0, client.list_input_bindings(request)).await
    }

    /// Asks whether it is well.
    pub(super) async fn health_check(&self) -> Result<(), Status> {
        let mut client = AppCallbackHealthCheckClient::new(self.channel.clone());
        client.health_check(()).await.map(drop)
    }

    /// Counts a health check that is over.
    pub(super) fn probed(&self, code: Code, took: Duration) {
        if let Some(telemetry) = &self.telemetry {
            telemetry.app_grpc_probe(code_name(code), took);
        }
    }

    /// How large a message is, in bytes, where somebody wants to know.
    fn size_of(&self, message: &impl Message) -> usize {
        if self.telemetry.is_some() { message.encoded_len() } else { 0 }
    }

    /// What a call of `sent` bytes comes to, measured where calls are.
    async fn measured<T: Message>(
        &self,
        method: &'static str,
        sent: usize,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T, Status> {
        let Some(telemetry) = &self.telemetry else {
            return call.await.map(tonic::Response::into_inner);
        };
        let begun = Instant::now();
        let answer = call.await.map(tonic::Response::into_inner);
        let took = begun.elapsed();
        let code = answer.as_ref().map_or_else(Status::code, |_| Code::Ok);
        let received = answer.as_ref().map_or(0, Message::encoded_len);
        telemetry.app_grpc(&GrpcCall {
            method,
            status: code_name(code),
            took,
            sizes: Some((received, sent)),
        });
        answer
    }

    fn client(&self) -> AppCallbackClient<Channel> {
        AppCallbackClient::new(self.channel.clone()).max_decoding_message_size(self.limit)
    }

    fn signed<T>(&self, mut request: Request<T>) -> Request<T> {
        if let Some(token) = &self.token {
            request.metadata_mut().insert(HEADER, token.clone());
        }
        request
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks").finish_non_exhaustive()
    }
}
