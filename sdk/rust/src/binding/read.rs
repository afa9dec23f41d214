//! One stream of events and their answers, as the runtime reads it.

use std::collections::HashMap;

use futures_util::stream::{self, Stream};
use replug_component::binding::wire::answer_and_id;
use replug_component::binding::{Answerer, Arrival, Event, Events};
use replug_proto::dapr::components::v1 as pb;
use tokio::sync::watch;
use tonic::{Status, Streaming};

/// Events, and the answers to those that were delivered. Dropped with its stream, it reads no more,
/// and what is not answered then is left unanswered.
pub(super) struct Reading {
    /// None once nothing more is to be delivered.
    events: Option<Events>,
    answers: Streaming<pb::ReadRequest>,
    /// By the ids that were given to their events.
    unanswered: HashMap<u64, Answerer>,
    next_id: u64,
    stopping: watch::Receiver<bool>,
}

impl Reading {
    pub(super) fn new(
        events: Events,
        answers: Streaming<pb::ReadRequest>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let events = Some(events);
        Self { events, answers, unanswered: HashMap::new(), next_id: 1, stopping }
    }

    /// The events. They end when the runtime has no more answers to give; or when the component has
    /// ended the reading or the plugin stops, and everything is answered.
    pub(super) fn messages(self) -> impl Stream<Item = Result<pb::ReadResponse, Status>> + Send {
        stream::unfold(self, |mut reading| async move {
            reading.next().await.map(|event| (Ok(event), reading))
        })
    }

    async fn next(&mut self) -> Option<pb::ReadResponse> {
        while self.events.is_some() || !self.unanswered.is_empty() {
            let Self { events, answers, stopping, .. } = self;
            let arriving = async {
                match events {
                    None => std::future::pending().await,
                    Some(events) => tokio::select! {
                        // The plugin outlives its streams, so an error cannot be.
                        _ = stopping.wait_for(|stopping| *stopping) => None,
                        arrival = events.next() => arrival,
                    },
                }
            };
            tokio::select! {
                // The runtime's side has ended, in order or not: nobody reads any more.
                answer = answers.message() => self.answered(answer.ok().flatten()?),
                arrival = arriving => match arrival {
                    None => self.events = None,
                    Some(Arrival { event, answerer }) => {
                        return Some(self.handed_out(event, answerer));
                    }
                },
            }
        }
        None
    }

    fn handed_out(&mut self, event: Event, answerer: Answerer) -> pb::ReadResponse {
        let id = self.next_id;
        self.next_id += 1;
        self.unanswered.insert(id, answerer);
        event.with_id(id.to_string())
    }

    /// An answer to nothing that is unanswered is of no matter.
    fn answered(&mut self, answer: pb::ReadRequest) {
        let (answer, id) = answer_and_id(answer);
        let id = id.parse().ok();
        if let Some(answerer) = id.and_then(|id: u64| self.unanswered.remove(&id)) {
            answerer.answer(answer);
        }
    }
}
