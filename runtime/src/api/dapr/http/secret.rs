//! The secret routes over HTTP.

use std::collections::BTreeMap;

use replug_component::secret::Secret;

use super::answer::{Answer, no_content, ok};
use super::params::Params;
use super::{CX, Failure};
use crate::api::dapr::{Dapr, json};

impl Dapr {
    pub(super) async fn http_get_secret(
        &self,
        store: &str,
        key: &str,
        params: &Params,
    ) -> Result<Answer, Failure> {
        let secret = self.secret(&CX, store, key, params.metadata()).await?;
        Ok(secret.map_or_else(no_content, |secret| ok(json::line(&sorted(secret)))))
    }

    pub(super) async fn http_get_secrets(
        &self,
        store: &str,
        params: &Params,
    ) -> Result<Answer, Failure> {
        let all = self.secrets(&CX, store, params.metadata()).await?;
        let all: BTreeMap<_, _> =
            all.into_iter().map(|(name, secret)| (name, sorted(secret))).collect();
        Ok(ok(json::line(&all)))
    }
}

/// Keys as Dapr writes them.
fn sorted(secret: Secret) -> BTreeMap<String, String> {
    secret.into_iter().collect()
}
