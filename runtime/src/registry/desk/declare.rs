//! What a declaration makes of a component: its place, what it means beside its metadata, and what
//! serves it first.

use std::sync::Arc;

use arc_swap::ArcSwap;
use replug_component::{BuildingBlock, ComponentType};

use super::super::place::{Place, Rules};
use super::super::record::{Record, Served};
use super::super::{DeclareError, PubSubComponent, StateComponent, View};
use super::{Desk, Task};
use crate::component::{ComponentSpec, DeclaredMetadata, MetadataValue};
use crate::encryption::DeclaredKeys;
use crate::key_prefix::KeyPrefix;
use crate::slot::Slot;
use crate::topics::Topics;

/// The setting that says which subscribers share a topic's messages.
const CONSUMER_ID: &str = "consumerID";

impl Desk {
    pub(in crate::registry) fn declare(
        &mut self,
        mut spec: ComponentSpec,
        view: &mut View,
    ) -> Result<Vec<Task>, DeclareError> {
        self.complete(&mut spec);
        if self.records.iter().any(|record| record.spec.name == spec.name) {
            return Err(DeclareError::Duplicate(spec.name));
        }
        let (place, keys) = (self.place(&spec)?, encryption_keys(&spec)?);
        match &place {
            Place::State(state) => {
                view.states.insert(spec.name.clone(), state.clone());
            }
            Place::Hello(hello) => {
                view.hellos.insert(spec.name.clone(), hello.clone());
            }
            Place::Secrets(secrets) => {
                view.secrets.insert(spec.name.clone(), secrets.clone());
            }
            Place::PubSub(pubsub) => {
                view.pubsubs.insert(spec.name.clone(), pubsub.clone());
            }
            Place::Binding(binding) => {
                view.bindings.insert(spec.name.clone(), binding.clone());
            }
        }
        let component_type = spec.component_type.clone();
        let mut record = Record { spec, keys, place, served: Served::Nobody };
        let claims = self.types.get(&component_type);
        let tasks = record.serve(claims, &self.standby, &mut self.turn);
        self.records.push(record);
        Ok(tasks)
    }

    fn place(&self, spec: &ComponentSpec) -> Result<Place, DeclareError> {
        let waiting = nobody_serves(&spec.component_type);
        match spec.component_type.block() {
            BuildingBlock::State => {
                let keys = ArcSwap::from_pointee(self.keys(spec)?);
                let slot = Slot::new(spec.clone(), &waiting);
                Ok(Place::State(Arc::new(StateComponent { slot, keys })))
            }
            BuildingBlock::Hello => Ok(Place::Hello(Arc::new(Slot::new(spec.clone(), &waiting)))),
            BuildingBlock::SecretStores => {
                Ok(Place::Secrets(Arc::new(Slot::new(spec.clone(), &waiting))))
            }
            BuildingBlock::PubSub => {
                let topics = ArcSwap::from_pointee(self.topics(spec)?);
                let slot = Slot::new(spec.clone(), &waiting);
                Ok(Place::PubSub(Arc::new(PubSubComponent { slot, topics })))
            }
            BuildingBlock::Bindings => {
                Ok(Place::Binding(Arc::new(Slot::new(spec.clone(), &waiting))))
            }
            block => Err(DeclareError::UnsupportedBlock { name: spec.name.clone(), block }),
        }
    }

    /// What a declaration leaves to the runtime.
    pub(super) fn complete(&self, spec: &mut ComponentSpec) {
        let said = |metadata: &DeclaredMetadata| {
            metadata.keys().any(|name| name.eq_ignore_ascii_case(CONSUMER_ID))
        };
        if spec.component_type.block() == BuildingBlock::PubSub && !said(&spec.metadata) {
            let own = MetadataValue::Plain(self.app_id.clone());
            spec.metadata.insert(CONSUMER_ID.to_owned(), own);
        }
    }

    /// What it means beside its metadata.
    pub(super) fn rules(&self, spec: &ComponentSpec) -> Result<Rules, DeclareError> {
        Ok(match spec.component_type.block() {
            BuildingBlock::State => Rules::Keys(self.keys(spec)?),
            BuildingBlock::PubSub => Rules::Topics(self.topics(spec)?),
            _ => Rules::None,
        })
    }

    fn topics(&self, spec: &ComponentSpec) -> Result<Topics, DeclareError> {
        let namespace = spec.namespaced.then_some(self.namespace.as_str());
        let topics = Topics::new(&spec.metadata, &self.app_id, namespace);
        topics.map_err(|error| DeclareError::Metadata {
            name: spec.name.clone(),
            cause: error.to_string(),
        })
    }

    /// Where the keys of a state store begin.
    fn keys(&self, spec: &ComponentSpec) -> Result<KeyPrefix, DeclareError> {
        let keys = KeyPrefix::new(&spec.metadata, &spec.name, &self.app_id, &self.namespace);
        keys.map_err(|error| DeclareError::Metadata {
            name: spec.name.clone(),
            cause: error.to_string(),
        })
    }
}

/// Where the keys to a state store's values are kept.
pub(super) fn encryption_keys(spec: &ComponentSpec) -> Result<Option<DeclaredKeys>, DeclareError> {
    DeclaredKeys::of_spec(spec).map_err(|error| DeclareError::Metadata {
        name: spec.name.clone(),
        cause: error.to_string(),
    })
}

fn nobody_serves(component_type: &ComponentType) -> String {
    format!("nothing serves {component_type} yet")
}
