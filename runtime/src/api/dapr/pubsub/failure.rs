//! What the pubsub calls tell their callers that went wrong, in Dapr's words.

use http::StatusCode;
use replug_component::{Error, Metadata};
use tonic::Code;
use tonic_types::{ErrorDetail, ErrorInfo, ResourceInfo};

use crate::api::dapr::error::{ApiError, DOMAIN, Details, Front, Kind, unavailable};
use crate::messaging::cloud_event::NoJson;

const NAME_EMPTY: Kind = invalid(StatusCode::NOT_FOUND, "ERR_PUBSUB_EMPTY");
const NOT_FOUND: Kind = invalid(StatusCode::NOT_FOUND, "ERR_PUBSUB_NOT_FOUND");
const TOPIC_EMPTY: Kind = invalid(StatusCode::NOT_FOUND, "ERR_TOPIC_NAME_EMPTY");
const METADATA: Kind = invalid(StatusCode::BAD_REQUEST, "ERR_PUBSUB_REQUEST_METADATA");
const CLOUD_EVENT: Kind = invalid(StatusCode::INTERNAL_SERVER_ERROR, "ERR_PUBSUB_CLOUD_EVENTS_SER");
const FORBIDDEN: Kind =
    Kind::new(StatusCode::FORBIDDEN, Code::PermissionDenied, "ERR_PUBSUB_FORBIDDEN");
/// Messages that cannot be read or encoded.
pub(in crate::api::dapr) const EVENTS: Kind =
    invalid(StatusCode::BAD_REQUEST, "ERR_PUBSUB_EVENTS_SER");
/// A message that could not be published.
pub(in crate::api::dapr) const PUBLISH: Kind =
    Kind::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, "ERR_PUBSUB_PUBLISH_MESSAGE");

const fn invalid(http: StatusCode, code: &'static str) -> Kind {
    Kind::new(http, Code::InvalidArgument, code)
}

/// What a call is about when it fails.
#[derive(Debug, Clone, Copy)]
pub(in crate::api::dapr) struct Failing<'a> {
    pub(super) pubsub: &'a str,
    pub(super) app_id: &'a str,
    pub(super) front: Front,
}

impl Failing<'_> {
    /// An error with the component, then its reason.
    fn error(self, kind: Kind, reason: &str, message: String, facts: Metadata) -> ApiError {
        let resource = ResourceInfo::new("pubsub", self.pubsub, "", message.clone());
        let details = vec![resource.into(), info(reason, facts)];
        ApiError::with(kind, message, Details::These(details))
    }

    /// The same whose facts are the request's metadata, which over HTTP are told even where there
    /// are none.
    fn of_request(
        self,
        kind: Kind,
        reason: &str,
        message: String,
        metadata: &Metadata,
    ) -> ApiError {
        self.error(kind, reason, message, metadata.clone()).with_braces(self.front)
    }

    fn of_topic(
        self,
        kind: Kind,
        reason: &str,
        message: String,
        topic: &str,
        error: String,
    ) -> ApiError {
        let facts = [("topic".to_owned(), topic.to_owned()), ("error".to_owned(), error)];
        self.error(kind, reason, message, facts.into())
    }

    /// The same whose facts are the application and an error.
    fn of_app(self, kind: Kind, reason: &str, message: String, error: Option<String>) -> ApiError {
        let mut facts = Metadata::from([("appID".to_owned(), self.app_id.to_owned())]);
        facts.extend(error.map(|error| ("error".to_owned(), error)));
        self.error(kind, reason, message, facts)
    }

    pub(super) fn name_empty(self, metadata: &Metadata) -> ApiError {
        let message = "pubsub name is empty".to_owned();
        self.of_request(NAME_EMPTY, "DAPR_PUBSUB_NAME_EMPTY", message, metadata)
    }

    pub(super) fn not_found(self, metadata: &Metadata) -> ApiError {
        let facts = match self.front {
            Front::Http => metadata.clone(),
            Front::Grpc => Metadata::new(),
        };
        let message = format!("pubsub {} is not found", self.pubsub);
        let details = vec![info("DAPR_PUBSUB_NOT_FOUND", facts)];
        ApiError::with(NOT_FOUND, message, Details::These(details)).with_braces(self.front)
    }

    pub(super) fn topic_empty(self, metadata: &Metadata) -> ApiError {
        let message = format!("topic is empty in pubsub {}", self.pubsub);
        self.of_request(TOPIC_EMPTY, "DAPR_PUBSUB_TOPIC_NAME_EMPTY", message, metadata)
    }

    pub(super) fn metadata(self, metadata: &Metadata, cause: &str) -> ApiError {
        let message = format!("failed deserializing metadata. Error: {cause}");
        self.of_request(METADATA, "DAPR_PUBSUB_METADATA_DESERIALIZATION", message, metadata)
    }

    pub(super) fn forbidden(self, topic: &str) -> ApiError {
        let message = format!("topic {topic} is not allowed for app id {}", self.app_id);
        self.of_topic(FORBIDDEN, "DAPR_PUBSUB_FORBIDDEN", message.clone(), topic, message)
    }

    pub(super) fn publish(self, topic: &str, error: &Error) -> ApiError {
        let message =
            format!("error when publishing to topic {topic} in pubsub {}: {error}", self.pubsub);
        if let Error::Unavailable(why) = error {
            return unavailable(why, PUBLISH.code, message);
        }
        self.of_topic(PUBLISH, "DAPR_PUBSUB_PUBLISH_MESSAGE", message, topic, error.to_string())
    }

    /// The body of a publish that could not be read.
    pub(in crate::api::dapr) fn unread(self, topic: &str, cause: &str) -> ApiError {
        self.publish(topic, &Error::Failed(cause.to_owned()))
    }

    pub(super) fn entry_ids(self, topic: &str) -> ApiError {
        let cause = "entryId is duplicated or not present for entry";
        let message = format!(
            "error marshaling events to bytes for topic {topic} pubsub {}. error: {cause}",
            self.pubsub
        );
        self.of_app(EVENTS, "DAPR_PUBSUB_MARSHAL_EVENTS", message, Some(cause.to_owned()))
    }
}

/// A body that says it is an event and is not.
pub(super) fn not_an_event(failing: &Failing<'_>, error: &NoJson) -> ApiError {
    let (reason, message) = ("DAPR_PUBSUB_CLOUD_EVENT_CREATION", "cannot create cloudevent");
    failing.of_app(CLOUD_EVENT, reason, message.to_owned(), Some(error.to_string()))
}

/// A bulk body that cannot be decoded.
pub(in crate::api::dapr) fn bulk_malformed(
    failing: &Failing<'_>,
    topic: &str,
    cause: &str,
) -> ApiError {
    let pubsub = failing.pubsub;
    let message =
        format!("error when unmarshaling the request for topic {topic} pubsub {pubsub}: {cause}");
    failing.of_app(EVENTS, "DAPR_PUBSUB_UNMARSHAL_EVENTS", message, None)
}

/// An entry whose event is not what its content type says.
pub(in crate::api::dapr) fn entry_malformed(
    failing: &Failing<'_>,
    topic: &str,
    cause: &str,
) -> ApiError {
    let message = format!(
        "error when marshalling cloud event envelope for topic {topic} pubsub {}: {cause}",
        failing.pubsub
    );
    failing.of_app(EVENTS, "DAPR_PUBSUB_MARSHAL_ENVELOPE", message, Some(cause.to_owned()))
}

fn info(reason: &str, facts: Metadata) -> ErrorDetail {
    ErrorInfo::new(reason, DOMAIN, facts).into()
}
