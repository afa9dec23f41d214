//! One stream of messages and their answers: a subscription, as the runtime reads it.

use std::collections::HashMap;

use futures_util::stream::{self, Stream};
use replug_component::pubsub::{Acker, Delivery, Message, Subscription};
use replug_proto::dapr::components::v1 as pb;
use tokio::sync::watch;
use tonic::{Status, Streaming};

/// A subscription, and the answers to what it has delivered. Dropped with its stream, it
/// unsubscribes, and what is not answered then is left unanswered.
pub(super) struct Pull {
    /// None once nothing more is to be delivered.
    subscription: Option<Subscription>,
    acks: Streaming<pb::PullMessagesRequest>,
    /// By the ids that were given to their messages.
    unanswered: HashMap<u64, Acker>,
    next_id: u64,
    stopping: watch::Receiver<bool>,
}

impl Pull {
    pub(super) fn new(
        subscription: Subscription,
        acks: Streaming<pb::PullMessagesRequest>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let subscription = Some(subscription);
        Self { subscription, acks, unanswered: HashMap::new(), next_id: 1, stopping }
    }

    /// The messages. They end when the runtime has no more answers to give; or when the component
    /// has ended the subscription or the plugin stops, and everything is answered.
    pub(super) fn messages(
        self,
    ) -> impl Stream<Item = Result<pb::PullMessagesResponse, Status>> + Send {
        stream::unfold(self, |mut pull| async move {
            pull.next().await.map(|message| (Ok(message), pull))
        })
    }

    async fn next(&mut self) -> Option<pb::PullMessagesResponse> {
        while self.subscription.is_some() || !self.unanswered.is_empty() {
            let Self { subscription, acks, stopping, .. } = self;
            let delivered = async {
                match subscription {
                    None => std::future::pending().await,
                    Some(subscription) => tokio::select! {
                        // The plugin outlives its streams, so an error cannot be.
                        _ = stopping.wait_for(|stopping| *stopping) => None,
                        delivery = subscription.next() => delivery,
                    },
                }
            };
            tokio::select! {
                // The runtime's side has ended, in order or not: nobody reads any more.
                ack = acks.message() => self.answered(ack.ok().flatten()?),
                delivery = delivered => match delivery {
                    None => self.subscription = None,
                    Some(Delivery { message, acker }) => return Some(self.handed_out(message, acker)),
                },
            }
        }
        None
    }

    fn handed_out(&mut self, message: Message, acker: Acker) -> pb::PullMessagesResponse {
        let id = self.next_id;
        self.next_id += 1;
        self.unanswered.insert(id, acker);
        message.with_id(id.to_string())
    }

    /// An answer to nothing that is unanswered is of no matter.
    fn answered(&mut self, ack: pb::PullMessagesRequest) {
        let id = ack.ack_message_id.parse().ok();
        if let Some(acker) = id.and_then(|id: u64| self.unanswered.remove(&id)) {
            acker.answer(ack.ack_error.map_or(Ok(()), |error| Err(error.message)));
        }
    }
}
