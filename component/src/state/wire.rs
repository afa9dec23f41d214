//! Requests and answers in the form of `dapr.proto.components.v1`, in both directions: a wrapper
//! encodes requests and decodes answers, a plugin the other way round. Everything moves; no value
//! is copied.

use prost_types::Any;
use replug_proto::dapr::components::v1 as pb;
use serde_json::Value;
use tonic::{Code, Status};
use tonic_types::{ErrorDetail, ErrorDetails, StatusExt as _};

use super::{
    BulkGetItem, Concurrency, Consistency, DeleteRequest, GetRequest, GetResponse, Operation,
    Options, Page, Query, QueryItem, QueryRequest, QueryResponse, SetRequest, SortOrder, Sorting,
    TransactRequest,
};
use crate::{Error, KitError, RemoteError};

fn etag_to_wire(etag: Option<String>) -> Option<pb::Etag> {
    etag.map(|value| pb::Etag { value })
}

fn etag_from_wire(etag: Option<pb::Etag>) -> Option<String> {
    etag.map(|etag| etag.value)
}

impl From<Consistency> for pb::state_options::StateConsistency {
    fn from(consistency: Consistency) -> Self {
        match consistency {
            Consistency::Unspecified => Self::ConsistencyUnspecified,
            Consistency::Eventual => Self::ConsistencyEventual,
            Consistency::Strong => Self::ConsistencyStrong,
        }
    }
}

impl From<pb::state_options::StateConsistency> for Consistency {
    fn from(consistency: pb::state_options::StateConsistency) -> Self {
        use pb::state_options::StateConsistency as Wire;
        match consistency {
            Wire::ConsistencyUnspecified => Self::Unspecified,
            Wire::ConsistencyEventual => Self::Eventual,
            Wire::ConsistencyStrong => Self::Strong,
        }
    }
}

impl From<Options> for pb::StateOptions {
    fn from(options: Options) -> Self {
        use pb::state_options::{StateConcurrency, StateConsistency};
        let concurrency = match options.concurrency {
            Concurrency::Unspecified => StateConcurrency::ConcurrencyUnspecified,
            Concurrency::FirstWrite => StateConcurrency::ConcurrencyFirstWrite,
            Concurrency::LastWrite => StateConcurrency::ConcurrencyLastWrite,
        };
        Self {
            concurrency: concurrency.into(),
            consistency: StateConsistency::from(options.consistency).into(),
        }
    }
}

impl From<pb::StateOptions> for Options {
    fn from(options: pb::StateOptions) -> Self {
        use pb::state_options::StateConcurrency as Wire;
        Self {
            concurrency: match options.concurrency() {
                Wire::ConcurrencyUnspecified => Concurrency::Unspecified,
                Wire::ConcurrencyFirstWrite => Concurrency::FirstWrite,
                Wire::ConcurrencyLastWrite => Concurrency::LastWrite,
            },
            consistency: options.consistency().into(),
        }
    }
}

impl From<GetRequest> for pb::GetRequest {
    fn from(request: GetRequest) -> Self {
        Self {
            key: request.key,
            metadata: request.metadata,
            consistency: pb::state_options::StateConsistency::from(request.consistency).into(),
        }
    }
}

impl From<pb::GetRequest> for GetRequest {
    fn from(request: pb::GetRequest) -> Self {
        let consistency = request.consistency().into();
        Self { key: request.key, metadata: request.metadata, consistency }
    }
}

impl From<GetResponse> for pb::GetResponse {
    fn from(response: GetResponse) -> Self {
        Self {
            data: response.data,
            etag: etag_to_wire(response.etag),
            metadata: response.metadata,
            content_type: response.content_type,
        }
    }
}

impl From<pb::GetResponse> for GetResponse {
    fn from(response: pb::GetResponse) -> Self {
        Self {
            data: response.data,
            etag: etag_from_wire(response.etag),
            metadata: response.metadata,
            content_type: response.content_type,
        }
    }
}

