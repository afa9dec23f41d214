//! `secretstores.local.env`: the variables of the process's own environment.
//!
//! As in Dapr, a variable that is not set has an empty value and is no error; `prefix` of the
//! metadata stands before every name; and the variables that hold the runtime's own tokens are not
//! given: `APP_API_TOKEN` and those that begin with `DAPR_`.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use replug_component::secret::{Secret, SecretStore, SecretStoreType};
use replug_component::{Context, Error, Metadata};

use crate::builtin::setting;

/// The type `secretstores.local.env`.
pub(in crate::builtin) struct EnvironmentType;

#[async_trait]
impl SecretStoreType for EnvironmentType {
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn SecretStore>, Error> {
        let prefix = setting::text(&metadata, &["prefix"])?.unwrap_or_default().to_owned();
        Ok(Arc::new(Environment { prefix, variable: |name| std::env::var(name).ok() }))
    }
}

struct Environment {
    prefix: String,
    /// The value of a variable, where it is set and is text.
    variable: fn(&str) -> Option<String>,
}

/// Whether a variable is for components to see.
fn is_given(variable: &str) -> bool {
    let variable = variable.to_ascii_uppercase();
    variable != "APP_API_TOKEN" && !variable.starts_with("DAPR_")
}

#[async_trait]
impl SecretStore for Environment {
    async fn get(&self, _cx: &Context, name: &str, _metadata: Metadata) -> Result<Secret, Error> {
        let variable = format!("{}{name}", self.prefix);
        let value = if is_given(&variable) { (self.variable)(&variable) } else { None };
        Ok(Secret::from([(name.to_owned(), value.unwrap_or_default())]))
    }

    async fn bulk_get(
        &self,
        _cx: &Context,
        _metadata: Metadata,
    ) -> Result<HashMap<String, Secret>, Error> {
        // Those that are no text cannot be told.
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let given = names.filter(|name| is_given(name)).filter_map(|variable| {
            let name = variable.strip_prefix(&self.prefix)?.to_owned();
            let value = (self.variable)(&variable)?;
            Some((name.clone(), Secret::from([(name, value)])))
        });
        Ok(given.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(prefix: &str) -> Environment {
        let variable = |name: &str| {
            matches!(name, "SHOP_PIN" | "DAPR_API_TOKEN" | "APP_API_TOKEN").then(|| "1234".into())
        };
        Environment { prefix: prefix.into(), variable }
    }

    #[tokio::test]
    async fn a_variable_is_a_secret_and_one_that_is_not_set_is_empty() {
        let cx = Context::default();
        let got = store("SHOP_").get(&cx, "PIN", Metadata::new()).await.unwrap();
        assert_eq!(got["PIN"], "1234");
        let got = store("").get(&cx, "NOT_SET", Metadata::new()).await.unwrap();
        assert_eq!(got["NOT_SET"], "");
    }

    #[tokio::test]
    async fn tokens_of_the_runtime_are_not_given_in_any_spelling() {
        let cx = Context::default();
        for (prefix, name) in
            [("", "DAPR_API_TOKEN"), ("DAPR_", "API_TOKEN"), ("", "APP_API_TOKEN")]
        {
            let got = store(prefix).get(&cx, name, Metadata::new()).await.unwrap();
            assert_eq!(got[name], "", "{prefix}{name}");
        }
        assert!(!is_given("dapr_api_token"));
    }

    #[tokio::test]
    async fn all_of_them_are_those_with_the_prefix() {
        let store = EnvironmentType.open(Metadata::new()).await.unwrap();
        let all = store.bulk_get(&Context::default(), Metadata::new()).await.unwrap();
        // Set by cargo for every test.
        let name = "CARGO_PKG_NAME";
        assert_eq!(all[name], Secret::from([(name.to_owned(), "replug-runtime".to_owned())]));
        let prefix = Metadata::from([("Prefix".to_owned(), "CARGO_PKG_".to_owned())]);
        let store = EnvironmentType.open(prefix).await.unwrap();
        let some = store.bulk_get(&Context::default(), Metadata::new()).await.unwrap();
        assert_eq!(some["NAME"]["NAME"], "replug-runtime");
        assert!(some.len() < all.len());
    }
}
