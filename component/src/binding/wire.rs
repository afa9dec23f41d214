//! Requests and events of bindings, to and from Dapr's contracts for plugins.

use bytes::Bytes;
use replug_proto::dapr::components::v1 as pb;

use super::{Event, InvokeRequest, InvokeResponse};

impl From<InvokeRequest> for pb::InvokeRequest {
    fn from(request: InvokeRequest) -> Self {
        let InvokeRequest { operation, data, metadata } = request;
        Self { data, metadata, operation }
    }
}

impl From<pb::InvokeRequest> for InvokeRequest {
    fn from(request: pb::InvokeRequest) -> Self {
        let pb::InvokeRequest { data, metadata, operation } = request;
        Self { operation, data, metadata }
    }
}

impl From<InvokeResponse> for pb::InvokeResponse {
    fn from(response: InvokeResponse) -> Self {
        let InvokeResponse { data, metadata, content_type } = response;
        Self { data, metadata, content_type }
    }
}

impl From<pb::InvokeResponse> for InvokeResponse {
    fn from(response: pb::InvokeResponse) -> Self {
        let pb::InvokeResponse { data, metadata, content_type } = response;
        Self { data, metadata, content_type }
    }
}

impl Event {
    /// The event as a plugin sends it, under an id that its answer will carry.
    #[must_use]
    pub fn with_id(self, message_id: String) -> pb::ReadResponse {
        let Self { data, metadata, content_type } = self;
        pb::ReadResponse { data, metadata, content_type, message_id }
    }

    /// An event of a plugin, and the id that its answer has to carry.
    #[must_use]
    pub fn and_id(read: pb::ReadResponse) -> (Self, String) {
        let pb::ReadResponse { data, metadata, content_type, message_id } = read;
        (Self { data, metadata, content_type }, message_id)
    }
}

/// An answer as a plugin gets it.
#[must_use]
pub fn answer_with_id(answer: Result<Bytes, String>, message_id: String) -> pb::ReadRequest {
    let (response_data, response_error) = match answer {
        Ok(data) => (data, None),
        Err(message) => (Bytes::new(), Some(pb::AckResponseError { message })),
    };
    pb::ReadRequest { response_data, message_id, response_error }
}

/// An answer of the runtime, and the id of what it is to.
pub fn answer_and_id(answer: pb::ReadRequest) -> (Result<Bytes, String>, String) {
    let pb::ReadRequest { response_data, message_id, response_error } = answer;
    (response_error.map_or(Ok(response_data), |error| Err(error.message)), message_id)
}