impl From<SetRequest> for pb::SetRequest {
    fn from(request: SetRequest) -> Self {
        Self {
            key: request.key,
            value: request.value,
            etag: etag_to_wire(request.etag),
            metadata: request.metadata,
            options: Some(request.options.into()),
            content_type: request.content_type,
        }
    }
}

impl From<pb::SetRequest> for SetRequest {
    fn from(request: pb::SetRequest) -> Self {
        Self {
            key: request.key,
            value: request.value,
            etag: etag_from_wire(request.etag),
            metadata: request.metadata,
            options: request.options.map(Into::into).unwrap_or_default(),
            content_type: request.content_type,
        }
    }
}

impl From<DeleteRequest> for pb::DeleteRequest {
    fn from(request: DeleteRequest) -> Self {
        Self {
            key: request.key,
            etag: etag_to_wire(request.etag),
            metadata: request.metadata,
            options: Some(request.options.into()),
        }
    }
}

impl From<pb::DeleteRequest> for DeleteRequest {
    fn from(request: pb::DeleteRequest) -> Self {
        Self {
            key: request.key,
            etag: etag_from_wire(request.etag),
            metadata: request.metadata,
            options: request.options.map(Into::into).unwrap_or_default(),
        }
    }
}

impl From<BulkGetItem> for pb::BulkStateItem {
    fn from(item: BulkGetItem) -> Self {
        Self {
            key: item.key,
            data: item.value.data,
            etag: etag_to_wire(item.value.etag),
            error: item.error,
            metadata: item.value.metadata,
            content_type: item.value.content_type,
        }
    }
}

impl From<pb::BulkStateItem> for BulkGetItem {
    fn from(item: pb::BulkStateItem) -> Self {
        Self {
            key: item.key,
            value: GetResponse {
                data: item.data,
                etag: etag_from_wire(item.etag),
                metadata: item.metadata,
                content_type: item.content_type,
            },
            error: item.error,
        }
    }
}

impl From<TransactRequest> for pb::TransactionalStateRequest {
    fn from(request: TransactRequest) -> Self {
        use pb::transactional_state_operation::Request;
        let wire = |operation| pb::TransactionalStateOperation {
            request: Some(match operation {
                Operation::Set(set) => Request::Set(set.into()),
                Operation::Delete(delete) => Request::Delete(delete.into()),
            }),
        };
        Self {
            operations: request.operations.into_iter().map(wire).collect(),
            metadata: request.metadata,
        }
    }
}

impl TryFrom<pb::TransactionalStateRequest> for TransactRequest {
    type Error = Error;

    /// Fails where an operation is neither of the two that the contract knows.
    fn try_from(request: pb::TransactionalStateRequest) -> Result<Self, Error> {
        use pb::transactional_state_operation::Request;
        let operations = request.operations.into_iter().map(|operation| match operation.request {
            Some(Request::Set(set)) => Ok(Operation::Set(set.into())),
            Some(Request::Delete(delete)) => Ok(Operation::Delete(delete.into())),
            None => Err(Error::Invalid("an operation of the transaction is empty".into())),
        });
        Ok(Self { operations: operations.collect::<Result<_, _>>()?, metadata: request.metadata })
    }
}

impl From<QueryRequest> for pb::QueryRequest {
    fn from(request: QueryRequest) -> Self {
        // An operand is its JSON text in an Any without a type, as Dapr sends it.
        let operand =
            |value: Value| Any { type_url: String::new(), value: value.to_string().into() };
        let sorting = |sorting: Sorting| pb::Sorting {
            key: sorting.key,
            order: match sorting.order {
                SortOrder::Ascending => pb::sorting::Order::Asc,
                SortOrder::Descending => pb::sorting::Order::Desc,
            }
            .into(),
        };
        let query = request.query;
        Self {
            query: Some(pb::Query {
                filter: query
                    .filter
                    .into_iter()
                    .map(|(name, value)| (name, operand(value)))
                    .collect(),
                sort: query.sort.into_iter().map(sorting).collect(),
                pagination: Some(pb::Pagination {
                    limit: i64::try_from(query.page.limit).unwrap_or(i64::MAX),
                    token: query.page.token,
                }),
            }),
            metadata: request.metadata,
        }
    }
}

