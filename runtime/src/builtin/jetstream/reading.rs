//! A subscription: a push consumer, and what of it is not acknowledged. After a connection was lost the
//! consumer is looked for, and made again where the server has lost it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::push::Messages;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, push};
use async_nats::jetstream::{self, AckKind};
use futures_util::{StreamExt as _, stream};
use replug_component::Error;
use replug_component::pubsub::{Acker, Delivery, Message, Subscription};
use tokio::sync::{oneshot, watch};

use super::settings::Settings;

/// How long it is waited before a consumer that could not be made is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// A subscription as it is read.
pub(super) struct Reading {
    client: Client,
    context: jetstream::Context,
    settings: Arc<Settings>,
    topic: String,
    stream: String,
    consumer: String,
    messages: Messages,
    connections: watch::Receiver<u64>,
    paused: watch::Receiver<bool>,
    open: Arc<Mutex<Unacknowledged>>,
    /// Of the message that was handed out last, where one goes after the other.
    answered: Option<oneshot::Receiver<()>>,
}

/// Which messages a new consumer would have to deliver.
struct Unacknowledged {
    /// Handed out.
    out: BTreeSet<u64>,
    /// The first that was not.
    next: u64,
}

/// What became of waiting for a message.
enum Came {
    Message(Box<jetstream::Message>),
    Connection,
    End,
}

impl Reading {
    pub(super) async fn start(
        client: Client,
        context: jetstream::Context,
        settings: Arc<Settings>,
        topic: String,
        mut connections: watch::Receiver<u64>,
        paused: watch::Receiver<bool>,
    ) -> Result<Self, Error> {
        let stream = match &settings.stream {
            Some(stream) => stream.clone(),
            None => context.stream_by_subject(topic.as_str()).await.map_err(|error| {
                settings.told(&format!(
                    "no stream has the subject {topic}: {error}; make one, or name it by \
                     `streamName`"
                ))
            })?,
        };
        // From here on: a connection that is lost while the consumer is made is seen.
        connections.mark_unchanged();
        let policy = settings.consumer.deliver_policy;
        let (consumer, messages, next) =
            consume(&client, &context, &settings, &stream, &topic, policy).await?;
        let open = Arc::new(Mutex::new(Unacknowledged { out: BTreeSet::new(), next }));
        Ok(Self {
            client,
            context,
            settings,
            topic,
            stream,
            consumer,
            messages,
            connections,
            paused,
            open,
            answered: None,
        })
    }

    pub(super) fn into_subscription(self) -> Subscription {
        Subscription::new(stream::unfold(self, Self::next))
    }

    async fn next(mut self) -> Option<(Delivery, Self)> {
        if let Some(answered) = self.answered.take() {
            answered.await.ok();
        }
        loop {
            match self.wait().await {
                Came::Message(message) => {
                    // A component that is gone pauses nothing any more.
                    self.paused.wait_for(|paused| !paused).await.ok();
                    let delivery = self.hand_out(*message);
                    return Some((delivery, self));
                }
                Came::Connection => self.look_after_consumer().await,
                Came::End => return None,
            }
        }
    }

    async fn wait(&mut self) -> Came {
        tokio::select! {
            message = self.messages.next() => match message {
                Some(Ok(message)) => Came::Message(Box::new(message)),
                // A heartbeat that did not come: the consumer may be gone.
                Some(Err(_)) => Came::Connection,
                None => Came::End,
            },
            changed = self.connections.changed() => match changed {
                Ok(()) => Came::Connection,
                Err(_) => Came::End,
            },
            // It never says yes to this: the component is gone.
            _ = self.paused.wait_for(|_| false) => Came::End,
        }
    }

    fn hand_out(&mut self, message: jetstream::Message) -> Delivery {
        let sequence = message.info().map_or(0, |info| info.stream_sequence);
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.out.insert(sequence);
            open.next = open.next.max(sequence + 1);
        }
        let (message, acker) = message.split();
        let delivered = Message {
            data: message.payload,
            topic: self.topic.clone(),
            metadata: [("Topic".to_owned(), message.subject.to_string())].into(),
            content_type: None,
        };
        let (answered, answer) = oneshot::channel();
        self.answered = (!self.settings.parallel).then_some(answer);
        let (open, settings) = (self.open.clone(), self.settings.clone());
        let runtime = tokio::runtime::Handle::current();
        let acker = Acker::new(move |handled: Result<(), String>| {
            drop(answered);
            if settings.consumer.ack_policy == AckPolicy::None {
                return;
            }
            let kind = if handled.is_ok() {
                open.lock().unwrap_or_else(PoisonError::into_inner).out.remove(&sequence);
                AckKind::Ack
            } else {
                AckKind::Nak(settings.ack_wait)
            };
            runtime.spawn(async move {
                if let Err(error) = acker.ack_with(kind).await {
                    tracing::warn!("a message was handled and will be delivered again: {error}");
                }
            });
        });
        Delivery { message: delivered, acker }
    }

    /// Makes the consumer again where the server does not have it.
    async fn look_after_consumer(&mut self) {
        loop {
            let stream = self.context.get_stream_no_info(&self.stream).await;
            let there = match stream {
                Ok(stream) => stream.consumer_info(&self.consumer).await.is_ok(),
                Err(_) => false,
            };
            if there {
                return;
            }
            let start_sequence = {
                let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
                open.out.first().copied().unwrap_or(open.next).max(1)
            };
            let policy = DeliverPolicy::ByStartSequence { start_sequence };
            let made = consume(
                &self.client,
                &self.context,
                &self.settings,
                &self.stream,
                &self.topic,
                policy,
            );
            match made.await {
                Ok((consumer, messages, _)) => {
                    self.consumer = consumer;
                    self.messages = messages;
                    return;
                }
                Err(error) => {
                    tracing::warn!(topic = self.topic, "messages are waited for again: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Makes a consumer, or finds the durable one. Gives its name, its messages, and the sequence of the
/// first message that it has not delivered.
async fn consume(
    client: &Client,
    context: &jetstream::Context,
    settings: &Settings,
    stream: &str,
    topic: &str,
    deliver_policy: DeliverPolicy,
) -> Result<(String, Messages, u64), Error> {
    let failed = |error: &dyn std::fmt::Display| {
        settings.told(&format!("cannot subscribe to {topic} of the stream {stream}: {error}"))
    };
    let config = push::Config {
        deliver_subject: client.new_inbox(),
        filter_subject: topic.to_owned(),
        deliver_policy,
        ..settings.consumer.clone()
    };
    let consumer = context.create_consumer_on_stream(config, stream).await;
    let consumer = consumer.map_err(|error| failed(&error))?;
    let messages = consumer.messages().await.map_err(|error| failed(&error))?;
    let info = consumer.cached_info();
    Ok((info.name.clone(), messages, info.delivered.stream_sequence + 1))
}
