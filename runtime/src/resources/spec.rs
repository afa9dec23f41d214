//! From a component as YAML declares it to the one that the registry takes.

use std::sync::Arc;

use replug_component::{BuildingBlock, ComponentType};

use super::component::ComponentResource;
use super::template::{Names, TemplateError};
use crate::component::{
    ComponentSpec, DeclaredMetadata, HoldPolicy, MetadataValue, SecretReference,
};
use crate::encryption::{self, DeclaredKeys, KeysError};

/// A component as the registry takes it, and what could not be had of it, for the log.
#[derive(Debug, Clone)]
pub struct Specified {
    /// The component.
    pub spec: ComponentSpec,
    /// What could not be had.
    pub warnings: Vec<String>,
}

/// Why a resource is no component.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Its type is of no building block that replug has.
    #[error("incorrect type {0}")]
    Type(String),
    /// Its type is of a building block of Dapr that replug does not have.
    #[error("{0}: replug does not have this building block")]
    Missing(String),
    /// It has neither a type nor a version.
    #[error("`spec.type` is missing; write a component type, such as state.redis")]
    NoType,
    /// One of its values cannot be made.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Its values are to be encrypted, and could not be.
    #[error(transparent)]
    Keys(#[from] KeysError),
}

impl ComponentResource {
    /// The component, of the application and in the environment that `names` tells of.
    pub fn specified(&self, names: &Names) -> Result<Specified, SpecError> {
        if self.component_type.is_empty() {
            return Err(SpecError::NoType);
        }
        let component_type: ComponentType =
            self.component_type.parse().map_err(|_| self.unknown_block())?;
        let mut values = self.values(names)?;
        let mut metadata = DeclaredMetadata::new();
        let mut without_store = false;
        let mut shared = None;
        for (name, value, secret) in values.items {
            let value = match secret {
                Some(secret) if !self.secret_store.is_empty() => {
                    let key = Some(secret.key).filter(|key| !key.is_empty());
                    let store = self.secret_store.clone();
                    let reference = SecretReference { store, name: secret.name, key };
                    let names = shared.get_or_insert_with(|| Arc::new(names.clone())).clone();
                    let instead = Some(value).filter(|value| !value.is_empty());
                    MetadataValue::Wish { reference, instead, names }
                }
                // A key that cannot be asked for is told below, not left out.
                Some(_) if value.is_empty() && !encryption::is_key(&name) => {
                    without_store = true;
                    continue;
                }
                Some(_) => {
                    without_store = true;
                    MetadataValue::Plain(value)
                }
                None => MetadataValue::Plain(value),
            };
            metadata.insert(name, value);
        }
        if component_type.block() == BuildingBlock::State {
            DeclaredKeys::of(&metadata)?;
        }
        if without_store {
            let name = &self.name;
            values
                .warnings
                .push(format!("Component {name} references a secret store that isn't loaded: "));
        }
        let spec = ComponentSpec {
            name: self.name.clone(),
            component_type,
            version: self.version.clone(),
            metadata,
            namespaced: values.namespaced,
            hold: HoldPolicy::default(),
        };
        Ok(Specified { spec, warnings: values.warnings })
    }

    /// What is wrong with its type, in Dapr's words.
    fn unknown_block(&self) -> SpecError {
        let Self { component_type, version, .. } = self;
        let whole = format!("{component_type}/{version}");
        let is_of = |block: &str| component_type.starts_with(block);
        if is_of("middleware.http.") {
            SpecError::Missing(format!("HTTP middleware {whole} has not been registered"))
        } else if is_of("crypto.") {
            SpecError::Missing(format!("couldn't find crypto provider {whole}"))
        } else if is_of("conversation.") {
            SpecError::Missing(format!("couldn't find conversation {whole}"))
        } else {
            SpecError::Type(component_type.clone())
        }
    }
}
