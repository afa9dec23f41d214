//! Secrets that components and processes refer to, as the secret stores give them.
//!
//! A store that is away is not waited for here: whoever needs it is tried again when it is back,
//! and keeps nobody waiting who does not need it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use replug_component::secret::Secret;
use replug_component::{Context, Metadata};
use tokio::time::timeout;

use super::{ComponentState, Registry, Unmade};
use crate::component::{DeclaredMetadata, MetadataValue, SecretReference};
use crate::encryption::{DeclaredKeys, Keys};

/// The scope under which Dapr tells of secrets that are not given.
pub const SECRETS_SCOPE: &str = "dapr.runtime.processor.secret";

/// How long a secret store may take to give one secret.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no value for a reference. None of these tells a value.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SecretError {
    /// There is no such component, or it is something else.
    #[error("there is no secret store `{0}`")]
    NoStore(String),
    /// The store is there and cannot be used at this moment.
    #[error("waits for the secret store `{store}`: {reason}")]
    Away {
        /// The store.
        store: String,
        /// What keeps it away.
        reason: String,
    },
    /// The store could not be made.
    #[error("the secret store `{store}` failed: {cause}")]
    Failed {
        /// The store.
        store: String,
        /// Why.
        cause: String,
    },
    /// The store does not give it.
    #[error("the secret store `{store}` does not give `{name}`: {cause}")]
    NotGiven {
        /// The store.
        store: String,
        /// The secret.
        name: String,
        /// Why, in the store's own words where it has said something.
        cause: String,
    },
    /// The secret has several values, and no key says which is meant.
    #[error("the secret {reference} has several values: name one by its key, of {}", keys.join(", "))]
    Several {
        /// The secret.
        reference: SecretReference,
        /// The keys that there are.
        keys: Vec<String>,
    },
    /// The secret has no value under this key, or an empty one.
    #[error("the secret {0} has no value")]
    NoValue(SecretReference),
}

// === impl SecretError ===

impl SecretError {
    /// Whether it is only a matter of time.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Away { .. })
    }

    /// Whether the store was asked, and gave no value.
    fn is_answer(&self) -> bool {
        !matches!(self, Self::NoStore(_) | Self::Away { .. } | Self::Failed { .. })
    }
}

/// What a component is to its callers that needs the secret.
impl From<&SecretError> for Unmade {
    fn from(error: &SecretError) -> Self {
        let reason = error.to_string();
        if error.is_absence() { Self::Waits(reason) } else { Self::Failed(reason) }
    }
}

// === impl Registry ===

impl Registry {
    /// What each reference stands for at this moment. No secret is asked for twice, and a store that
    /// is away is an error at once.
    pub async fn reveal(
        &self,
        references: impl IntoIterator<Item = &SecretReference>,
    ) -> Result<BTreeMap<SecretReference, String>, SecretError> {
        let asked = self.ask(references).await;
        asked.into_iter().map(|(reference, value)| Ok((reference.clone(), value?))).collect()
    }

