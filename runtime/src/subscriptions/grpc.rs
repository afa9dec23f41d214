//! One event over gRPC: `OnTopicEvent`.

use replug_component::RemoteError;
use replug_proto::dapr::runtime::v1::topic_event_response::TopicEventResponseStatus as Answer;
use tonic::{Code, Request};

use super::headers;
use crate::app::Callbacks;
use crate::messaging::cloud_event::ID;
use crate::messaging::topic_event::topic_event;
use crate::messaging::{Event, Outcome, RETRIABLE};

/// Delivers an event to the handler of a path, with its trace if `traces` are passed on.
pub(super) async fn deliver(
    callbacks: &Callbacks,
    event: &Event,
    path: &str,
    traces: bool,
) -> Outcome {
    let message = match topic_event(event, path) {
        Ok(message) => message,
        Err(error) => return Outcome::Failed(error),
    };
    let id = event.text(ID);
    let mut request = Request::new(message);
    *request.metadata_mut() = headers::grpc_of_event(event, traces);
    let answer = match callbacks.on_topic_event(request).await {
        Ok(answer) => answer,
        Err(status) if status.code() == Code::Unimplemented => {
            tracing::warn!(
                "non-retriable error returned from app while processing pub/sub event {id}: {}",
                status.message()
            );
            return Outcome::Handled;
        }
        Err(status) => {
            let error = RemoteError::from(status);
            return Outcome::Failed(format!(
                "error returned from app while processing pub/sub event {id}: {RETRIABLE}: {error}"
            ));
        }
    };
    match Answer::try_from(answer.status) {
        Ok(Answer::Success) => Outcome::Handled,
        Ok(Answer::Drop) => {
            tracing::warn!("DROP status returned from app while processing pub/sub event {id}");
            Outcome::Dropped
        }
        Ok(Answer::Retry) => Outcome::Failed(format!(
            "RETRY status returned from app while processing pub/sub event {id}: {RETRIABLE}"
        )),
        Err(_) => Outcome::Failed(format!(
            "unknown status returned from app while processing pub/sub event {id}, status: {}, err: \
             {RETRIABLE}",
            answer.status
        )),
    }
}
