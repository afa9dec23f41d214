//! `pubsub.jetstream`: messages over the streams of a NATS server.
//!
//! As Dapr's component of this name has it: a topic is a subject of a stream that is there already;
//! the id of a CloudEvent is its message's id, by which the stream leaves out what is published twice;
//! a subscription is a push consumer with the settings' names and policies. A durable consumer is found
//! again after any end; another one is made anew when the server has lost it, from the first message
//! that was not acknowledged.
//!
//! **Delivery.** One message after the other, or with `concurrency` `parallel` as many as
//! `maxAckPending` says. What is not acknowledged within `ackWait` is delivered again; what failed at
//! once, or after `ackWait` where that is said.

mod reading;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::{self, message::PublishMessage};
use async_nats::{Client, ConnectOptions, Event};
use async_trait::async_trait;
use replug_component::pubsub::{
    PubSub, PubSubType, PublishRequest, SubscribeRequest, Subscription,
};
use replug_component::{Context, Error, Features, Metadata};
use serde::Deserialize;
use tokio::sync::watch;

use reading::Reading;
use settings::{Login, Settings};

/// How long a connection may take to be made, and an answer to come.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The type `pubsub.jetstream`.
pub(super) struct JetStreamType;

#[async_trait]
impl PubSubType for JetStreamType {
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn PubSub>, Error> {
        let settings = Arc::new(Settings::new(&metadata)?);
        let connections = watch::Sender::new(0);
        let client = connect(&settings, connections.clone()).await?;
        let mut stream = match (&settings.domain, &settings.api_prefix) {
            (_, Some(prefix)) => jetstream::with_prefix(client.clone(), prefix),
            (Some(domain), None) => jetstream::with_domain(client.clone(), domain),
            (None, None) => jetstream::new(client.clone()),
        };
        stream.set_timeout(TIMEOUT);
        let paused = watch::Sender::new(false);
        Ok(Arc::new(JetStream { client, stream, settings, connections, paused }))
    }
}

async fn connect(settings: &Settings, connections: watch::Sender<u64>) -> Result<Client, Error> {
    let options = ConnectOptions::new()
        .name(&settings.name)
        .connection_timeout(TIMEOUT)
        .request_timeout(Some(TIMEOUT))
        .event_callback(move |event| {
            if matches!(event, Event::Connected) {
                connections.send_modify(|count| *count += 1);
            }
            std::future::ready(())
        });
    let options = match &settings.login {
        Login::None => options,
        Login::Token(token) => options.token(token.reveal().to_owned()),
        Login::Certificate(certificate, key) => {
            options.add_client_certificate(certificate.into(), key.into())
        }
        Login::Jwt(jwt, seed) => {
            let key = nkeys::KeyPair::from_seed(seed.reveal())
                .map_err(|_| Error::Invalid("`seedKey` is no seed of an nkey".into()))?;
            let key = Arc::new(key);
            options.jwt(jwt.reveal().to_owned(), move |nonce| {
                let key = key.clone();
                async move { key.sign(&nonce).map_err(async_nats::AuthError::new) }
            })
        }
    };
    let servers: Vec<&str> = settings.url.reveal().split(',').map(str::trim).collect();
    let connecting = options.connect(servers);
    connecting.await.map_err(|error| settings.told(&format!("cannot connect: {error}")))
}

struct JetStream {
    client: Client,
    stream: jetstream::Context,
    settings: Arc<Settings>,
    /// How often the server has been connected to, for subscriptions to look after their consumers.
    connections: watch::Sender<u64>,
    /// Whether nothing is delivered. Subscriptions end when it is gone, with the component.
    paused: watch::Sender<bool>,
}

#[async_trait]
impl PubSub for JetStream {
    fn features(&self) -> Features {
        Features::default()
    }

    async fn publish(&self, _cx: &Context, request: PublishRequest) -> Result<(), Error> {
        let mut message = PublishMessage::build();
        if let Ok(event) = serde_json::from_slice::<CloudEvent>(&request.data) {
            message = message.message_id(&event.id);
        }
        let topic = request.topic;
        self.connected(&topic).await?;
        let message = message.payload(request.data);
        let sending = self.stream.send_publish(topic.clone(), message);
        let sent = sending.await.map_err(|error| self.failed(&topic, &error))?;
        sent.await.map(|_| ()).map_err(|error| self.failed(&topic, &error))
    }

    async fn subscribe(
        &self,
        _cx: &Context,
        request: SubscribeRequest,
    ) -> Result<Subscription, Error> {
        let reading = Reading::start(
            self.client.clone(),
            self.stream.clone(),
            self.settings.clone(),
            request.topic,
            self.connections.subscribe(),
            self.paused.subscribe(),
        );
        Ok(reading.await?.into_subscription())
    }

    async fn pause(&self) -> Result<(), Error> {
        self.paused.send_replace(true);
        Ok(())
    }

    async fn resume(&self) -> Result<(), Error> {
        self.paused.send_replace(false);
        Ok(())
    }

    async fn ping(&self, _cx: &Context) -> Result<(), Error> {
        match self.client.connection_state() {
            State::Connected => Ok(()),
            state => Err(self.settings.told(&format!("the connection is {state}"))),
        }
    }
}

impl JetStream {
    /// Waits until there is a connection, for as long as an answer may take.
    async fn connected(&self, topic: &str) -> Result<(), Error> {
        if self.client.connection_state() == State::Connected {
            return Ok(());
        }
        let mut connections = self.connections.subscribe();
        let waiting = async {
            while self.client.connection_state() != State::Connected {
                connections.changed().await.ok();
            }
        };
        let waited = tokio::time::timeout(TIMEOUT, waiting).await;
        waited.map_err(|_| self.failed(topic, &"there is no connection"))
    }

    fn failed(&self, topic: &str, error: &dyn std::fmt::Display) -> Error {
        let state = match self.client.connection_state() {
            State::Connected => String::new(),
            state => format!("; the connection is {state}, and is made again by itself"),
        };
        self.settings.told(&format!("cannot publish to {topic}: {error}{state}"))
    }
}

/// What of a CloudEvent is looked at.
#[derive(Deserialize)]
struct CloudEvent {
    id: String,
}