    /// What each reference stands for at this moment, or why there is no value for it.
    async fn ask<'r>(
        &self,
        references: impl IntoIterator<Item = &'r SecretReference>,
    ) -> BTreeMap<&'r SecretReference, Result<String, SecretError>> {
        let references: BTreeSet<_> = references.into_iter().collect();
        let names: BTreeSet<_> = references
            .iter()
            .map(|reference| (reference.store.as_str(), reference.name.as_str()))
            .collect();
        let given = names
            .into_iter()
            .map(async |(store, name)| ((store, name), self.secret(store, name).await));
        let given: BTreeMap<_, _> = join_all(given).await.into_iter().collect();
        let value = |reference: &'r SecretReference| {
            let secret = given[&(reference.store.as_str(), reference.name.as_str())].as_ref();
            let found = secret.map_err(Clone::clone).and_then(|secret| value(reference, secret));
            (reference, found.map(str::to_owned))
        };
        references.into_iter().map(value).collect()
    }

    /// Waits until every one of these secret stores can be used. For ever where there is none of
    /// that name.
    pub async fn stores_usable(&self, stores: &[String]) {
        let mut changes = self.changes();
        loop {
            let usable = |store: &String| {
                self.desk.lock().secret_store(store) == Some(ComponentState::Ready)
            };
            if stores.iter().all(usable) {
                return;
            }
            // The sender is the registry's own.
            let _ = changes.changed().await;
        }
    }

    /// Tells when a secret store has become usable.
    #[must_use]
    pub fn stores(&self) -> tokio::sync::watch::Receiver<()> {
        self.stores.subscribe()
    }

    /// A component's metadata with everything in place that it refers to. What is only wished for
    /// and not given is told, and left out.
    pub(super) async fn resolved(
        &self,
        component: &str,
        declared: &DeclaredMetadata,
    ) -> Result<Metadata, Unmade> {
        let asked = self.ask(declared.values().filter_map(MetadataValue::reference)).await;
        let mut resolved = Metadata::with_capacity(declared.len());
        for (name, value) in declared {
            let answer = value.reference().map(|reference| asked[reference].as_ref());
            let text = match (value, answer) {
                (MetadataValue::Wish { names, .. }, Some(Ok(text))) => {
                    let text = names.replaced(text, &[component, name]);
                    Some(text.map_err(|error| Unmade::Failed(error.to_string()))?)
                }
                (_, Some(Ok(text))) => Some(text.clone()),
                (MetadataValue::Wish { instead, .. }, Some(Err(error))) if error.is_answer() => {
                    tracing::error!(target: SECRETS_SCOPE, "Error getting secret: {error}");
                    instead.clone()
                }
                (_, Some(Err(error))) => return Err(error.into()),
                (_, None) => value.text().map(str::to_owned),
            };
            resolved.extend(text.map(|text| (name.clone(), text)));
        }
        Ok(resolved)
    }

    /// The keys of a state store's values. Nothing is wished for here: without its key there is no
    /// component, since its values would be stored in the clear.
    pub(super) async fn keys(
        &self,
        declared: Option<&DeclaredKeys>,
    ) -> Result<Option<Keys>, Unmade> {
        let Some(declared) = declared else { return Ok(None) };
        let revealed =
            self.reveal(declared.references()).await.map_err(|error| Unmade::from(&error))?;
        let named = |it| revealed.get_key_value(it).map(|(it, text)| (&*it.name, text.as_str()));
        let secondary = declared.secondary.as_ref().and_then(named);
        // Every reference has its text by now.
        let primary = named(&declared.primary).unwrap_or_default();
        Keys::new(primary, secondary).map(Some).map_err(|error| Unmade::Failed(error.to_string()))
    }

    async fn secret(&self, store: &str, name: &str) -> Result<Secret, SecretError> {
        let not_given = |cause: String| SecretError::NotGiven {
            store: store.to_owned(),
            name: name.to_owned(),
            cause,
        };
        let away = |reason| SecretError::Away { store: store.to_owned(), reason };
        let missing = || SecretError::NoStore(store.to_owned());
        let standing = self.desk.lock().secret_store(store).ok_or_else(missing)?;
        match standing {
            ComponentState::Ready => {}
            ComponentState::Waiting(reason) | ComponentState::Suspended(reason) => {
                return Err(away(reason));
            }
            ComponentState::Failed(cause) => {
                return Err(SecretError::Failed { store: store.to_owned(), cause });
            }
        }
        let slot = self.secrets(store).map_err(|_| missing())?;
        let cx = Context::with_deadline(Some(Instant::now() + PATIENCE));
        let got = async { slot.component(&cx).await?.get(&cx, name, Metadata::new()).await };
        match timeout(PATIENCE, got).await {
            Ok(Ok(secret)) => Ok(secret),
            // It went away just now.
            Ok(Err(replug_component::Error::Unavailable(why))) => Err(away(why.reason)),
            Ok(Err(error)) => Err(not_given(error.to_string())),
            Err(_) => Err(not_given(format!("no answer within {} s", PATIENCE.as_secs()))),
        }
    }
}

/// Which value of a secret is meant.
fn value<'s>(reference: &SecretReference, secret: &'s Secret) -> Result<&'s str, SecretError> {
    let found = match &reference.key {
        Some(key) => secret.get(key),
        None => match secret.get(&reference.name) {
            Some(value) => Some(value),
            None if secret.len() > 1 => {
                let mut keys: Vec<_> = secret.keys().cloned().collect();
                keys.sort_unstable();
                return Err(SecretError::Several { reference: reference.clone(), keys });
            }
            None => secret.values().next(),
        },
    };
    // The environment, as a store, has an empty value for what is not there.
    let found = found.filter(|value| !value.is_empty());
    found.map(String::as_str).ok_or_else(|| SecretError::NoValue(reference.clone()))
}
