//! What a component is made with, as it is declared: texts, and secrets that a secret store keeps.
//!
//! A reference stands where the text will be that it refers to. The registry asks the store for it
//! before each initialisation of the component, so that nothing else ever holds the value.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::resources::Names;

/// What a component is made with, as it is declared.
pub type DeclaredMetadata = HashMap<String, MetadataValue>;

/// A value of a component's metadata. `Debug` tells its kind and no text, which may be a secret
/// that somebody wrote down plainly.
#[derive(Clone, PartialEq, Eq)]
pub enum MetadataValue {
    /// A text, as it was written.
    Plain(String),
    /// A text that came from elsewhere and is shown by nothing.
    Secret(Arc<str>),
    /// What a secret store keeps. There is no component without it.
    Reference(SecretReference),
    /// What a secret store keeps, with templates in it replaced, or a text where the store does not
    /// give it, or nothing: as Dapr takes `secretKeyRef` and the `value` beside it.
    Wish {
        /// Where the text is kept.
        reference: SecretReference,
        /// What stands for it otherwise.
        instead: Option<String>,
        /// What its templates stand for.
        names: Arc<Names>,
    },
}

/// A secret that is kept by a secret store component.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretReference {
    /// The component that keeps it.
    pub store: String,
    /// What it is called there.
    pub name: String,
    /// Which of its values is meant, where it has several; else the only one, or the one under the
    /// secret's own name.
    pub key: Option<String>,
}

// === impl MetadataValue ===

impl MetadataValue {
    /// The text, where it is known already. Not to be shown.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Plain(text) => Some(text),
            Self::Secret(text) => Some(text),
            Self::Reference(_) | Self::Wish { .. } => None,
        }
    }

    /// What it refers to, where it does.
    #[must_use]
    pub fn reference(&self) -> Option<&SecretReference> {
        match self {
            Self::Reference(reference) | Self::Wish { reference, .. } => Some(reference),
            Self::Plain(_) | Self::Secret(_) => None,
        }
    }
}

impl From<&str> for MetadataValue {
    fn from(text: &str) -> Self {
        Self::Plain(text.to_owned())
    }
}

impl fmt::Debug for MetadataValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(_) => f.write_str("Plain"),
            Self::Secret(_) => f.write_str("Secret"),
            Self::Reference(reference) => f.debug_tuple("Reference").field(reference).finish(),
            Self::Wish { reference, .. } => f.debug_tuple("Wish").field(reference).finish(),
        }
    }
}

// === impl SecretReference ===

/// As people write it: `STORE/NAME`, with the key behind it where there is one.
impl fmt::Display for SecretReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, name, key } = self;
        write!(f, "{store}/{name}")?;
        key.as_ref().map_or(Ok(()), |key| write!(f, " (key {key})"))
    }
}
