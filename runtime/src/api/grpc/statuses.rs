//! Statuses that the gRPC library gives in words of its own, in Dapr's.

use http::Response;
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// What a generated stub says of a call that nobody wrote.
const STUB: &str = "Not yet implemented";

/// What a decoder says of a message that is over the limit begins with this.
const TOO_LARGE: &str = "Error, decoded message length too large";

/// `answer` with its status in Dapr's words.
pub(super) fn told(answer: Response<Body>) -> Response<Body> {
    let Some(status) = answer.extensions().get::<Status>() else { return answer };
    match status.code() {
        Code::Unimplemented if status.message() == STUB && status.details().is_empty() => {
            Status::unimplemented("this API is currently not implemented").into_http()
        }
        Code::OutOfRange if status.message().starts_with(TOO_LARGE) => {
            too_large(&sizes(status.message())).into_http()
        }
        _ => answer,
    }
}

/// A message that is over the limit; `sizes` as Go's gRPC names them.
pub(super) fn too_large(sizes: &str) -> Status {
    Status::resource_exhausted(format!("grpc: received message larger than max{sizes}"))
}

/// The two sizes that the decoder named, as Go's gRPC names them.
fn sizes(message: &str) -> String {
    let mut numbers = message.split(' ').filter(|word| word.parse::<u64>().is_ok());
    match (numbers.next(), numbers.next()) {
        (Some(found), Some(limit)) => format!(" ({found} vs. {limit})"),
        _ => String::new(),
    }
}

/// A method that the configuration does not let anybody call.
pub(super) fn closed() -> Status {
    let facts =
        [("http.code", "501"), ("http.error_message", "requested endpoint is not available")];
    let facts = facts.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let details = ErrorDetails::with_error_info("Not Implemented", "dapr.io", facts);
    Status::with_error_details(Code::Unimplemented, "Not Implemented", details)
}

/// A caller that showed the wrong token, or none.
pub(super) fn unauthorized(shown: bool) -> Status {
    let why = if shown {
        "authentication error: api token mismatch"
    } else {
        "missing api token in request metadata"
    };
    let facts = [("http.code", "401"), ("http.error_message", why)];
    let facts = facts.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let details = ErrorDetails::with_error_info("Unauthorized", "dapr.io", facts);
    Status::with_error_details(Code::Unauthenticated, "Unauthorized", details)
}
