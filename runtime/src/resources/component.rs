//! `kind: Component`: a component as Dapr's YAML declares it.

use std::time::Duration;

use super::fields::{FieldError, Fields};
use super::manifest::{Manifest, spec_of};
use super::template::{NAMESPACE, Names, TemplateError};
use crate::go_duration;

/// How long an initialisation may take, unless the component says otherwise.
const DEFAULT_INIT_TIMEOUT: Duration = Duration::from_secs(5);

/// A component as it is written; templates and references stand as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentResource {
    /// What applications call it.
    pub name: String,
    /// Its type as written, such as `state.redis`.
    pub component_type: String,
    /// Its version as written; empty where there is none.
    pub version: String,
    /// A failing initialisation leaves it out and ends nothing.
    pub ignore_errors: bool,
    /// How long its initialisation may take.
    pub init_timeout: Duration,
    /// What it is made with, in the order of the file.
    pub metadata: Vec<Item>,
    /// The store that its references are looked up in; empty where it names none.
    pub secret_store: String,
    /// The applications that may use it; none listed: every one.
    pub scopes: Vec<String>,
    /// `FILE:LINE` of its document.
    pub place: String,
}

/// One item of a component's metadata. `Debug` does not tell its value, which may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Item {
    /// Its name.
    pub name: String,
    /// Its value as text; none where it has none.
    pub value: Option<String>,
    /// The secret that its value comes from.
    pub secret: Option<SecretKeyRef>,
    /// The environment variable that its value comes from.
    pub env: Option<String>,
}

/// A secret of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretKeyRef {
    /// The secret.
    pub name: String,
    /// Which of its values; empty: the one that is called as the secret.
    pub key: String,
}

impl std::fmt::Debug for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Item")
            .field("name", &self.name)
            .field("secret", &self.secret)
            .field("env", &self.env)
            .finish_non_exhaustive()
    }
}

// === impl ComponentResource ===

impl ComponentResource {
    /// What the manifest declares.
    pub fn read(manifest: &Manifest) -> Result<Self, FieldError> {
        let fields = manifest.fields()?;
        let store = fields.table("auth", |auth| auth.text("secretStore"))?.flatten();
        let resource = spec_of(manifest, |spec| {
            Ok(Self {
                name: manifest.name.clone(),
                component_type: spec.text("type")?.unwrap_or_default(),
                version: spec.text("version")?.unwrap_or_default(),
                ignore_errors: spec.bool("ignoreErrors")?.unwrap_or_default(),
                init_timeout: init_timeout(spec.text("initTimeout")?.as_deref()),
                metadata: spec.tables("metadata", Item::read)?.unwrap_or_default(),
                secret_store: String::new(),
                scopes: manifest.scopes.clone(),
                place: manifest.place(),
            })
        })?;
        Ok(Self { secret_store: store.unwrap_or_default(), ..resource })
    }

    /// What the log calls it.
    #[must_use]
    pub fn log_name(&self) -> String {
        log_name(&self.name, &self.component_type, &self.version)
    }

    /// The metadata's values that are written in the file or come from the environment, templates
    /// replaced; a repeated name has its last. Also the references to secrets, as far as they name
    /// a secret, and what could not be had, for the log.
    pub fn values(&self, names: &Names) -> Result<Values, TemplateError> {
        let mut values = Values::default();
        for (at, item) in self.metadata.iter().enumerate() {
            let mut text = item.value.clone().unwrap_or_default();
            if text.is_empty()
                && let Some(variable) = item.env.as_deref().filter(|v| !v.is_empty())
            {
                match names.variable(variable) {
                    Ok(found) => text = found,
                    Err(why) => values.warnings.push(format!(
                        "Component {} references an env variable that isn't allowed: {variable}{why}",
                        self.name
                    )),
                }
            }
            values.namespaced |= text.contains(NAMESPACE);
            let text = names.replaced(&text, &[&self.name, &item.name, &at.to_string()])?;
            let secret = item.secret.clone().filter(|secret| !secret.name.is_empty());
            values.items.retain(|(name, ..)| *name != item.name);
            values.items.push((item.name.clone(), text, secret));
        }
        Ok(values)
    }
}

/// A component's metadata with templates replaced.
#[derive(Default, Clone, PartialEq, Eq)]
pub struct Values {
    /// Name, value, and the secret that is to replace the value.
    pub items: Vec<(String, String, Option<SecretKeyRef>)>,
    /// Whether one of them, a repeated name's earlier ones included, names the namespace.
    pub namespaced: bool,
    /// What could not be had, for the log.
    pub warnings: Vec<String>,
}

impl Item {
    fn read(fields: Fields<'_>) -> Result<Self, FieldError> {
        let secret = fields.table("secretKeyRef", |secret| {
            let name = secret.text("name")?.unwrap_or_default();
            Ok(SecretKeyRef { name, key: secret.text("key")?.unwrap_or_default() })
        })?;
        Ok(Self {
            name: fields.text("name")?.unwrap_or_default(),
            value: fields.node("value").map(super::yaml::Node::dynamic_text),
            secret,
            env: fields.text("envRef")?,
        })
    }
}

impl SecretKeyRef {
    /// Which of the secret's values.
    #[must_use]
    pub fn key(&self) -> &str {
        if self.key.is_empty() { &self.name } else { &self.key }
    }
}

/// `NAME (TYPE/VERSION)`, as Dapr's log calls a component; `NAME (TYPE)` where no version is given.
#[must_use]
pub fn log_name(name: &str, component_type: &str, version: &str) -> String {
    let version = if version.is_empty() { String::new() } else { format!("/{version}") };
    format!("{name} ({component_type}{version})")
}

/// As in Dapr: what is no duration is the default.
fn init_timeout(text: Option<&str>) -> Duration {
    match text {
        None | Some("") => DEFAULT_INIT_TIMEOUT,
        // For Go this is the one duration without a unit.
        Some("0") => Duration::ZERO,
        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => DEFAULT_INIT_TIMEOUT,
        Some(text) => go_duration::parse(text).unwrap_or(DEFAULT_INIT_TIMEOUT),
    }
}
