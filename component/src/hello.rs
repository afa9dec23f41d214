//! The building block hello: Layotto's greeting.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{Context, Error, Metadata};

/// A component that greets.
#[async_trait]
pub trait Hello: Send + Sync + 'static {
    /// The greeting for `name`, which may be empty.
    async fn say_hello(&self, cx: &Context, name: String) -> Result<String, Error>;
}

/// A component type of the block hello: makes greeting components.
#[async_trait]
pub trait HelloType: Send + Sync + 'static {
    /// A component with this configuration, ready for calls.
    async fn open(&self, config: HelloConfig) -> Result<Arc<dyn Hello>, Error>;
}

#[async_trait]
impl<T: HelloType + ?Sized> HelloType for Arc<T> {
    async fn open(&self, config: HelloConfig) -> Result<Arc<dyn Hello>, Error> {
        T::open(self, config).await
    }
}

/// What a hello component is made with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HelloConfig {
    /// The greeting: `hello` of the component's metadata.
    pub greeting: String,
    /// The component's metadata.
    pub metadata: Metadata,
}

impl From<Metadata> for HelloConfig {
    fn from(metadata: Metadata) -> Self {
        Self { greeting: metadata.get("hello").cloned().unwrap_or_default(), metadata }
    }
}
