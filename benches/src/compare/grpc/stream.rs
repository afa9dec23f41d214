//! Streams of topics, `SubscribeTopicEventsAlpha1`, led through scripts.

use std::time::Duration;

use bytes::Bytes;
use h2::SendStream;
use prost::Message as _;
use replug_proto::dapr::runtime::v1 as pb;
use replug_proto::dapr::runtime::v1::subscribe_topic_events_request_alpha1::SubscribeTopicEventsRequestType as Asked;
use replug_proto::dapr::runtime::v1::subscribe_topic_events_response_alpha1::SubscribeTopicEventsResponseType as Told;
use tokio::time::timeout;

use super::call::{DAPR, framed};
use super::wire::{Connection, Incoming};
use super::{shown, wire};
use crate::Failure;
use crate::compare::comparison::Said;
use crate::compare::sidecar::Sidecar;

/// How long what is expected may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// For how long nothing may come where nothing is expected.
const QUIET: Duration = Duration::from_millis(400);

/// What is done over one stream.
pub(super) struct Script {
    pub(super) name: &'static str,
    pub(super) steps: Vec<Step>,
}

/// One thing that is done, or waited for.
pub(super) enum Step {
    /// A subscription to this topic is asked for.
    Initial(pb::SubscribeTopicEventsRequestInitialAlpha1),
    /// A request that is neither.
    Neither,
    /// Something is published beside the stream.
    Publish(pb::PublishEventRequest),
    /// A message comes.
    Comes,
    /// The event that came last is answered.
    Answer(Option<i32>),
    /// An event of this id is answered.
    AnswerTo(&'static str),
    /// Nothing comes.
    Nothing,
    /// The stream is closed from this side.
    Close,
    /// The stream ends from the other.
    Ends,
}

/// The stream while its script is played.
struct Playing {
    said: Said,
    stream: SendStream<Bytes>,
    incoming: Result<Incoming, Opening>,
    last: String,
}

/// The answer's head that has not come.
struct Opening(Option<h2::client::ResponseFuture>);

/// Plays it at that sidecar, and says what came.
pub(super) async fn play(sidecar: &Sidecar, script: &Script) -> Said {
    match steps(sidecar, script).await {
        Ok(said) => said,
        Err(error) => vec![("stream".to_owned(), format!("none: {error}"))],
    }
}

async fn steps(sidecar: &Sidecar, script: &Script) -> Result<Said, Failure> {
    let mut connection = Connection::open(sidecar.grpc).await?;
    let (answer, stream) = connection.begin(&format!("{DAPR}SubscribeTopicEventsAlpha1"), &[])?;
    let incoming = Err(Opening(Some(answer)));
    let mut playing = Playing { said: Vec::new(), stream, incoming, last: String::new() };
    for (at, step) in script.steps.iter().enumerate() {
        let named = |what: &str| format!("{} {what}", at + 1);
        match step {
            Step::Initial(initial) => {
                playing.send(Some(Asked::InitialRequest(initial.clone())));
            }
            Step::Neither => playing.send(None),
            Step::Publish(event) => {
                publish(sidecar, event).await?;
            }
            Step::Answer(status) => {
                let id = playing.last.clone();
                playing.answer(id, *status);
            }
            Step::AnswerTo(id) => playing.answer((*id).to_owned(), Some(0)),
            Step::Close => {
                let _ = playing.stream.send_data(Bytes::new(), true);
            }
            Step::Comes => {
                let came = match timeout(PATIENCE, playing.comes()).await {
                    Ok(came) => came?,
                    Err(_) => "nothing".to_owned(),
                };
                playing.said.push((named("message"), sidecar.mask.hide(&came)));
            }
            Step::Nothing => {
                let came = match timeout(QUIET, playing.comes()).await {
                    Ok(came) => came?,
                    Err(_) => "nothing".to_owned(),
                };
                playing.said.push((named("message"), sidecar.mask.hide(&came)));
            }
            Step::Ends => {
                let came = match timeout(PATIENCE, playing.comes()).await {
                    Ok(came) => came?,
                    Err(_) => "no end".to_owned(),
                };
                playing.said.push((named("end"), sidecar.mask.hide(&came)));
            }
        }
    }
    Ok(playing.said)
}

/// Publishes beside the stream.
async fn publish(sidecar: &Sidecar, event: &pb::PublishEventRequest) -> Result<(), Failure> {
    let mut connection = Connection::open(sidecar.grpc).await?;
    let (answer, mut stream) = connection.begin(&format!("{DAPR}PublishEvent"), &[])?;
    stream.send_data(framed(&event.encode_to_vec()).into(), true)?;
    let mut incoming = Incoming::new(answer.await?.into_body());
    while incoming.next().await?.is_some() {}
    Ok(())
}

impl Playing {
    fn send(&mut self, asked: Option<Asked>) {
        let request =
            pb::SubscribeTopicEventsRequestAlpha1 { subscribe_topic_events_request_type: asked };
        // The peer may have ended it already, which is seen by what comes.
        let _ = self.stream.send_data(framed(&request.encode_to_vec()).into(), false);
    }

    fn answer(&mut self, id: String, status: Option<i32>) {
        let status = status.map(|status| pb::TopicEventResponse { status });
        let answer = pb::SubscribeTopicEventsRequestProcessedAlpha1 { id, status };
        self.send(Some(Asked::EventProcessed(answer)));
    }

    /// The next message, or the end, as text.
    async fn comes(&mut self) -> Result<String, Failure> {
        if let Err(opening) = &mut self.incoming {
            let Some(answer) = &mut opening.0 else { return Ok("ended".to_owned()) };
            let answer = match answer.await {
                Ok(answer) => answer,
                Err(error) => {
                    opening.0 = None;
                    return Ok(format!("broken: {error}"));
                }
            };
            let (head, body) = answer.into_parts();
            let mut parts = Vec::new();
            let mut part = |name: String, value: String| parts.push(format!("{name}: {value}"));
            let mut own = head.headers.clone();
            own.remove("grpc-trace-bin");
            shown::fields("head", &own, &mut part);
            self.said.push(("head".to_owned(), parts.join("\n")));
            if head.headers.contains_key("grpc-status") {
                let mut parts = Vec::new();
                let mut part = |name: String, value: String| parts.push(format!("{name}: {value}"));
                shown::status(&head.headers, &mut part);
                self.incoming = Err(Opening(None));
                return Ok(format!("end {}", parts.join("\n")));
            }
            self.incoming = Ok(wire::Incoming::new(body));
        }
        let Ok(incoming) = &mut self.incoming else { return Ok("ended".to_owned()) };
        match incoming.next().await {
            Ok(Some((_, message))) => {
                let told = pb::SubscribeTopicEventsResponseAlpha1::decode(message.clone())?;
                if let Some(Told::EventMessage(event)) = told.subscribe_topic_events_response_type {
                    self.last = event.id;
                }
                Ok(shown::decoded::<pb::SubscribeTopicEventsResponseAlpha1>(message))
            }
            Ok(None) => {
                let mut parts = Vec::new();
                let mut part = |name: String, value: String| parts.push(format!("{name}: {value}"));
                if let Some(trailers) = incoming.body.trailers().await? {
                    shown::status(&trailers, &mut part);
                    shown::fields("trailer", &trailers, &mut part);
                }
                Ok(format!("end {}", parts.join("\n")))
            }
            Err(error) => Ok(format!("broken: {error}")),
        }
    }
}
