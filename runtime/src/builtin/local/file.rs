//! `secretstores.local.file`: a JSON object in a file, read once when the component is made.
//!
//! Objects and lists inside it are flattened: `{"a": {"b": "x"}}` is the secret `a:b`, with `:` or
//! what `nestedSeparator` says. With `multiValued` each member of the outermost object is one secret,
//! and what is flattened inside it are its values. A value that is no text is given as its JSON text,
//! where Dapr's own gives broken text.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use replug_component::secret::{Secret, SecretStore, SecretStoreType};
use replug_component::{Context, Error, Features, Metadata};
use serde_json::{Map, Value};

use crate::builtin::setting;

const DEFAULT_SEPARATOR: &str = ":";

/// The type `secretstores.local.file`.
pub(in crate::builtin) struct FileType;

#[async_trait]
impl SecretStoreType for FileType {
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn SecretStore>, Error> {
        let path = setting::text(&metadata, &["secretsFile"])?.filter(|path| !path.is_empty());
        let path = path.ok_or_else(|| {
            Error::Invalid("`secretsFile` is missing: write the path of a JSON file".into())
        })?;
        let separator = setting::text(&metadata, &["nestedSeparator"])?.filter(|it| !it.is_empty());
        let separator = separator.unwrap_or(DEFAULT_SEPARATOR).to_owned();
        let multi_valued = setting::truth(&metadata, "multiValued")?;
        let path = PathBuf::from(path);
        let wrong =
            |what: String| Error::Failed(format!("secrets file {}: {what}", path.display()));
        let text = tokio::fs::read(&path).await.map_err(|error| wrong(error.to_string()))?;
        let members: Map<String, Value> = serde_json::from_slice(&text)
            .map_err(|error| wrong(format!("is no JSON object: {error}")))?;
        let secrets = if multi_valued {
            several_valued(members, &separator)
        } else {
            let flat = flattened(members, &separator).into_iter();
            flat.map(|(name, value)| (name.clone(), Secret::from([(name, value)]))).collect()
        };
        Ok(Arc::new(SecretsFile { secrets, multi_valued }))
    }
}

struct SecretsFile {
    secrets: HashMap<String, Secret>,
    multi_valued: bool,
}

fn several_valued(members: Map<String, Value>, separator: &str) -> HashMap<String, Secret> {
    let secret = |(name, value): (String, Value)| match value {
        Value::Object(inner) => (name, flattened(inner, separator)),
        value => {
            let mut secret = Secret::new();
            flatten(name.clone(), value, separator, &mut secret);
            (name, secret)
        }
    };
    members.into_iter().map(secret).collect()
}

fn flattened(members: Map<String, Value>, separator: &str) -> Secret {
    let mut flat = Secret::new();
    for (name, value) in members {
        flatten(name, value, separator, &mut flat);
    }
    flat
}

/// Puts what is at `name` into `flat`. The JSON parser bounds how deep this goes.
fn flatten(name: String, value: Value, separator: &str, flat: &mut Secret) {
    match value {
        Value::Object(members) => {
            for (inner, value) in members {
                flatten(format!("{name}{separator}{inner}"), value, separator, flat);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.into_iter().enumerate() {
                flatten(format!("{name}{separator}{index}"), value, separator, flat);
            }
        }
        Value::String(text) => {
            flat.insert(name, text);
        }
        other => {
            flat.insert(name, other.to_string());
        }
    }
}

#[async_trait]
impl SecretStore for SecretsFile {
    fn features(&self) -> Features {
        Features::new(self.multi_valued.then_some(Features::MULTIPLE_KEY_VALUES))
    }

    async fn get(&self, _cx: &Context, name: &str, _metadata: Metadata) -> Result<Secret, Error> {
        let secret = self.secrets.get(name).cloned();
        secret.ok_or_else(|| Error::Failed(format!("secret {name} not found")))
    }

    async fn bulk_get(
        &self,
        _cx: &Context,
        _metadata: Metadata,
    ) -> Result<HashMap<String, Secret>, Error> {
        Ok(self.secrets.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENT: &str = r#"{
        "pin": "1234",
        "db": {"user": "u", "hosts": ["a", "b"], "inner": {"port": 5432, "tls": true}}
    }"#;

    async fn open(content: &str, more: &[(&str, &str)]) -> Result<Arc<dyn SecretStore>, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.json");
        std::fs::write(&path, content).unwrap();
        let file = ("secretsFile", path.to_str().unwrap());
        let metadata = more.iter().chain([&file]);
        let metadata = metadata.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        FileType.open(metadata.collect()).await
    }

    async fn all(store: &dyn SecretStore) -> HashMap<String, Secret> {
        store.bulk_get(&Context::default(), Metadata::new()).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_nested_is_flattened_with_the_separator() {
        let store = open(CONTENT, &[("nestedSeparator", ".")]).await.unwrap();
        let cx = Context::default();
        let got = store.get(&cx, "db.hosts.1", Metadata::new()).await.unwrap();
        assert_eq!(got, Secret::from([("db.hosts.1".to_owned(), "b".to_owned())]));
        let all = all(&*store).await;
        assert_eq!(all["db.inner.port"]["db.inner.port"], "5432");
        assert_eq!(all.len(), 6);
        let missing = store.get(&cx, "db", Metadata::new()).await.unwrap_err();
        assert_eq!(missing.to_string(), "secret db not found");
        assert!(!store.features().has(Features::MULTIPLE_KEY_VALUES));
    }

    #[tokio::test]
    async fn a_multi_valued_secret_is_a_member_with_what_is_in_it() {
        let store = open(CONTENT, &[("multiValued", "true")]).await.unwrap();
        assert!(store.features().has(Features::MULTIPLE_KEY_VALUES));
        let all = all(&*store).await;
        assert_eq!(all.len(), 2);
        assert_eq!(all["pin"], Secret::from([("pin".to_owned(), "1234".to_owned())]));
        assert_eq!(all["db"]["inner:tls"], "true");
        assert_eq!(all["db"]["user"], "u");
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_or_no_object_is_named() {
        let error = FileType.open(Metadata::new()).await.err().unwrap().to_string();
        assert!(error.contains("`secretsFile` is missing"), "{error}");
        let error = open("[1]", &[]).await.err().unwrap().to_string();
        assert!(error.contains("secrets.json: is no JSON object"), "{error}");
        let absent = Metadata::from([("secretsFile".to_owned(), "/does/not/exist".to_owned())]);
        let error = FileType.open(absent).await.err().unwrap().to_string();
        assert!(error.contains("/does/not/exist: No such file"), "{error}");
    }
}
