//! Why a component could not do what it was asked.

use std::time::Duration;

use bytes::Bytes;
use tonic::Code;

/// Why a component could not do what it was asked. The APIs turn it into the status, code and text
/// that their clients expect.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The etag of the request is not the one that is stored. The text is the component's; it may
    /// be empty.
    #[error("possible etag mismatch. error from state store{}", after_colon(.0))]
    EtagMismatch(String),
    /// The etag of the request is none that this component ever gives.
    #[error("invalid etag value: {0}")]
    EtagInvalid(String),
    /// A bulk delete met fewer rows than it was to delete.
    #[error("delete affected only {affected} rows, expected {expected}")]
    BulkDeleteRowMismatch {
        /// Rows to delete.
        expected: u64,
        /// Rows deleted.
        affected: u64,
    },
    /// Some items of a bulk request failed, the others are done.
    #[error("{}", join_lines(.0))]
    Bulk(Vec<Error>),
    /// The component has no such operation. The text names it.
    #[error("{0}")]
    Unsupported(String),
    /// The request itself is wrong, for this component at least.
    #[error("{0}")]
    Invalid(String),
    /// The component's plugin is away and the caller's patience or deadline is over.
    #[error(transparent)]
    Unavailable(Box<Unavailable>),
    /// A plugin answered with a gRPC status that means nothing more particular.
    #[error(transparent)]
    Remote(Box<RemoteError>),
    /// A plugin answered with an error that carries its own statuses.
    #[error(transparent)]
    Kit(Box<KitError>),
    /// It failed, and has told of it in metadata beside.
    #[error(transparent)]
    Answered(Box<FailedAnswer>),
    /// Anything else; the text is the component's.
    #[error("{0}")]
    Failed(String),
}

/// A text behind a colon; nothing where there is none.
fn after_colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

fn join_lines(errors: &[Error]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A call could not reach the component's plugin, or its answer was lost.
#[derive(Debug, Clone, thiserror::Error)]
#[error("component {component} is unavailable: {reason}")]
pub struct Unavailable {
    /// The component that was called.
    pub component: String,
    /// What keeps it away, such as `plugin settings is starting again: killed by SIGKILL`.
    pub reason: String,
    /// When a next try makes sense.
    pub retry_after: Duration,
    /// The request was on its way when the plugin went away: it may have been carried out.
    pub outcome_unknown: bool,
}

/// An error that has metadata as an answer has them. The APIs pass them on; to other processes the
/// contracts of plugins carry the message alone.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct FailedAnswer {
    /// What went wrong.
    pub message: String,
    /// Particulars.
    pub metadata: crate::Metadata,
}

/// A gRPC status as a plugin gave it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("rpc error: code = {} desc = {message}", code_name(*.code))]
pub struct RemoteError {
    /// The status code.
    pub code: Code,
    /// The status message.
    pub message: String,
    /// `grpc-status-details-bin`, a serialized `google.rpc.Status`; empty where there is none.
    pub details: Bytes,
}

/// An error with statuses of its own for both APIs. On the wire: one `ErrorInfo` whose metadata
/// have `kit_error` = `true`, `http_code` and `tag`.
#[derive(Debug, Clone, thiserror::Error)]
#[error("api error: code = {} desc = {message}", code_name(*.code))]
pub struct KitError {
    /// The status code over gRPC.
    pub code: Code,
    /// The status over HTTP.
    pub http_status: u16,
    /// The error's code in an HTTP body, such as `ERR_STATE_GET`.
    pub tag: String,
    /// `ErrorInfo.reason`.
    pub reason: String,
    /// `ErrorInfo.domain`.
    pub domain: String,
    /// `ErrorInfo.metadata`.
    pub metadata: crate::Metadata,
    /// The message.
    pub message: String,
    /// `grpc-status-details-bin`, passed on as it came.
    pub details: Bytes,
}

impl KitError {
    /// The metadata of an `ErrorInfo` that is `true` where it is one of these errors.
    pub const MARKER: &str = "kit_error";
    /// That which has [`http_status`](Self::http_status).
    pub const HTTP_STATUS: &str = "http_code";
    /// That which has [`tag`](Self::tag).
    pub const TAG: &str = "tag";
    /// The metadata that say what it is, and are none of its own.
    pub const FIELDS: [&str; 3] = [Self::MARKER, Self::HTTP_STATUS, Self::TAG];
}

impl From<Unavailable> for Error {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(Box::new(unavailable))
    }
}

impl From<FailedAnswer> for Error {
    fn from(answer: FailedAnswer) -> Self {
        Self::Answered(Box::new(answer))
    }
}

impl From<RemoteError> for Error {
    fn from(remote: RemoteError) -> Self {
        Self::Remote(Box::new(remote))
    }
}

impl From<tonic::Status> for RemoteError {
    fn from(status: tonic::Status) -> Self {
        Self {
            code: status.code(),
            message: status.message().to_owned(),
            details: Bytes::copy_from_slice(status.details()),
        }
    }
}

impl From<KitError> for Error {
    fn from(kit: KitError) -> Self {
        Self::Kit(Box::new(kit))
    }
}

/// A status code as Go's gRPC prints it, which is what clients of Dapr see inside error texts.
#[must_use]
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}
