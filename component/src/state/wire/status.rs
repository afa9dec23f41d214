//! Errors as the statuses that plugins answer with.

use tonic::{Code, Status};
use tonic_types::{ErrorDetail, ErrorDetails, StatusExt as _};

use crate::{Error, KitError, RemoteError};

/// The field of a `BadRequest` violation that makes a status an etag error.
const ETAG_FIELD: &str = "etag";

/// The metadata of an `ErrorInfo` that tell of a bulk delete which met too few rows.
const EXPECTED: &str = "expected";
const AFFECTED: &str = "affected";

/// What a state plugin's status means. Dapr's rules: an etag error is `FAILED_PRECONDITION` (mismatch)
/// or `INVALID_ARGUMENT` (invalid) with one `BadRequest` of one violation on the field `etag`; an
/// `ErrorInfo` with `kit_error` carries its own statuses; any other status is passed on as text.
#[must_use]
pub fn error_from_status(status: Status) -> Error {
    let mut details = status.get_error_details_vec();
    let only = if details.len() == 1 { details.pop() } else { None };
    match (status.code(), only) {
        (
            code @ (Code::FailedPrecondition | Code::InvalidArgument),
            Some(ErrorDetail::BadRequest(bad)),
        ) if bad.field_violations.len() == 1 && bad.field_violations[0].field == ETAG_FIELD => {
            let cause = bad.field_violations.into_iter().next().map(|v| v.description);
            let cause = cause.unwrap_or_default();
            if code == Code::FailedPrecondition {
                Error::EtagMismatch(cause)
            } else {
                Error::EtagInvalid(cause)
            }
        }
        (code, Some(ErrorDetail::ErrorInfo(info))) => {
            let number = |name: &str| info.metadata.get(name).and_then(|text| text.parse().ok());
            if info.metadata.get(KitError::MARKER).is_some_and(|marker| marker == "true")
                && let Some(http_status) = number(KitError::HTTP_STATUS)
            {
                return KitError {
                    code,
                    http_status: u16::try_from(http_status).unwrap_or(500),
                    tag: info.metadata.get(KitError::TAG).cloned().unwrap_or_default(),
                    reason: info.reason,
                    domain: info.domain,
                    metadata: info.metadata,
                    message: status.message().to_owned(),
                    details: status.details().to_vec().into(),
                }
                .into();
            }
            if code == Code::Internal
                && let (Some(expected), Some(affected)) = (number(EXPECTED), number(AFFECTED))
            {
                return Error::BulkDeleteRowMismatch { expected, affected };
            }
            RemoteError::from(status).into()
        }
        _ => RemoteError::from(status).into(),
    }
}

/// The status that says `error` to a runtime: the counterpart of [`error_from_status`].
#[must_use]
pub fn error_to_status(error: Error) -> Status {
    let etag = |code, cause: String| {
        let details = ErrorDetails::with_bad_request_violation(ETAG_FIELD, cause.clone());
        Status::with_error_details(code, cause, details)
    };
    match error {
        Error::EtagMismatch(cause) => etag(Code::FailedPrecondition, cause),
        Error::EtagInvalid(cause) => etag(Code::InvalidArgument, cause),
        Error::BulkDeleteRowMismatch { expected, affected } => Status::with_error_details(
            Code::Internal,
            error.to_string(),
            ErrorDetails::with_error_info(
                "",
                "",
                [(EXPECTED, expected), (AFFECTED, affected)]
                    .map(|(name, rows)| (name.to_owned(), rows.to_string())),
            ),
        ),
        // The contract has no list of errors: one etag error speaks for all, invalid before mismatch.
        Error::Bulk(mut errors) => {
            let invalid = errors.iter().position(|error| matches!(error, Error::EtagInvalid(_)));
            let mismatch = errors.iter().position(|error| matches!(error, Error::EtagMismatch(_)));
            match invalid.or(mismatch) {
                Some(index) => error_to_status(errors.swap_remove(index)),
                None => Status::internal(Error::Bulk(errors).to_string()),
            }
        }
        Error::Unsupported(what) => Status::unimplemented(what),
        Error::Invalid(what) => Status::invalid_argument(what),
        Error::Unavailable(why) => Status::unavailable(why.to_string()),
        Error::Remote(remote) => Status::with_details(remote.code, remote.message, remote.details),
        Error::Kit(kit) => Status::with_details(kit.code, kit.message, kit.details),
        Error::Answered(answer) => Status::internal(answer.message),
        Error::Failed(what) => Status::internal(what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etag_errors_survive_the_wire() {
        let there_and_back = |error| error_from_status(error_to_status(error));
        assert!(matches!(
            there_and_back(Error::EtagMismatch("stale".into())),
            Error::EtagMismatch(cause) if cause == "stale"
        ));
        assert!(matches!(
            there_and_back(Error::EtagInvalid("not a number".into())),
            Error::EtagInvalid(cause) if cause == "not a number"
        ));
        assert!(matches!(
            there_and_back(Error::BulkDeleteRowMismatch { expected: 3, affected: 1 }),
            Error::BulkDeleteRowMismatch { expected: 3, affected: 1 }
        ));
    }

    #[test]
    fn an_error_with_statuses_of_its_own_is_passed_on_as_it_came() {
        let metadata = [
            (KitError::MARKER, "true"),
            (KitError::HTTP_STATUS, "404"),
            (KitError::TAG, "ERR_STATE_GET"),
            ("own", "1"),
        ];
        let details = |metadata: &[(&str, &str)]| {
            let metadata = metadata.iter().map(|(name, value)| ((*name).into(), (*value).into()));
            let metadata = metadata.collect::<crate::Metadata>();
            ErrorDetails::with_error_info("NOT_THERE", "here", metadata)
        };
        let status = Status::with_error_details(Code::NotFound, "no", details(&metadata));
        let bytes = status.details().to_vec();
        let Error::Kit(kit) = error_from_status(status) else { panic!("it says what it is") };
        assert_eq!((kit.code, kit.http_status), (Code::NotFound, 404));
        assert_eq!((kit.tag.as_str(), kit.reason.as_str()), ("ERR_STATE_GET", "NOT_THERE"));
        assert_eq!(error_to_status(Error::Kit(kit)).details(), bytes);

        for without in 0..2 {
            let mut metadata = metadata.to_vec();
            metadata.remove(without);
            let status = Status::with_error_details(Code::NotFound, "no", details(&metadata));
            assert!(matches!(error_from_status(status), Error::Remote(_)), "{metadata:?}");
        }
    }

    #[test]
    fn a_plain_status_reads_as_go_prints_it() {
        let error = error_from_status(Status::not_found("no such thing"));
        assert_eq!(error.to_string(), "rpc error: code = NotFound desc = no such thing");
    }
}
