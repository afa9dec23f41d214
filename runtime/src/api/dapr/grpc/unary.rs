//! The calls that applications make most, from the bytes of a request to those of its answer: past
//! the generated service, which costs more than the calls themselves.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use prost::Message;
use replug_component::Context;
use replug_proto::dapr::runtime::v1 as pb;
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::DaprGrpc;
use crate::api::dapr::FORCE_SHUTDOWN;
use crate::http2::message::{decoded, framed};

/// A call that is answered here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Unary {
    GetState,
    SaveState,
    DeleteState,
    GetBulkState,
    ExecuteStateTransaction,
    PublishEvent,
    GetSecret,
    InvokeBinding,
    DeleteBulkState,
    QueryState,
    GetBulkSecret,
    BulkPublishEvent,
    GetMetadata,
    SetMetadata,
    Shutdown,
}

/// What a call is answered with.
pub(in crate::api) struct Reply {
    /// The message, with its prefix.
    pub(in crate::api) message: Bytes,
    /// What stands in the answer's head besides; mostly nothing.
    pub(in crate::api) headers: Option<Box<HeaderMap>>,
}

/// Why a call is not answered with a message.
pub(in crate::api) struct Refusal {
    pub(in crate::api) status: Status,
    /// What stands in the answer's head before it; mostly nothing.
    pub(in crate::api) headers: Option<Box<HeaderMap>>,
    /// Whether the answer is the status alone: what was asked could not be read.
    pub(in crate::api) unread: bool,
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self { status, headers: None, unread: false }
    }
}

impl From<Refusal> for Status {
    /// What stands in the head stands beside the status then.
    fn from(Refusal { mut status, headers, .. }: Refusal) -> Self {
        if let Some(headers) = headers {
            let metadata = status.metadata_mut();
            *metadata = MetadataMap::from_headers(*headers);
        }
        status
    }
}

impl From<Bytes> for Reply {
    fn from(message: Bytes) -> Self {
        Self { message, headers: None }
    }
}

impl Unary {
    /// The call of this method; none where the generated service has to answer.
    pub(in crate::api) fn of(method: &str) -> Option<Self> {
        Some(match method {
            "GetState" => Self::GetState,
            "SaveState" => Self::SaveState,
            "DeleteState" => Self::DeleteState,
            "GetBulkState" => Self::GetBulkState,
            "ExecuteStateTransaction" => Self::ExecuteStateTransaction,
            "PublishEvent" => Self::PublishEvent,
            "GetSecret" => Self::GetSecret,
            "InvokeBinding" => Self::InvokeBinding,
            "DeleteBulkState" => Self::DeleteBulkState,
            "QueryStateAlpha1" => Self::QueryState,
            "GetBulkSecret" => Self::GetBulkSecret,
            "BulkPublishEvent" | "BulkPublishEventAlpha1" => Self::BulkPublishEvent,
            "GetMetadata" => Self::GetMetadata,
            "SetMetadata" => Self::SetMetadata,
            "Shutdown" => Self::Shutdown,
            _ => return None,
        })
    }
}

impl DaprGrpc {
    /// Answers `message`.
    pub(in crate::api) async fn unary(
        &self,
        call: Unary,
        cx: &Context,
        headers: HeaderMap,
        message: Bytes,
    ) -> Result<Reply, Refusal> {
        let dapr = &*self.0;
        // Each that is rarer or longer is apart, so that the others are small: a call's future is copied
        // to where it runs.
        let message = match call {
            Unary::GetState => framed(&dapr.get_state(cx, read(message)?).await?),
            Unary::SaveState => framed(&dapr.save_state(cx, read(message)?).await?),
            Unary::DeleteState => {
                let deleted = Box::pin(dapr.delete_state(cx, read(message)?));
                framed(&deleted.await?)
            }
            Unary::GetBulkState => {
                let got = Box::pin(dapr.get_bulk_state(cx, read(message)?));
                framed(&got.await?)
            }
            Unary::ExecuteStateTransaction => {
                let done = Box::pin(dapr.execute_state_transaction(cx, read(message)?));
                framed(&done.await?)
            }
            Unary::PublishEvent => {
                let headers = MetadataMap::from_headers(headers);
                let published = Box::pin(dapr.publish_event(cx, &headers, read(message)?));
                framed(&published.await?)
            }
            Unary::GetSecret => {
                let got = Box::pin(dapr.get_secret(cx, read(message)?));
                framed(&got.await?)
            }
            Unary::DeleteBulkState => {
                let deleted = Box::pin(dapr.delete_bulk_state(cx, read(message)?));
                framed(&deleted.await?)
            }
            Unary::QueryState => {
                let found = Box::pin(dapr.query_state(cx, read(message)?));
                framed(&found.await?)
            }
            Unary::GetBulkSecret => {
                let got = Box::pin(dapr.get_bulk_secret(cx, read(message)?));
                framed(&got.await?)
            }
            Unary::BulkPublishEvent => {
                let headers = MetadataMap::from_headers(headers);
                let published = Box::pin(dapr.bulk_publish_event(cx, &headers, read(message)?));
                framed(&published.await?)
            }
            Unary::GetMetadata => {
                read::<pb::GetMetadataRequest>(message)?;
                framed(&dapr.metadata_message())
            }
            Unary::SetMetadata => {
                let pb::SetMetadataRequest { key, value } = read(message)?;
                dapr.set_metadata(key, value);
                framed(&())
            }
            Unary::Shutdown => {
                read::<pb::ShutdownRequest>(message)?;
                dapr.request_shutdown(headers.get(FORCE_SHUTDOWN).map(HeaderValue::as_bytes));
                framed(&())
            }
            Unary::InvokeBinding => {
                let headers = MetadataMap::from_headers(headers);
                let invoked = Box::pin(dapr.grpc_invoke_binding(cx, &headers, read(message)?));
                let (answer, headers) = invoked.await?;
                let headers = (!headers.is_empty()).then(|| Box::new(headers.into_headers()));
                return Ok(Reply { message: framed(&answer), headers });
            }
        };
        Ok(message.into())
    }
}

/// What is asked.
fn read<M: Message + Default>(message: Bytes) -> Result<M, Refusal> {
    decoded(message).map_err(|status| Refusal { status, headers: None, unread: true })
}
