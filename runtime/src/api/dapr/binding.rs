//! The building block bindings, as Dapr's API does it over either front.

use std::time::Instant;

use http::StatusCode;
use replug_component::binding::{InvokeRequest, InvokeResponse};
use replug_component::{Context, Error};
use tonic::Code;

use super::Dapr;
use super::error::{ApiError, Details, Kind, unavailable};
use crate::registry::Registry;

const INVOKE: Kind =
    Kind::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, "ERR_INVOKE_OUTPUT_BINDING");

impl Dapr {
    /// Has a binding do something. None where it has nothing to say.
    pub(super) async fn invoke_binding(
        &self,
        cx: &Context,
        name: &str,
        request: InvokeRequest,
    ) -> Result<Option<InvokeResponse>, ApiError> {
        let measured = self.settings.telemetry.as_ref();
        let measured = measured.map(|it| (it, Instant::now(), request.operation.clone()));
        let invoked = invoke(&self.registry, cx, name, request).await;
        if let Some((telemetry, begun, operation)) = measured {
            telemetry.output_binding(name, &operation, begun.elapsed(), invoked.is_ok());
        }
        invoked.map_err(|error| {
            let message = format!("error invoking output binding {name}: {error}");
            match &error {
                Error::Unavailable(why) => unavailable(why, INVOKE.code, message),
                Error::Answered(answer) => ApiError::with(INVOKE, message, Details::CodeOverGrpc)
                    .with_metadata(answer.metadata.clone()),
                _ => ApiError::with(INVOKE, message, Details::CodeOverGrpc),
            }
        })
    }
}

/// Has the binding of this name do something that it can.
pub(crate) async fn invoke(
    registry: &Registry,
    cx: &Context,
    name: &str,
    request: InvokeRequest,
) -> Result<Option<InvokeResponse>, Error> {
    if request.operation.is_empty() {
        return Err(Error::Invalid("operation field is missing from request".to_owned()));
    }
    let not_found = || Error::Invalid(format!("couldn't find output binding {name}"));
    let slot = registry.binding(name).map_err(|_| not_found())?;
    let binding = slot.component(cx).await?;
    let output = binding.output.as_ref().ok_or_else(not_found)?;
    let operations = output.operations(cx).await?;
    if !operations.has(&request.operation) {
        let operations: Vec<_> = operations.iter().collect();
        return Err(Error::Unsupported(format!(
            "binding {name} does not support operation {}. supported operations:{}",
            request.operation,
            operations.join(" ")
        )));
    }
    output.invoke(cx, request).await
}
