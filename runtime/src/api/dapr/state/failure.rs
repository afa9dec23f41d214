//! Errors of the building block state, in Dapr's statuses, codes and words.

use std::borrow::Cow;

use http::StatusCode;
use replug_component::state::error_to_status;
use replug_component::{Error, KitError, Unavailable};
use tonic::{Code, Status};
use tonic_types::{BadRequest, ErrorDetail, FieldViolation, Help, ResourceInfo};

use crate::api::dapr::error::{ApiError, Details, Front, Kind, MALFORMED, error_info, unavailable};
use crate::key_prefix::IllegalKey;
use crate::registry::Missing;

const NOT_FOUND: Kind =
    Kind::new(StatusCode::BAD_REQUEST, Code::InvalidArgument, "ERR_STATE_STORE_NOT_FOUND");
const NOT_CONFIGURED: Kind = Kind::new(
    StatusCode::INTERNAL_SERVER_ERROR,
    Code::FailedPrecondition,
    "ERR_STATE_STORE_NOT_CONFIGURED",
);
const TRANSACTIONS_NOT_SUPPORTED: Kind = Kind::new(
    StatusCode::INTERNAL_SERVER_ERROR,
    Code::Unimplemented,
    "ERR_STATE_STORE_NOT_SUPPORTED",
);
const QUERY_NOT_SUPPORTED: Kind = internal("ERR_STATE_STORE_NOT_SUPPORTED");
const TOO_MANY_OPERATIONS: Kind = Kind::new(
    StatusCode::BAD_REQUEST,
    Code::InvalidArgument,
    "ERR_STATE_STORE_TOO_MANY_TRANSACTIONS",
);
const OPERATION_NOT_SUPPORTED: Kind =
    Kind::new(StatusCode::BAD_REQUEST, Code::Unimplemented, "ERR_NOT_SUPPORTED_STATE_OPERATION");
const SAVE: &str = "ERR_STATE_SAVE";

const fn internal(code: &'static str) -> Kind {
    Kind::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, code)
}

/// A look-up that found no store.
pub(super) fn missing(why: Missing, store: &str, app_id: &str, front: Front) -> ApiError {
    let (kind, reason, what) = match why {
        Missing::NotFound => (NOT_FOUND, "DAPR_STATE_NOT_FOUND", "found"),
        Missing::NoneDeclared => (NOT_CONFIGURED, "DAPR_STATE_NOT_CONFIGURED", "configured"),
    };
    let info = match front {
        Front::Http if !app_id.is_empty() => error_info(reason, [("appID", app_id.to_owned())]),
        Front::Http | Front::Grpc => error_info(reason, []),
    };
    let message = format!("state store {store} is not {what}");
    ApiError::with(kind, message, Details::These(vec![info]))
}

/// A key with the separator in it. `field` names the key; empty: nothing does.
pub(super) fn illegal_key(
    illegal: &IllegalKey,
    field: &str,
    store: &str,
    front: Front,
) -> ApiError {
    let message = match front {
        Front::Grpc => illegal.to_string(),
        Front::Http => format!("api error: code = InvalidArgument desc = {illegal}"),
    };
    let violation = FieldViolation::new(field, message.clone());
    let details = vec![
        BadRequest::new([violation]).into(),
        resource(store),
        error_info("DAPR_STATE_ILLEGAL_KEY", []),
    ];
    ApiError::with(MALFORMED, message, Details::These(details))
}

/// An item of a save has no key.
pub(in crate::api::dapr) fn key_required(front: Front) -> ApiError {
    match front {
        Front::Grpc => {
            let kind = Kind::new(StatusCode::BAD_REQUEST, Code::InvalidArgument, SAVE);
            ApiError::with(kind, "state key cannot be empty", Details::CodeOverGrpc)
        }
        Front::Http => ApiError::plain(MALFORMED, "\"key\" is a required field"),
    }
}

/// A transaction holds something that is neither an upsert nor a delete.
pub(in crate::api::dapr) fn operation_not_supported(operation: &str) -> ApiError {
    let message = format!("operation type {operation} not supported");
    ApiError::with(OPERATION_NOT_SUPPORTED, message, Details::CodeOverGrpc)
}

