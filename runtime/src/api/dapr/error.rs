//! An error of Dapr's API, and how it is told over gRPC and over HTTP.
//!
//! The statuses and codes that belong together stand in tables of [`Kind`], one table for each
//! building block and the common one here.

mod body;
mod told;
mod unavailable;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use replug_component::{KitError, Metadata, code_name};
use tonic::{Code, Status};
use tonic_types::{ErrorDetail, ErrorInfo, StatusExt as _};

pub(super) use self::body::ErrorBody;
pub(in crate::api) use self::told::Told;
pub(super) use self::unavailable::unavailable;

/// The domain of Dapr's error details.
pub(super) const DOMAIN: &str = "dapr.io";

/// Over which API a call came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Front {
    /// Dapr over gRPC.
    Grpc,
    /// Dapr over HTTP.
    Http,
}

/// One of Dapr's errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// The status over HTTP.
    pub(super) http: StatusCode,
    /// The status over gRPC.
    pub(super) grpc: Code,
    /// `errorCode` of an HTTP body.
    pub(super) code: &'static str,
}

impl Kind {
    pub(super) const fn new(http: StatusCode, grpc: Code, code: &'static str) -> Self {
        Self { http, grpc, code }
    }
}

/// A body that cannot be decoded.
pub(super) const MALFORMED: Kind =
    Kind::new(StatusCode::BAD_REQUEST, Code::InvalidArgument, "ERR_MALFORMED_REQUEST");
/// A body that cannot be read.
pub(super) const BODY_READ: Kind =
    Kind::new(StatusCode::BAD_REQUEST, Code::InvalidArgument, "ERR_BODY_READ");
/// A call that Dapr has and replug has not.
pub(super) const UNIMPLEMENTED: Kind =
    Kind::new(StatusCode::NOT_IMPLEMENTED, Code::Unimplemented, "ERR_API_UNIMPLEMENTED");
/// A path that names no route.
pub(super) const INVOKE: Kind =
    Kind::new(StatusCode::NOT_FOUND, Code::NotFound, "ERR_DIRECT_INVOKE");
/// Health checks that do not pass.
pub(super) const NOT_READY: Kind =
    Kind::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, "ERR_HEALTH_NOT_READY");
/// The same, asked for components alone.
pub(super) const OUTBOUND_NOT_READY: Kind =
    Kind::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, "ERR_OUTBOUND_HEALTH_NOT_READY");
/// A health check meant for another application.
pub(super) const OTHER_APP: Kind =
    Kind::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, "ERR_HEALTH_APPID_NOT_MATCH");

/// What an error tells beside its message.
#[derive(Debug, Clone)]
pub(super) enum Details {
    /// Nothing.
    None,
    /// Over gRPC an `ErrorInfo` with the error's code for a reason, over HTTP nothing.
    CodeOverGrpc,
    /// These, in this order.
    These(Vec<ErrorDetail>),
}

/// An error of Dapr's API, ready to be told.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    http: StatusCode,
    grpc: Code,
    code: Cow<'static, str>,
    message: String,
    details: Details,
    /// When a next try makes sense, where that is known.
    retry_after: Option<Duration>,
    /// What a plugin said, where that is passed on over gRPC as it is.
    passed_on: Option<Status>,
    /// No metadata of an `ErrorInfo` are told over HTTP as an empty object.
    braces: bool,
    /// `metadata.KEY` headers beside it, where there are any.
    metadata: Option<Box<Metadata>>,
}

// === impl ApiError ===

impl ApiError {
    /// An error with nothing but its message.
    pub(super) fn plain(kind: Kind, message: impl Into<String>) -> Self {
        Self::with(kind, message, Details::None)
    }

    pub(super) fn with(kind: Kind, message: impl Into<String>, details: Details) -> Self {
        Self {
            http: kind.http,
            grpc: kind.grpc,
            code: kind.code.into(),
            message: message.into(),
            details,
            retry_after: None,
            passed_on: None,
            braces: false,
            metadata: None,
        }
    }

