//! What a component says it can do.

use std::sync::Arc;

/// The names of a component's features, such as `ETAG`, in the order the component gives them.
/// They are passed on as they are; Dapr shows them as the component's capabilities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features(Arc<[String]>);

impl Features {
    /// Reads and writes check etags.
    pub const ETAG: &str = "ETAG";
    /// Several writes can be one.
    pub const TRANSACTIONAL: &str = "TRANSACTIONAL";
    /// Values can be searched.
    pub const QUERY_API: &str = "QUERY_API";
    /// Keys can be listed by a pattern. Of no call of an application: Dapr lists workflows by it.
    pub const KEYS_LIKE: &str = "KEYS_LIKE";
    /// All keys that begin alike can be removed at once. Of no call of an application either.
    pub const DELETE_WITH_PREFIX: &str = "DELETE_WITH_PREFIX";
    /// `ttlInSeconds` of a write's metadata is honoured.
    pub const TTL: &str = "TTL";
    /// A secret has several values.
    pub const MULTIPLE_KEY_VALUES: &str = "MULTIPLE_KEY_VALUES_PER_SECRET";
    /// Several messages can be published by one call.
    pub const BULK_PUBSUB: &str = "BULK_PUBSUB";
    /// `ttlInSeconds` of a message's metadata is honoured.
    pub const MESSAGE_TTL: &str = "MESSAGE_TTL";
    /// A subscription's topic may be a pattern.
    pub const SUBSCRIBE_WILDCARDS: &str = "SUBSCRIBE_WILDCARDS";
    /// Messages of a bulk subscription are not to be waited for until there are several.
    pub const BULK_SUBSCRIBE_IMMEDIATE: &str = "BULK_SUBSCRIBE_IMMEDIATE";

    /// The features of these names.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }

    /// Whether `name` is among them, letter by letter.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|feature| feature == name)
    }

    /// The names, in the component's order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl Default for Features {
    fn default() -> Self {
        Self(Arc::from([]))
    }
}
