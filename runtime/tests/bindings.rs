//! The built-in bindings over servers: an HTTP server in the test's own process, and a real Redis.

#[path = "bindings/http.rs"]
mod http_binding;
#[path = "bindings/redis.rs"]
mod redis;
mod servers;
mod support;

use std::sync::Arc;

use replug_component::binding::{InvokeRequest, InvokeResponse, OutputBinding};
use replug_component::{Context, Error, Metadata};
use replug_runtime::builtin::{Builtin, find};

const CX: Context = Context { deadline: None };

/// The output of a component of a built-in type.
async fn open(kind: &str, settings: &[(&str, &str)]) -> Result<Arc<dyn OutputBinding>, Error> {
    match find(&kind.parse().unwrap()) {
        Some(Builtin::Binding(_, kind)) => Ok(kind.open(map(settings)).await?.output.unwrap()),
        _ => panic!("{kind} is no built-in binding"),
    }
}

fn map(pairs: &[(&str, &str)]) -> Metadata {
    pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

async fn invoke(
    binding: &Arc<dyn OutputBinding>,
    operation: &str,
    data: &str,
    metadata: &[(&str, &str)],
) -> Result<Option<InvokeResponse>, Error> {
    let data = data.to_owned().into();
    let request = InvokeRequest { operation: operation.into(), data, metadata: map(metadata) };
    binding.invoke(&CX, request).await
}