    /// A call that Dapr has and replug has not.
    pub(super) fn unimplemented() -> Self {
        Self::plain(UNIMPLEMENTED, "this API is currently not implemented")
    }

    /// An error that a plugin gave with statuses of its own. Over gRPC it is passed on as it came;
    /// over HTTP `code` and `message` are those of the route.
    pub(super) fn passed_on(
        kit: &KitError,
        code: impl Into<Cow<'static, str>>,
        message: String,
    ) -> Self {
        let http = StatusCode::from_u16(kit.http_status);
        Self {
            http: http.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            grpc: kit.code,
            code: code.into(),
            message,
            details: Details::None,
            retry_after: None,
            passed_on: Some(Status::with_details(
                kit.code,
                kit.message.clone(),
                kit.details.clone(),
            )),
            braces: false,
            metadata: None,
        }
    }

    /// The same error, told over HTTP with the details that the plugin gave it.
    pub(super) fn with_details_of(mut self, kit: &KitError) -> Self {
        let status = Status::with_details(kit.code, "", kit.details.clone());
        let mut details = status.get_error_details_vec();
        for detail in &mut details {
            if let ErrorDetail::ErrorInfo(info) = detail {
                info.metadata.retain(|name, _| !KitError::FIELDS.contains(&name.as_str()));
            }
        }
        self.details = Details::These(details);
        self
    }

    /// The same error, told over gRPC by `status` alone.
    pub(super) fn over_grpc(mut self, status: Status) -> Self {
        self.passed_on = Some(status);
        self
    }

    /// Over HTTP, no metadata of an `ErrorInfo` are an empty object and not nothing.
    pub(super) fn with_braces(mut self, front: Front) -> Self {
        self.braces = front == Front::Http;
        self
    }

    /// The same error, with metadata as answers have them.
    pub(super) fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = Some(Box::new(metadata));
        self
    }

    /// Metadata beside it, as answers have them.
    pub(super) fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_deref()
    }

    /// The text that says what went wrong.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The error as Go prints it, status included.
    pub(super) fn in_go(&self) -> String {
        format!("api error: code = {} desc = {}", code_name(self.grpc), self.message)
    }

    /// The status over HTTP.
    pub(super) fn http_status(&self) -> StatusCode {
        self.http
    }

    /// When a next try makes sense, where that is known.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// What metrics count of it.
    pub(super) fn told(&self) -> Told {
        let of_state = match &self.details {
            Details::These(details) => details.iter().any(|detail| {
                matches!(detail, ErrorDetail::ErrorInfo(info) if info.reason.starts_with("DAPR_STATE_"))
            }),
            Details::None | Details::CodeOverGrpc => false,
        };
        Told::new(self.code.clone(), of_state)
    }

    /// The body that tells it over HTTP.
    pub(super) fn body(&self) -> ErrorBody<'_> {
        let details = match &self.details {
            Details::None | Details::CodeOverGrpc => &[][..],
            Details::These(details) => details,
        };
        ErrorBody::new(&self.code, &self.message, details, self.braces)
    }
}

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Self {
        let told = Arc::new(error.told());
        let mut status = match (error.passed_on, error.details) {
            (Some(status), _) => status,
            (None, Details::None) => Self::new(error.grpc, error.message),
            (None, Details::CodeOverGrpc) => {
                let details = vec![error_info(&error.code, [])];
                Self::with_error_details_vec(error.grpc, error.message, details)
            }
            (None, Details::These(details)) => {
                Self::with_error_details_vec(error.grpc, error.message, details)
            }
        };
        status.set_source(told);
        status
    }
}

/// Dapr's `ErrorInfo` of this reason.
pub(super) fn error_info<const N: usize>(
    reason: &str,
    metadata: [(&str, String); N],
) -> ErrorDetail {
    ErrorInfo::new(reason, DOMAIN, metadata.map(|(name, value)| (name.to_owned(), value))).into()
}
