//! Under which keys a component's state is stored: Dapr's `keyPrefix`.

use crate::component::DeclaredMetadata;

/// What stands between the prefix and the application's key in a stored key.
pub const SEPARATOR: &str = "||";

/// The prefix of one component's keys, worked out once from its metadata `keyPrefix` (name in any
/// case, value in lower case): `appid` (the default), `name`, `namespace`, `none`, or a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPrefix {
    /// With the separator at its end; empty where keys are stored as they are.
    prefix: Box<str>,
}

/// A key that no application may use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("input key/keyPrefix '{0}' can't contain '||'")]
pub struct IllegalKey(pub String);

/// A component whose keys cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyPrefixError {
    /// The prefix has the separator in it.
    #[error(transparent)]
    Illegal(#[from] IllegalKey),
    /// It is kept by a secret store, and keys have to be known before that can be asked.
    #[error("`keyPrefix` cannot be what a secret store keeps")]
    Secret,
}

impl KeyPrefix {
    /// The prefix of the component `name` in the application `app_id`. `namespace` is the
    /// environment's, empty where there is none.
    pub fn new(
        metadata: &DeclaredMetadata,
        name: &str,
        app_id: &str,
        namespace: &str,
    ) -> Result<Self, KeyPrefixError> {
        let declared = metadata
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case("keyprefix"))
            .map(|(_, value)| value.text().map(str::to_lowercase).ok_or(KeyPrefixError::Secret))
            .transpose()?
            .unwrap_or_default();
        if declared.contains(SEPARATOR) {
            return Err(IllegalKey(declared).into());
        }
        let prefix = match declared.as_str() {
            "" | "appid" => app_id.to_owned(),
            "namespace" if namespace.is_empty() || app_id.is_empty() => app_id.to_owned(),
            "namespace" => format!("{namespace}.{app_id}"),
            "name" => name.to_owned(),
            "none" => String::new(),
            constant => constant.to_owned(),
        };
        let separator = if prefix.is_empty() { "" } else { SEPARATOR };
        Ok(Self { prefix: format!("{prefix}{separator}").into() })
    }

    /// The key that is stored for the application's `key`.
    pub fn stored(&self, key: &str) -> Result<String, IllegalKey> {
        if key.contains(SEPARATOR) {
            return Err(IllegalKey(key.to_owned()));
        }
        let mut stored = String::with_capacity(self.prefix.len() + key.len());
        stored.push_str(&self.prefix);
        stored.push_str(key);
        Ok(stored)
    }
}

/// The application's key of a stored one: what stands between the first and the second separator,
/// or the whole where there is none.
#[must_use]
pub fn original(stored: &str) -> &str {
    stored.split(SEPARATOR).nth(1).unwrap_or(stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(prefix: Option<&str>, namespace: &str) -> String {
        let metadata =
            prefix.map(|prefix| ("KeyPrefix".to_owned(), prefix.into())).into_iter().collect();
        KeyPrefix::new(&metadata, "orders", "shop", namespace).unwrap().stored("k").unwrap()
    }

    #[test]
    fn each_strategy_gives_its_prefix() {
        assert_eq!(stored(None, ""), "shop||k");
        assert_eq!(stored(Some("appid"), ""), "shop||k");
        assert_eq!(stored(Some("NAME"), ""), "orders||k");
        assert_eq!(stored(Some("namespace"), "prod"), "prod.shop||k");
        assert_eq!(stored(Some("namespace"), ""), "shop||k");
        assert_eq!(stored(Some("none"), ""), "k");
        assert_eq!(stored(Some("MyApp"), ""), "myapp||k");
    }

    #[test]
    fn the_separator_is_refused_in_keys_and_prefixes() {
        let metadata = DeclaredMetadata::from([("keyPrefix".to_owned(), "a||b".into())]);
        assert!(KeyPrefix::new(&metadata, "orders", "shop", "").is_err());
        let prefix = KeyPrefix::new(&DeclaredMetadata::new(), "orders", "shop", "").unwrap();
        assert_eq!(prefix.stored("a||b"), Err(IllegalKey("a||b".into())));
    }

    #[test]
    fn the_original_key_is_what_the_application_wrote() {
        assert_eq!(original("shop||k"), "k");
        assert_eq!(original("k"), "k");
        assert_eq!(original("a||b||c"), "b");
    }
}
