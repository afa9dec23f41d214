//! The building block secrets, as Dapr's API does it over either front.

use std::collections::HashMap;
use std::sync::Arc;

use http::StatusCode;
use replug_component::secret::Secret;
use replug_component::{Context, Error, Metadata};
use tonic::Code;

use super::Dapr;
use super::error::{ApiError, Kind, unavailable};
use crate::registry::{Missing, SecretComponent};

const NOT_FOUND: Kind =
    Kind::new(StatusCode::UNAUTHORIZED, Code::InvalidArgument, "ERR_SECRET_STORE_NOT_FOUND");
const NOT_CONFIGURED: Kind = Kind::new(
    StatusCode::INTERNAL_SERVER_ERROR,
    Code::FailedPrecondition,
    "ERR_SECRET_STORES_NOT_CONFIGURED",
);
const GET: Kind = Kind::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, "ERR_SECRET_GET");

impl Dapr {
    /// One secret. `store` is the component's name.
    pub(super) async fn secret(
        &self,
        cx: &Context,
        store: &str,
        key: &str,
        metadata: Metadata,
    ) -> Result<Secret, ApiError> {
        let component = self.secret_store(store)?;
        let got = async { component.component(cx).await?.get(cx, key, metadata).await };
        got.await.map_err(|error| {
            failed(&error, || {
                format!("failed getting secret with key {key} from secret store {store}: {error}")
            })
        })
    }

    /// Every secret of a store.
    pub(super) async fn secrets(
        &self,
        cx: &Context,
        store: &str,
        metadata: Metadata,
    ) -> Result<HashMap<String, Secret>, ApiError> {
        let component = self.secret_store(store)?;
        let got = async { component.component(cx).await?.bulk_get(cx, metadata).await };
        got.await.map_err(|error| {
            failed(&error, || format!("failed getting secrets from secret store {store}: {error}"))
        })
    }

    fn secret_store(&self, name: &str) -> Result<Arc<SecretComponent>, ApiError> {
        self.registry.secrets(name).map_err(|missing| match missing {
            Missing::NoneDeclared => {
                ApiError::plain(NOT_CONFIGURED, "secret store is not configured")
            }
            Missing::NotFound => {
                ApiError::plain(NOT_FOUND, format!("failed finding secret store with key {name}"))
            }
        })
    }
}

fn failed(error: &Error, message: impl Fn() -> String) -> ApiError {
    match error {
        Error::Unavailable(why) => unavailable(why, GET.code, message()),
        _ => ApiError::plain(GET, message()),
    }
}
