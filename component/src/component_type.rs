//! Names of component types: `BLOCK.NAME`, such as `state.redis`.

use std::fmt;
use std::str::FromStr;

/// A capability that applications call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BuildingBlock {
    /// Keys and values.
    State,
    /// Messages to whoever subscribes.
    PubSub,
    /// Events from and calls to the outside.
    Bindings,
    /// Secrets.
    SecretStores,
    /// Configuration items that can be watched.
    Configuration,
    /// Locks that several applications share.
    Lock,
    /// Layotto's greeting, the smallest block there is.
    Hello,
}

impl BuildingBlock {
    /// Every building block.
    pub const ALL: [Self; 7] = [
        Self::State,
        Self::PubSub,
        Self::Bindings,
        Self::SecretStores,
        Self::Configuration,
        Self::Lock,
        Self::Hello,
    ];

    /// The first part of the block's component types, as in Dapr's `spec.type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::PubSub => "pubsub",
            Self::Bindings => "bindings",
            Self::SecretStores => "secretstores",
            Self::Configuration => "configuration",
            Self::Lock => "lock",
            Self::Hello => "hello",
        }
    }
}

impl fmt::Display for BuildingBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something components can be made from: `state.redis` is the building block `state` and the name
/// `redis`. As in Dapr, the block is written in lower case and the name counts in any case; it is
/// kept in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ComponentType {
    block: BuildingBlock,
    full: Box<str>,
}

impl ComponentType {
    /// The type `BLOCK.NAME`. An empty name is refused by [`FromStr`] only; here the caller has one.
    #[must_use]
    pub fn new(block: BuildingBlock, name: &str) -> Self {
        let full = format!("{}.{}", block.as_str(), name.to_lowercase()).into_boxed_str();
        Self { block, full }
    }

    /// The building block it belongs to.
    #[must_use]
    pub fn block(&self) -> BuildingBlock {
        self.block
    }

    /// The part after the block: `redis` of `state.redis`, `in-memory` of `state.in-memory`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.full[self.block.as_str().len() + 1..]
    }

    /// The whole name: `state.redis`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.full
    }
}

impl fmt::Display for ComponentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}

/// Why a text is no component type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComponentTypeError {
    /// There is no `.NAME`.
    #[error("`{0}` is no component type: write BLOCK.NAME, such as `state.sqlite`")]
    NoName(String),
    /// The block is not one that exists.
    #[error("`{block}` is no building block; there are {}", block_names())]
    UnknownBlock {
        /// What stands before the first dot.
        block: String,
    },
}

fn block_names() -> String {
    BuildingBlock::ALL.map(BuildingBlock::as_str).join(", ")
}

impl FromStr for ComponentType {
    type Err = ComponentTypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (block, name) = match text.split_once('.') {
            Some((block, name)) if !name.is_empty() => (block, name),
            _ => return Err(ComponentTypeError::NoName(text.to_owned())),
        };
        BuildingBlock::ALL
            .into_iter()
            .find(|known| known.as_str() == block)
            .map(|known| Self::new(known, name))
            .ok_or_else(|| ComponentTypeError::UnknownBlock { block: block.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_a_block_and_a_name_in_lower_case() {
        let parsed: ComponentType = "state.IN-Memory.v2".parse().unwrap();
        assert_eq!(parsed.block(), BuildingBlock::State);
        assert_eq!(parsed.name(), "in-memory.v2");
        assert_eq!(parsed.to_string(), "state.in-memory.v2");
    }

    #[test]
    fn a_type_without_a_known_block_or_a_name_is_refused() {
        assert!(matches!("state".parse::<ComponentType>(), Err(ComponentTypeError::NoName(_))));
        assert!(matches!("state.".parse::<ComponentType>(), Err(ComponentTypeError::NoName(_))));
        assert!(matches!(
            "stat.redis".parse::<ComponentType>(),
            Err(ComponentTypeError::UnknownBlock { .. })
        ));
    }
}
