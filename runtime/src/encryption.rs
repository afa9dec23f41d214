//! Automatic encryption of state, as Dapr has it: a state store whose metadata name an encryption
//! key is given values that are encrypted already, and its answers are decrypted.
//!
//! What has to do with a component's declaration is here; the keys and the form of a stored value
//! are [`Keys`], and what stands between callers and the store is [`EncryptedStore`]. Dapr stores in
//! the clear, without a word, where a declaration gives it no key; here such a component is not made.

mod keys;
mod store;

use replug_component::BuildingBlock;

pub(crate) use self::keys::Keys;
pub(crate) use self::store::EncryptedStore;
use crate::component::{ComponentSpec, DeclaredMetadata, MetadataValue, SecretReference};
use crate::key_prefix::SEPARATOR;

/// The field that names the key with which values are encrypted.
pub const PRIMARY: &str = "primaryEncryptionKey";

/// The field that names a key with which values were encrypted before.
pub const SECONDARY: &str = "secondaryEncryptionKey";

/// Where the keys of one state store are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredKeys {
    /// What values are encrypted with.
    pub primary: SecretReference,
    /// What values may have been encrypted with before.
    pub secondary: Option<SecretReference>,
}

/// Why a declaration names no keys that could be used. None of these tells a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// A name that Dapr would not know, so that values would be stored in the clear.
    #[error("`{written}` has to be written `{meant}`")]
    Misspelt {
        /// As it is written.
        written: String,
        /// As it has to be.
        meant: &'static str,
    },
    /// The key stands in the declaration, or comes from elsewhere, and has no name then.
    #[error("`{0}` has to be kept by a secret store, whose secret's name is the key's")]
    NotKept(&'static str),
    /// There is nothing to encrypt with.
    #[error("`{SECONDARY}` is of no use without `{PRIMARY}`")]
    NoPrimary,
    /// The name ends every value that is stored, behind the separator.
    #[error(
        "the secret of `{0}` has `{SEPARATOR}` in its name, which parts the name from the value"
    )]
    Separator(&'static str),
}

/// Whether metadata of this name tell of an encryption key, written rightly or not.
#[must_use]
pub fn is_key(name: &str) -> bool {
    name.eq_ignore_ascii_case(PRIMARY) || name.eq_ignore_ascii_case(SECONDARY)
}

// === impl DeclaredKeys ===

impl DeclaredKeys {
    /// The keys that a state store's metadata name; none where its values are stored as they are.
    pub fn of(metadata: &DeclaredMetadata) -> Result<Option<Self>, KeysError> {
        for meant in [PRIMARY, SECONDARY] {
            let same = |name: &&String| name.eq_ignore_ascii_case(meant) && *name != meant;
            if let Some(written) = metadata.keys().find(same) {
                return Err(KeysError::Misspelt { written: written.clone(), meant });
            }
        }
        let kept = |name| metadata.get(name).map(|value| kept(name, value)).transpose();
        match (kept(PRIMARY)?, kept(SECONDARY)?) {
            (Some(primary), secondary) => Ok(Some(Self { primary, secondary })),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(KeysError::NoPrimary),
        }
    }

    /// Those of a component of any building block.
    pub(crate) fn of_spec(spec: &ComponentSpec) -> Result<Option<Self>, KeysError> {
        match spec.component_type.block() {
            BuildingBlock::State => Self::of(&spec.metadata),
            _ => Ok(None),
        }
    }

    /// What is to be asked for.
    pub(crate) fn references(&self) -> impl Iterator<Item = &SecretReference> {
        std::iter::once(&self.primary).chain(&self.secondary)
    }
}

/// What a component is made with: a state store is not given the keys to its own values.
pub(crate) fn without_keys(spec: &ComponentSpec) -> DeclaredMetadata {
    let mut metadata = spec.metadata.clone();
    if spec.component_type.block() == BuildingBlock::State {
        metadata.retain(|name, _| !is_key(name));
    }
    metadata
}

fn kept(name: &'static str, value: &MetadataValue) -> Result<SecretReference, KeysError> {
    let reference = value.reference().ok_or(KeysError::NotKept(name))?;
    if reference.name.contains(SEPARATOR) {
        return Err(KeysError::Separator(name));
    }
    Ok(reference.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(name: &str) -> SecretReference {
        SecretReference { store: "vault".to_owned(), name: name.to_owned(), key: None }
    }

    fn declared(fields: &[(&str, MetadataValue)]) -> Result<Option<DeclaredKeys>, String> {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        DeclaredKeys::of(&fields.collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_are_what_secret_stores_keep() {
        let first = || MetadataValue::Reference(reference("first"));
        let second = || MetadataValue::Wish {
            reference: reference("second"),
            instead: Some("0f".to_owned()),
            names: std::sync::Arc::default(),
        };
        assert_eq!(declared(&[("table", "a".into())]), Ok(None));
        let both =
            DeclaredKeys { primary: reference("first"), secondary: Some(reference("second")) };
        assert_eq!(declared(&[(PRIMARY, first()), (SECONDARY, second())]), Ok(Some(both)));
        let alone = DeclaredKeys { primary: reference("second"), secondary: None };
        assert_eq!(declared(&[(PRIMARY, second())]), Ok(Some(alone)));
    }

    #[test]
    fn what_would_store_in_the_clear_is_refused() {
        let first = || MetadataValue::Reference(reference("first"));
        let told = |fields: &[(&str, MetadataValue)]| declared(fields).unwrap_err();
        assert_eq!(
            told(&[(SECONDARY, first())]),
            "`secondaryEncryptionKey` is of no use without `primaryEncryptionKey`"
        );
        assert_eq!(
            told(&[("PrimaryEncryptionKey", first())]),
            "`PrimaryEncryptionKey` has to be written `primaryEncryptionKey`"
        );
        let kept = "`primaryEncryptionKey` has to be kept by a secret store, whose secret's name is \
                    the key's";
        assert_eq!(told(&[(PRIMARY, "000102".into())]), kept);
        assert_eq!(told(&[(PRIMARY, MetadataValue::Secret("000102".into()))]), kept);
        assert_eq!(told(&[(PRIMARY, "".into())]), kept);
        assert_eq!(
            told(&[(PRIMARY, first()), (SECONDARY, MetadataValue::Reference(reference("a||b")))]),
            "the secret of `secondaryEncryptionKey` has `||` in its name, which parts the name from \
             the value"
        );
    }
}
