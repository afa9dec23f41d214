//! How it is told that a component's plugin is away: no error of Dapr's, which has no such case.

use http::StatusCode;
use replug_component::Unavailable;
use tonic::Code;
use tonic_types::{ErrorDetail, ErrorInfo, RetryInfo};

use super::{ApiError, Details, Kind};

/// `ErrorInfo.reason` of a component that cannot be reached.
const REASON: &str = "REPLUG_COMPONENT_UNAVAILABLE";

/// The domain of replug's own error details.
const DOMAIN: &str = "replug";

/// The component's plugin is away. `code` and `message` are those of the call that failed.
pub(in crate::api::dapr) fn unavailable(
    why: &Unavailable,
    code: &'static str,
    message: String,
) -> ApiError {
    let kind = Kind::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, code);
    let facts = [
        ("component", why.component.clone()),
        ("reason", why.reason.clone()),
        ("outcome_unknown", why.outcome_unknown.to_string()),
    ];
    let facts = facts.map(|(name, value)| (name.to_owned(), value));
    let details: Vec<ErrorDetail> = vec![
        RetryInfo::new(Some(why.retry_after)).into(),
        ErrorInfo::new(REASON, DOMAIN, facts).into(),
    ];
    let mut error = ApiError::with(kind, message, Details::These(details));
    error.retry_after = Some(why.retry_after);
    error
}