pub(super) fn transactions_not_supported(store: &str) -> ApiError {
    let help = Help::with_link(
        "Check the list of state stores and the features they support",
        "https://docs.dapr.io/reference/components-reference/supported-state-stores/",
    );
    let details =
        vec![help.into(), resource(store), error_info("DAPR_STATE_TRANSACTIONS_NOT_SUPPORTED", [])];
    let message = format!("state store {store} doesn't support transactions");
    ApiError::with(TRANSACTIONS_NOT_SUPPORTED, message, Details::These(details))
}

pub(super) fn too_many_operations(store: &str, count: usize, most: usize) -> ApiError {
    let counts =
        [("currentOpsTransaction", count.to_string()), ("maxOpsPerTransaction", most.to_string())];
    let details = vec![resource(store), error_info("DAPR_STATE_TOO_MANY_TRANSACTIONS", counts)];
    let message = format!(
        "the transaction contains {count} operations, which is more than what the state store \
         supports: {most}"
    );
    ApiError::with(TOO_MANY_OPERATIONS, message, Details::These(details))
}

pub(super) fn query_not_supported(store: &str) -> ApiError {
    let details = vec![resource(store), error_info("DAPR_STATE_QUERYING_NOT_SUPPORTED", [])];
    let message = "state store does not support querying";
    ApiError::with(QUERY_NOT_SUPPORTED, message, Details::These(details))
}

fn resource(store: &str) -> ErrorDetail {
    ResourceInfo::new("state", store, "", "").into()
}

/// What a store was asked when it failed. Keys are the application's.
#[derive(Debug, Clone, Copy)]
pub(super) enum Doing<'a> {
    Get { key: &'a str },
    BulkGet,
    Save,
    Delete { key: &'a str },
    BulkDelete,
    Transaction,
    Query,
}

impl Doing<'_> {
    fn code(self) -> &'static str {
        match self {
            Self::Get { .. } => "ERR_STATE_GET",
            Self::BulkGet => "ERR_STATE_BULK_GET",
            Self::Save => SAVE,
            Self::Delete { .. } => "ERR_STATE_DELETE",
            Self::BulkDelete => "ERR_STATE_BULK_DELETE",
            Self::Transaction => "ERR_STATE_TRANSACTION",
            Self::Query => "ERR_STATE_QUERY",
        }
    }

    fn message(self, store: &str, cause: &Error) -> String {
        match self {
            Self::Get { key } => format!("fail to get {key} from state store {store}: {cause}"),
            Self::BulkGet => cause.to_string(),
            Self::Save => format!("failed saving state in state store {store}: {cause}"),
            Self::Delete { key } => format!("failed deleting state with key {key}: {cause}"),
            Self::BulkDelete => format!("failed deleting state in state store {store}: {cause}"),
            Self::Transaction => format!("error while executing state transaction: {cause}"),
            Self::Query => format!("state store {store} query failed: {cause}"),
        }
    }

    /// What is told of the store's `error`.
    pub(super) fn failed(self, store: &str, error: &Error) -> ApiError {
        let code = self.code();
        let mut message = self.message(store, error);
        if let (Meaning::EtagMismatch, Error::Bulk(_), Self::Save | Self::BulkDelete) =
            (Meaning::of(error), error, self)
        {
            // Dapr says it once more of a call of several items.
            message = self.message(store, &Error::EtagMismatch(error.to_string()));
        }
        let status = match (Meaning::of(error), self) {
            (Meaning::Unavailable(why), _) => return unavailable(why, code, message),
            (Meaning::Kit(kit), Self::Query) => {
                return ApiError::passed_on(kit, query_code(kit), kit.message.clone())
                    .with_details_of(kit);
            }
            (Meaning::Kit(kit), doing) if !matches!(doing, Self::Transaction) => {
                return ApiError::passed_on(kit, code, message);
            }
            (Meaning::EtagInvalid, Self::Save | Self::Delete { .. } | Self::BulkDelete) => {
                Kind::new(StatusCode::BAD_REQUEST, Code::InvalidArgument, code)
            }
            (Meaning::EtagMismatch, Self::Save | Self::Delete { .. } | Self::BulkDelete) => {
                Kind::new(StatusCode::CONFLICT, Code::Aborted, code)
            }
            _ => internal(code),
        };
        match self {
            Self::BulkGet => ApiError::plain(status, message).over_grpc(unwrapped(error)),
            Self::Query => {
                let details = vec![resource(store), error_info("DAPR_STATE_QUERY_FAILED", [])];
                ApiError::with(status, message, Details::These(details))
            }
            _ => ApiError::with(status, message, Details::CodeOverGrpc),
        }
    }
}

