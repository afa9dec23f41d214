//! Requests and answers in the form of `dapr.proto.components.v1`, in both directions: a wrapper
//! encodes requests and decodes answers, a plugin the other way round. Everything moves; no value
//! is copied.

mod query;
mod status;

use replug_proto::dapr::components::v1 as pb;

use super::{
    BulkGetItem, Concurrency, Consistency, DeleteRequest, GetRequest, GetResponse, Operation,
    Options, SetRequest, TransactRequest,
};
use crate::Error;
pub use status::{error_from_status, error_to_status};

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
