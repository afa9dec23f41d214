//! One stream of messages from a plugin: `PullMessages`.
//!
//! Messages are handled one after the other, as in Dapr: the next is read when the last is answered.
//! Where the subscriber gathers several, as many are read before the first of them is answered.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use replug_component::pubsub::{Acker, Delivery, Message, SubscribeRequest};
use replug_proto::dapr::components::v1 as pb;
use replug_proto::dapr::components::v1::pub_sub_client::PubSubClient;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Status, Streaming};

use crate::plugin::link::MAX_ANSWER;
use crate::plugin::{Connection, Link};

/// How long whoever waits for a stream to be open waits for the plugin's word on it. Many plugins
/// give it with the first message only; for them the stream counts as open then.
const WORD: Duration = Duration::from_millis(100);

/// How long messages are still taken in after the last answer of a subscription that ends for good,
/// as in Dapr. They are given back with the stream.
const LINGER: Duration = Duration::from_millis(400);

/// How long a plugin has to end a stream after the runtime has ended its side.
const FAREWELL: Duration = Duration::from_secs(1);

/// A subscription to be pulled over one stream or another.
#[derive(Debug, Clone)]
pub(super) struct Pull {
    pub(super) request: Arc<SubscribeRequest>,
    /// Closed when nobody reads any more.
    pub(super) deliveries: mpsc::Sender<Delivery>,
    pub(super) paused: watch::Receiver<bool>,
}

/// Why a stream is over.
pub(super) enum Left {
    /// It was to be.
    AsTold,
    /// The plugin, or the connection to it, has ended it.
    Ended(String),
}

// === impl Pull ===

impl Pull {
    /// Pulls over this connection until `leaving` changes or its sender is gone, nobody reads, or
    /// the plugin ends the stream. Who leaves waits for the answer to what is handed out, and passes
    /// it on. `opened` is dropped when the stream is open.
    pub(super) async fn over(
        &self,
        link: &Link,
        connection: &Connection,
        leaving: &mut watch::Receiver<()>,
        opened: &mut Option<oneshot::Sender<()>>,
    ) -> Left {
        let mut paused = self.paused.clone();
        if *paused.borrow() {
            opened.take();
        }
        tokio::select! {
            _ = leaving.changed() => return Left::AsTold,
            () = self.deliveries.closed() => return Left::AsTold,
            () = until(&mut paused, false) => {}
        }
        let (acks, requests) = mpsc::unbounded_channel();
        let topic = Some(pb::Topic::from(SubscribeRequest::clone(&self.request)));
        acks.send(pb::PullMessagesRequest { topic, ..Default::default() }).ok();
        let client = PubSubClient::new(link.streams(connection));
        let mut client = client.max_decoding_message_size(MAX_ANSWER);
        let opening = client.pull_messages(UnboundedReceiverStream::new(requests));
        tokio::pin!(opening);
        let word = timeout(WORD, &mut opening);
        let answered = tokio::select! {
            _ = leaving.changed() => return Left::AsTold,
            () = self.deliveries.closed() => return Left::AsTold,
            answered = word => answered,
        };
        opened.take();
        let answered = if let Ok(answered) = answered {
            answered
        } else {
            tokio::select! {
                _ = leaving.changed() => return Left::AsTold,
                () = self.deliveries.closed() => return Left::AsTold,
                answered = opening => answered,
            }
        };
        let mut messages = match answered {
            Ok(answer) => answer.into_inner(),
            Err(status) => return ended(&status),
        };
        let mut answers = FuturesUnordered::new();
        loop {
            let full = answers.len() >= self.request.at_once.max(1);
            let next = async {
                loop {
                    until(&mut paused, false).await;
                    tokio::select! {
                        biased;
                        () = until(&mut paused, true) => {}
                        message = messages.message() => return message,
                    }
                }
            };
            let message = tokio::select! {
                _ = leaving.changed() => break,
                () = self.deliveries.closed() => break,
                Some(answer) = answers.next(), if !answers.is_empty() => {
                    pass_on(answer, &acks);
                    continue;
                }
                message = next, if !full => message,
            };
            let message = match message {
                Ok(Some(message)) => message,
                Ok(None) => return Left::Ended("it has no more messages to send".into()),
                Err(status) => return ended(&status),
            };
            let (message, id) = Message::and_id(message);
            let (answer, answered) = oneshot::channel();
            let acker = Acker::new(|handled| drop(answer.send(handled)));
            let taken = tokio::select! {
                // Delivered again elsewhere.
                _ = leaving.changed() => false,
                sent = self.deliveries.send(Delivery { message, acker }) => sent.is_ok(),
            };
            if !taken {
                break;
            }
            answers.push(async move { (id, answered.await) });
        }
        let in_hand = !answers.is_empty();
        while let Some(answer) = answers.next().await {
            pass_on(answer, &acks);
        }
        if in_hand && (self.deliveries.is_closed() || link.stages().is_none()) {
            timeout(LINGER, drained(&mut messages)).await.ok();
        }
        drop(acks);
        // So that the last answer is read before the stream is reset.
        timeout(FAREWELL, drained(&mut messages)).await.ok();
        Left::AsTold
    }
}

/// Waits until deliveries are paused, or are not. A wrapper that is gone pauses nothing any more,
/// whatever it said last.
async fn until(paused: &mut watch::Receiver<bool>, wanted: bool) {
    let mut gone = paused.has_changed().is_err();
    if !gone {
        gone = paused.wait_for(|paused| *paused == wanted).await.is_err();
    }
    if gone && wanted {
        std::future::pending::<()>().await;
    }
}

/// Sends what became of a message; nothing where it was torn down.
fn pass_on(
    (id, answered): (String, Result<Result<(), String>, oneshot::error::RecvError>),
    acks: &mpsc::UnboundedSender<pb::PullMessagesRequest>,
) {
    if let Ok(handled) = answered {
        let ack_error = handled.err().map(|message| pb::AckMessageError { message });
        let ack = pb::PullMessagesRequest { topic: None, ack_message_id: id, ack_error };
        // A stream that has ended takes it, and it is lost with it.
        acks.send(ack).ok();
    }
}

fn ended(status: &Status) -> Left {
    Left::Ended(format!("{:?}: {}", status.code(), status.message()))
}

/// Reads until the plugin has ended the stream. What still comes is delivered again elsewhere.
async fn drained(messages: &mut Streaming<pb::PullMessagesResponse>) {
    while let Ok(Some(_)) = messages.message().await {}
}