fn query_code(kit: &KitError) -> Cow<'static, str> {
    let code = if kit.tag.is_empty() { &kit.reason } else { &kit.tag };
    Cow::Owned(code.clone())
}

/// A store's error as it is: the plugin's own status, or unknown with its text.
fn unwrapped(error: &Error) -> Status {
    match error {
        Error::Remote(_) => error_to_status(error.clone()),
        other => Status::unknown(other.to_string()),
    }
}

/// What decides the status of a store's error.
enum Meaning<'a> {
    EtagInvalid,
    EtagMismatch,
    Unavailable(&'a Unavailable),
    Kit(&'a KitError),
    Other,
}

impl<'a> Meaning<'a> {
    fn of(error: &'a Error) -> Self {
        match error {
            Error::EtagInvalid(_) => Self::EtagInvalid,
            Error::EtagMismatch(_) => Self::EtagMismatch,
            Error::Unavailable(why) => Self::Unavailable(why),
            Error::Kit(kit) => Self::Kit(kit),
            Error::Bulk(errors) => Self::of_all(errors),
            _ => Self::Other,
        }
    }

    /// Etag errors speak for a bulk call, whatever else failed: an invalid one first where there is
    /// nothing else, else whichever comes first. Then a lost outcome, which a caller must not miss.
    fn of_all(errors: &'a [Error]) -> Self {
        let meanings = || errors.iter().map(Self::of);
        let etag = |meaning: &Self| matches!(meaning, Self::EtagInvalid | Self::EtagMismatch);
        if meanings().all(|meaning| etag(&meaning))
            && let Some(invalid) = meanings().find(|meaning| matches!(meaning, Self::EtagInvalid))
        {
            return invalid;
        }
        if let Some(first) = meanings().find(etag) {
            return first;
        }
        let mut away: Option<&Unavailable> = None;
        let mut kit = None;
        for meaning in meanings() {
            match meaning {
                Self::Unavailable(why) if away.is_none() || why.outcome_unknown => away = Some(why),
                Self::Kit(found) if kit.is_none() => kit = Some(found),
                _ => {}
            }
        }
        match (away, kit) {
            (Some(why), _) => Self::Unavailable(why),
            (None, Some(kit)) => Self::Kit(kit),
            (None, None) => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(error: &Error) -> (u16, Code, String) {
        let error = Doing::Save.failed("s", error);
        let http = error.http_status().as_u16();
        let status = Status::from(error);
        (http, status.code(), status.message().to_owned())
    }

    #[test]
    fn etag_errors_decide_the_status_of_a_bulk_save() {
        let invalid = || Error::EtagInvalid("x".into());
        let stale = || Error::EtagMismatch("old".into());
        let failed = || Error::Failed("disk full".into());
        assert_eq!(told(&Error::Bulk(vec![stale(), invalid()])).0, 400);
        assert_eq!(told(&Error::Bulk(vec![failed(), stale(), invalid()])).0, 409);
        let (http, code, message) = told(&Error::Bulk(vec![failed(), failed()]));
        assert_eq!((http, code), (500, Code::Internal));
        assert_eq!(message, "failed saving state in state store s: disk full\ndisk full");
    }

    #[test]
    fn the_words_of_an_etag_mismatch_are_daprs() {
        let (http, code, message) = told(&Error::EtagMismatch("stale".into()));
        assert_eq!((http, code), (409, Code::Aborted));
        assert_eq!(
            message,
            "failed saving state in state store s: possible etag mismatch. error from state \
             store: stale"
        );
    }
}
