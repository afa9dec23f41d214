//! Built-in components: component types that replug has without a plugin.
//!
//! A folder per technology, and in it whatever implements a building block's trait; the tables
//! here name them. A built-in knows nothing of registries, APIs or processes: the same object runs
//! inside the runtime and, served by the SDK, in a process of its own. To add one, copy the folder
//! that is nearest to it, implement the trait, and add a line to [`types`].

mod cron;
mod etag;
mod etcd;
mod hello;
mod http;
mod jetstream;
mod local;
mod memory;
mod postgresql;
mod query;
mod redis;
mod setting;
mod sqlite;
mod tls;
mod ttl;

use std::sync::Arc;

use replug_component::binding::{BindingType, InputBindingType, OutputBindingType};
use replug_component::hello::HelloType;
use replug_component::pubsub::PubSubType;
use replug_component::secret::SecretStoreType;
use replug_component::state::StateStoreType;
use replug_component::{BuildingBlock, ComponentType, Error, Features};

/// A component type that is built in.
#[derive(Clone)]
pub enum Builtin {
    /// It makes state stores.
    State(ComponentType, Arc<dyn StateStoreType>),
    /// It makes greeting components.
    Hello(ComponentType, Arc<dyn HelloType>),
    /// It makes secret stores.
    Secrets(ComponentType, Arc<dyn SecretStoreType>),
    /// It makes pubsub components.
    PubSub(ComponentType, Arc<dyn PubSubType>),
    /// It makes bindings.
    Binding(ComponentType, BindingType),
}

impl Builtin {
    /// What it is called.
    #[must_use]
    pub fn component_type(&self) -> &ComponentType {
        match self {
            Self::State(component_type, _)
            | Self::Hello(component_type, _)
            | Self::Secrets(component_type, _)
            | Self::PubSub(component_type, _)
            | Self::Binding(component_type, _) => component_type,
        }
    }
}

/// Every component type that is built in. Making this list opens nothing.
#[must_use]
pub fn types() -> Vec<Builtin> {
    vec![
        state("in-memory", memory::MemoryType),
        state("etcd", etcd::EtcdType(etcd::Layout::V1)),
        state("etcd.v2", etcd::EtcdType(etcd::Layout::V2)),
        state("postgresql", postgresql::PostgresType(postgresql::Layout::V1)),
        state("postgresql.v2", postgresql::PostgresType(postgresql::Layout::V2)),
        state("redis", redis::RedisStateType),
        state("sqlite", sqlite::SqliteType),
        hello("helloworld", hello::HelloWorldType),
        pubsub("in-memory", memory::BusType),
        pubsub("jetstream", jetstream::JetStreamType),
        pubsub("redis", redis::RedisPubSubType),
        secrets("local.env", local::EnvironmentType),
        secrets("local.file", local::FileType),
        input("cron", cron::CronType),
        output("http", http::HttpType),
        output("localstorage", local::StorageType),
        output("redis", redis::RedisBindingType),
    ]
}

/// The built-in of this type, where there is one.
#[must_use]
pub fn find(component_type: &ComponentType) -> Option<Builtin> {
    types().into_iter().find(|builtin| builtin.component_type() == component_type)
}

/// The built-in of this type in a version of it, such as `v2`. A later version is a type of its own
/// too: `state.postgresql.v2`.
#[must_use]
pub fn find_version(component_type: &ComponentType, version: &str) -> Option<Builtin> {
    if is_first_version(version) {
        return find(component_type);
    }
    let name = format!("{}.{}", component_type.name(), version.to_lowercase());
    find(&ComponentType::new(component_type.block(), &name))
}

/// Whether Dapr would know a component of this type in that version: the first, which every type has,
/// or a later one of a built-in.
#[must_use]
pub fn has_version(component_type: &ComponentType, version: &str) -> bool {
    is_first_version(version) || find_version(component_type, version).is_some()
}

fn is_first_version(version: &str) -> bool {
    ["", "v0", "v1"].iter().any(|first| first.eq_ignore_ascii_case(version))
}

fn state(name: &str, of: impl StateStoreType) -> Builtin {
    Builtin::State(ComponentType::new(BuildingBlock::State, name), Arc::new(of))
}

fn hello(name: &str, of: impl HelloType) -> Builtin {
    Builtin::Hello(ComponentType::new(BuildingBlock::Hello, name), Arc::new(of))
}

fn secrets(name: &str, of: impl SecretStoreType) -> Builtin {
    Builtin::Secrets(ComponentType::new(BuildingBlock::SecretStores, name), Arc::new(of))
}

fn pubsub(name: &str, of: impl PubSubType) -> Builtin {
    Builtin::PubSub(ComponentType::new(BuildingBlock::PubSub, name), Arc::new(of))
}

fn input(name: &str, of: impl InputBindingType) -> Builtin {
    let of = BindingType { input: Some(Arc::new(of)), output: None };
    Builtin::Binding(ComponentType::new(BuildingBlock::Bindings, name), of)
}

fn output(name: &str, of: impl OutputBindingType) -> Builtin {
    let of = BindingType { input: None, output: Some(Arc::new(of)) };
    Builtin::Binding(ComponentType::new(BuildingBlock::Bindings, name), of)
}

/// What Dapr says of its state stores of these names, `more` behind it. Metadata is to look the same:
/// queries, which replug has of some and Dapr of none, are not named.
fn store_features(more: &[&'static str]) -> Features {
    let usual = [Features::ETAG, Features::TRANSACTIONAL, Features::TTL];
    Features::new(usual.iter().chain(more).copied())
}

/// One result of the results of a bulk request: what failed is in it.
fn joined(results: impl Iterator<Item = Result<(), Error>>) -> Result<(), Error> {
    let errors: Vec<Error> = results.filter_map(Result::err).collect();
    if errors.is_empty() { Ok(()) } else { Err(Error::Bulk(errors)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_builtin_is_found_by_its_type_in_any_case() {
        let found = find(&"state.SQLite".parse().unwrap()).unwrap();
        assert_eq!(found.component_type().as_str(), "state.sqlite");
        assert!(find(&"state.rediss".parse().unwrap()).is_none());
    }

    #[test]
    fn a_later_version_is_found_by_its_number() {
        let found = |name: &str, version| {
            let found = find_version(&name.parse().unwrap(), version);
            found.map(|builtin| builtin.component_type().to_string())
        };
        let v2 = Some("state.postgresql.v2".to_owned());
        assert_eq!(found("state.postgresql", "v2"), v2);
        assert_eq!(found("state.postgresql.v2", "v1"), v2);
        assert_eq!(found("state.postgresql", "v1").as_deref(), Some("state.postgresql"));
        assert_eq!(found("state.sqlite", "V1").as_deref(), Some("state.sqlite"));
        assert_eq!(found("state.sqlite", "v2"), None);
    }
}
