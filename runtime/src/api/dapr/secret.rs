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
use crate::resources::SecretScope;
use crate::telemetry::Measured;

const NOT_FOUND: Kind =
    Kind::new(StatusCode::UNAUTHORIZED, Code::InvalidArgument, "ERR_SECRET_STORE_NOT_FOUND");
const NOT_CONFIGURED: Kind = Kind::new(
    StatusCode::INTERNAL_SERVER_ERROR,
    Code::FailedPrecondition,
    "ERR_SECRET_STORES_NOT_CONFIGURED",
);
const DENIED: Kind =
    Kind::new(StatusCode::FORBIDDEN, Code::PermissionDenied, "ERR_PERMISSION_DENIED");
const GET: Kind = Kind::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, "ERR_SECRET_GET");

impl Dapr {
    /// One secret; none where the store gives none and has no error for it. `store` is the component's
    /// name.
    pub(super) async fn secret(
        &self,
        cx: &Context,
        store: &str,
        key: &str,
        metadata: Metadata,
    ) -> Result<Option<Secret>, ApiError> {
        let component = self.secret_store(store)?;
        if !self.secret_scope(store).is_none_or(|scope| scope.allows(key)) {
            let message = format!("access denied by policy to get \"{key}\" from \"{store}\"");
            return Err(ApiError::plain(DENIED, message));
        }
        let got = async {
            let store = component.component(cx).await?;
            let secret = store.get(cx, key, metadata).await?;
            Ok(Some(secret).filter(|secret| !secret.is_empty() || !store.empty_is_none()))
        };
        self.measured(Measured::Secret, store, "get", got).await.map_err(|error| {
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
        let got = self.measured(Measured::Secret, store, "bulk_get", got).await;
        let scope = self.secret_scope(store);
        let let_through = |mut all: HashMap<String, Secret>| {
            all.retain(|name, _| scope.is_none_or(|scope| scope.allows(name)));
            all
        };
        got.map(let_through).map_err(|error| {
            failed(&error, || format!("failed getting secrets from secret store {store}: {error}"))
        })
    }

    fn secret_scope(&self, store: &str) -> Option<&SecretScope> {
        self.settings.secret_scopes.iter().find(|scope| scope.store == store)
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