impl TryFrom<pb::QueryRequest> for QueryRequest {
    type Error = Error;

    /// Fails where an operand is not JSON.
    fn try_from(request: pb::QueryRequest) -> Result<Self, Error> {
        let query = request.query.unwrap_or_default();
        let filter = query.filter.into_iter().map(|(name, operand)| {
            serde_json::from_slice(&operand.value)
                .map(|value| (name.clone(), value))
                .map_err(|error| Error::Invalid(format!("operand of {name} is not JSON: {error}")))
        });
        let filter = filter.collect::<Result<_, _>>()?;
        let sorting = |sorting: pb::Sorting| Sorting {
            order: match sorting.order() {
                pb::sorting::Order::Asc => SortOrder::Ascending,
                pb::sorting::Order::Desc => SortOrder::Descending,
            },
            key: sorting.key,
        };
        let page = query.pagination.unwrap_or_default();
        Ok(Self {
            query: Query {
                filter,
                sort: query.sort.into_iter().map(sorting).collect(),
                page: Page { limit: u64::try_from(page.limit).unwrap_or(0), token: page.token },
            },
            metadata: request.metadata,
        })
    }
}

impl From<QueryResponse> for pb::QueryResponse {
    fn from(response: QueryResponse) -> Self {
        let item = |item: QueryItem| pb::QueryItem {
            key: item.key,
            data: item.data,
            etag: etag_to_wire(item.etag),
            error: item.error,
            content_type: item.content_type,
        };
        Self {
            items: response.items.into_iter().map(item).collect(),
            token: response.token,
            metadata: response.metadata,
        }
    }
}

impl From<pb::QueryResponse> for QueryResponse {
    fn from(response: pb::QueryResponse) -> Self {
        let item = |item: pb::QueryItem| QueryItem {
            key: item.key,
            data: item.data,
            etag: etag_from_wire(item.etag),
            error: item.error,
            content_type: item.content_type,
        };
        Self {
            items: response.items.into_iter().map(item).collect(),
            token: response.token,
            metadata: response.metadata,
        }
    }
}

/// The field of a `BadRequest` violation that makes a status an etag error.
const ETAG_FIELD: &str = "etag";

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
            if info.metadata.get("kit_error").is_some_and(|marker| marker == "true")
                && let Some(http_status) = number("http_code")
            {
                return KitError {
                    code,
                    http_status: u16::try_from(http_status).unwrap_or(500),
                    tag: info.metadata.get("tag").cloned().unwrap_or_default(),
                    reason: info.reason,
                    domain: info.domain,
                    metadata: info.metadata,
                    message: status.message().to_owned(),
                    details: status.details().to_vec().into(),
                }
                .into();
            }
            if code == Code::Internal
                && let (Some(expected), Some(affected)) = (number("expected"), number("affected"))
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
                [("expected", expected), ("affected", affected)]
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
    fn a_plain_status_reads_as_go_prints_it() {
        let error = error_from_status(Status::not_found("no such thing"));
        assert_eq!(error.to_string(), "rpc error: code = NotFound desc = no such thing");
    }

    #[test]
    fn an_operand_travels_as_json_text_without_a_type() {
        let query = Query {
            filter: serde_json::from_str(r#"{"EQ":{"state":"CA"}}"#).unwrap(),
            ..Query::default()
        };
        let request = QueryRequest { query, ..QueryRequest::default() };
        let wire = pb::QueryRequest::from(request.clone());
        let operand = &wire.query.as_ref().unwrap().filter["EQ"];
        assert_eq!(
            (operand.type_url.as_str(), &operand.value[..]),
            ("", &br#"{"state":"CA"}"#[..])
        );
        assert_eq!(QueryRequest::try_from(wire).unwrap(), request);
    }
}
