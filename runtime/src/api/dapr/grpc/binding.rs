//! Bindings over gRPC: the metadata of a call and of its answer are also those of the binding.

use http::{HeaderName, HeaderValue};
use replug_component::binding::{InvokeRequest, InvokeResponse};
use replug_component::{Context, Metadata};
use replug_proto::dapr::runtime::v1 as pb;
use tonic::metadata::{AsciiMetadataKey, KeyAndValueRef, MetadataMap};

use super::Refusal;
use crate::api::dapr::Dapr;
use crate::api::dapr::error::ApiError;
use crate::api::dapr::trace::{NO_TRACE, TRACEPARENT, TRACESTATE};

/// What the pseudo header `:authority` is called.
const AUTHORITY: HeaderName = HeaderName::from_static("dapr-authority");

/// Headers that are gRPC's own and no metadata.
const OF_GRPC: [&str; 6] =
    ["te", "grpc-timeout", "grpc-encoding", "grpc-message-type", "grpc-message", "grpc-status"];

impl Dapr {
    /// The answer, and the metadata of the call's own.
    pub(super) async fn grpc_invoke_binding(
        &self,
        cx: &Context,
        headers: &MetadataMap,
        message: pb::InvokeBindingRequest,
    ) -> Result<(pb::InvokeBindingResponse, MetadataMap), Refusal> {
        let pb::InvokeBindingRequest { name, data, metadata, operation } = message;
        let metadata = merged(headers, metadata);
        let request = InvokeRequest { operation, data, metadata };
        let answer = self.invoke_binding(cx, &name, request).await.map_err(told)?;
        let InvokeResponse { data, metadata, .. } = answer.unwrap_or_default();
        let mut headers = MetadataMap::new();
        add(&mut headers, &metadata);
        Ok((pb::InvokeBindingResponse { data, metadata }, headers))
    }
}

/// An error, and its metadata in the head of the answer.
fn told(error: ApiError) -> Refusal {
    let headers = error.metadata().map(|metadata| {
        let mut headers = MetadataMap::new();
        add(&mut headers, metadata);
        Box::new(headers.into_headers())
    });
    let headers = headers.filter(|headers| !headers.is_empty());
    Refusal { status: error.into(), headers, unread: false }
}

/// Adds `metadata.KEY`. What a header cannot hold is in the message alone.
fn add(headers: &mut MetadataMap, metadata: &Metadata) {
    for (name, value) in metadata {
        let name = format!("metadata.{}", name.to_ascii_lowercase());
        if let Ok(name) = AsciiMetadataKey::from_bytes(name.as_bytes())
            && let Ok(value) = value.parse()
        {
            headers.insert(name, value);
        }
    }
}

/// Gives a call's pseudo header `:authority` among the others, as Dapr hands it to a binding.
pub(in crate::api) fn tell_authority<B>(request: &mut http::Request<B>) {
    let authority = request.uri().authority().map(|it| HeaderValue::from_str(it.as_str()));
    if let Some(Ok(authority)) = authority {
        request.headers_mut().insert(AUTHORITY, authority);
    }
}

/// What the binding gets: the request's metadata, and that of the call where the request has none of
/// that name. The trace is the call's.
fn merged(headers: &MetadataMap, metadata: Metadata) -> Metadata {
    let mut merged = metadata;
    for entry in headers.iter() {
        let KeyAndValueRef::Ascii(name, value) = entry else { continue };
        let (name, Ok(value)) = (name.as_str(), value.to_str()) else { continue };
        if OF_GRPC.contains(&name) {
            continue;
        }
        if name == TRACEPARENT || name == TRACESTATE {
            // Of several the first counts.
            let first = headers.get(name).and_then(|first| first.to_str().ok());
            merged.insert(name.to_owned(), first.unwrap_or(value).to_owned());
            continue;
        }
        let known =
            if name.starts_with("grpc-") { format!("dapr-{name}") } else { name.to_owned() };
        merged.entry(known).or_insert_with(|| value.to_owned());
    }
    merged.entry(TRACEPARENT.to_owned()).or_insert_with(|| NO_TRACE.to_owned());
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_of_the_call_is_the_bindings_where_the_request_has_none() {
        let mut headers = MetadataMap::new();
        for (name, value) in [
            ("a", "first"),
            ("a", "second"),
            ("b", "call"),
            ("grpc-timeout", "1S"),
            ("te", "trailers"),
            ("grpc-accept-encoding", "gzip"),
            ("traceparent", "t"),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        let metadata = [("b", "request"), ("traceparent", "mine")];
        let metadata = metadata.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let wanted = [
            ("a", "first"),
            ("b", "request"),
            ("dapr-grpc-accept-encoding", "gzip"),
            ("traceparent", "t"),
        ];
        let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(merged(&headers, metadata), wanted.into());
        let none = merged(&MetadataMap::new(), Metadata::new());
        assert_eq!(none[TRACEPARENT], NO_TRACE);
    }
}
