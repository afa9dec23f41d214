//! `pubsub.redis`: messages over Redis streams.
//!
//! **Layout.** That of Dapr's component of this name, and what one publishes the other delivers: a
//! stream for each topic, an entry for each message with the fields `data` and, where there are any,
//! `metadata` as JSON. `consumerID` is the group and the consumer in it, so that all instances of an
//! application share its messages, and a group begins with the oldest message that is kept.
//!
//! **Delivery.** A message stays with its group until it is acknowledged. One that is not, for
//! `processingTimeout`, is delivered again by the look that is taken each `redeliverInterval`. At most
//! `concurrency` messages are out at once and at most `queueDepth` wait here for each subscription.
//! While the server is away subscriptions wait for it, and go on where they were.
//!
//! Needs Redis 6.2, for `XAUTOCLAIM`.

mod acks;
mod message;
mod reading;
mod settings;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use redis::{Pipeline, Value};
use replug_component::pubsub::{
    PubSub, PubSubType, PublishRequest, SubscribeRequest, Subscription,
};
use replug_component::{Context, Error, Features, Metadata};
use tokio::sync::{Semaphore, watch};

use super::server::{Doing, Server};
use acks::Acks;
use settings::PubSubSettings;

/// The type `pubsub.redis`.
pub(in crate::builtin) struct RedisPubSubType;

#[async_trait]
impl PubSubType for RedisPubSubType {
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn PubSub>, Error> {
        let settings = Arc::new(PubSubSettings::new(&metadata)?);
        let server = Arc::new(Server::new(super::settings::Settings::new(&metadata)?)?);
        server.ping().await?;
        Ok(Arc::new(RedisPubSub {
            acks: Acks::start(server.clone(), settings.group.clone()),
            server,
            workers: Arc::new(Semaphore::new(settings.concurrency)),
            paused: watch::Sender::new(false),
            metadata,
            settings,
        }))
    }
}

struct RedisPubSub {
    server: Arc<Server>,
    acks: Acks,
    /// One permit for each message that may be out.
    workers: Arc<Semaphore>,
    /// Whether nothing is delivered. Subscriptions end when it is gone, with the component.
    paused: watch::Sender<bool>,
    /// What subscriptions make connections of their own with.
    metadata: Metadata,
    settings: Arc<PubSubSettings>,
}

#[async_trait]
impl PubSub for RedisPubSub {
    fn features(&self) -> Features {
        Features::default()
    }

    async fn publish(&self, _cx: &Context, request: PublishRequest) -> Result<(), Error> {
        let mut commands = Pipeline::with_capacity(1);
        commands.cmd("XADD").arg(&request.topic);
        if let Some(most) = self.settings.max_length {
            commands.arg("MAXLEN").arg("~").arg(most);
        } else if let Some(ttl) = self.settings.stream_ttl {
            let oldest = SystemTime::now().checked_sub(ttl).unwrap_or(UNIX_EPOCH);
            let oldest = oldest.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
            commands.arg("MINID").arg("~").arg(format!("{oldest}-1"));
        }
        commands.arg("*").arg("data").arg(request.data.as_ref());
        if !request.metadata.is_empty() {
            commands.arg("metadata").arg(message::metadata_to_json(&request.metadata));
        }
        match self.server.ask(Doing::Write, &commands).await?.into_iter().next() {
            Some(Value::ServerError(error)) => {
                Err(self.server.told(format!("cannot publish to {}: {error}", request.topic)))
            }
            _ => Ok(()),
        }
    }

    async fn subscribe(
        &self,
        _cx: &Context,
        request: SubscribeRequest,
    ) -> Result<Subscription, Error> {
        let own = || Server::new(super::settings::Settings::new(&self.metadata)?);
        // One that waits for messages, on which nothing else moves, and one that looks for old ones.
        let [waiting, looking] = [own()?, own()?];
        reading::ensure_group(&self.server, &request.topic, &self.settings.group).await?;
        let reading = reading::Reading {
            topic: request.topic,
            settings: self.settings.clone(),
            acks: self.acks.clone(),
            workers: self.workers.clone(),
            paused: self.paused.subscribe(),
        };
        Ok(reading.start(waiting, looking))
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
        self.server.ping().await
    }
}
