//! The building block secrets: named secrets, each of one value or several.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Context, Error, Features, Metadata};

/// What one secret holds: its values by their keys. A store without several values to a secret
/// gives one, under the secret's own name.
pub type Secret = HashMap<String, String>;

/// A component that keeps secrets. It only gives them; how they come in is its own matter.
#[async_trait]
pub trait SecretStore: Send + Sync + 'static {
    /// What the store can do beyond this, such as [`Features::MULTIPLE_KEY_VALUES`].
    fn features(&self) -> Features {
        Features::default()
    }

    /// Whether a secret without any value is none, as one of a plugin's is for Dapr.
    fn empty_is_none(&self) -> bool {
        false
    }

    /// The secret of this name. One that is not there is an error, unless the store's kind gives an
    /// empty value for it, as the environment does.
    async fn get(&self, cx: &Context, name: &str, metadata: Metadata) -> Result<Secret, Error>;

    /// Every secret that the store may give, by name.
    async fn bulk_get(
        &self,
        cx: &Context,
        metadata: Metadata,
    ) -> Result<HashMap<String, Secret>, Error>;

    /// Whether the store can be used at this moment.
    async fn ping(&self, _cx: &Context) -> Result<(), Error> {
        Ok(())
    }
}

/// A component type of the block secrets: makes stores.
#[async_trait]
pub trait SecretStoreType: Send + Sync + 'static {
    /// A store with this configuration, ready for calls.
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn SecretStore>, Error>;
}

#[async_trait]
impl<T: SecretStoreType + ?Sized> SecretStoreType for Arc<T> {
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn SecretStore>, Error> {
        T::open(self, metadata).await
    }
}
