//! What the answer to a unary call says: a message, or why there is none.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};
use tonic::{Code, Status};

use super::connection::Answer;
use crate::http2::message::{Malformed, Only};

/// The header of an answer's status.
static STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// The message, or the status that the plugin gave. A message counts only with a good status after
/// it: what has none is not acknowledged.
pub(super) fn message(answer: Answer<Only>) -> Result<Bytes, Status> {
    let Answer { head, body, trailers } = answer;
    // Without a message the status may stand in the head.
    let told = trailers.as_ref().and_then(status).or_else(|| status(head.headers()));
    match told {
        Some(Ok(())) => {}
        Some(Err(status)) => return Err(status),
        None => return Err(without_status(head.status())),
    }
    body.message().map_err(|malformed| {
        Status::internal(match malformed {
            Malformed::Missing => "Missing response message.",
            Malformed::Cut => "the answer ends within its message",
            Malformed::Several => "the answer has more than one message",
            Malformed::Compressed => "the answer is compressed, which was not asked for",
            Malformed::TooLong(_) => "the answer is too long",
        })
    })
}

/// The status that headers tell, if they tell any.
fn status(headers: &HeaderMap) -> Option<Result<(), Status>> {
    if headers.get(&STATUS)? == "0" {
        return Some(Ok(()));
    }
    let status = Status::from_header_map(headers)?;
    Some(if status.code() == Code::Ok { Ok(()) } else { Err(status) })
}

/// What gRPC makes of an answer by something that does not speak it.
fn without_status(http: StatusCode) -> Status {
    let code = match http {
        StatusCode::BAD_REQUEST => Code::Internal,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND => Code::Unimplemented,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Code::Unavailable,
        _ => Code::Unknown,
    };
    Status::new(code, format!("the answer has no gRPC status; its HTTP status is {http}"))
}
