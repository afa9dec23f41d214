//! A component's declaration: what `[components.NAME]` says of it.

mod metadata;

use std::fmt;
use std::time::Duration;

use replug_component::ComponentType;

pub use self::metadata::{DeclaredMetadata, MetadataValue, SecretReference};

/// How long callers wait for a component whose plugin is away, unless it says otherwise.
pub const DEFAULT_HOLD: Duration = Duration::from_secs(5);

/// How many callers may wait for one component, unless it says otherwise.
pub const DEFAULT_HOLD_LIMIT: usize = 10_000;

/// How many calls of one component may be under way, unless it says otherwise: as many as may wait
/// for it, and as many again.
pub const DEFAULT_MAX_CALLS: usize = 20_000;

/// How many bytes of calls of one component may be in memory, unless it says otherwise.
pub const DEFAULT_MAX_BYTES: u64 = 256 << 20;

/// A component as it is declared: a name, a type, and what it is made with. `Debug` tells the names
/// of its metadata and not their values, which may be secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct ComponentSpec {
    /// What applications call it.
    pub name: String,
    /// What it is made from.
    pub component_type: ComponentType,
    /// The version as declared, such as `v1`; empty where none is. Some built-ins have several.
    pub version: String,
    /// What it is made with. Secrets that a store keeps are asked for before each initialisation.
    pub metadata: DeclaredMetadata,
    /// Whether the topics of a pubsub component have the application's namespace before their names
    /// at the broker, as those of a resource file with `{namespace}` in a value.
    pub namespaced: bool,
    /// What happens to its callers while its plugin is away.
    pub hold: HoldPolicy,
}

impl fmt::Debug for ComponentSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut metadata: Vec<_> = self.metadata.keys().collect();
        metadata.sort_unstable();
        f.debug_struct("ComponentSpec")
            .field("name", &self.name)
            .field("component_type", &self.component_type)
            .field("version", &self.version)
            .field("metadata", &metadata)
            .field("namespaced", &self.namespaced)
            .field("hold", &self.hold)
            .finish()
    }
}

/// What happens to callers while a component's plugin is away, or has too much to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldPolicy {
    /// How long a caller waits at the most; its own deadline may be sooner.
    pub hold: Duration,
    /// How many callers wait at the most; more are turned away at once.
    pub limit: usize,
    /// How many calls may be under way at the most, those that wait included; more are turned away
    /// at once, so that a plugin which is slow or stuck cannot fill the runtime's memory.
    pub max_calls: usize,
    /// How many bytes the requests of these calls and the answers that come in may have at the most;
    /// calls that would be more are turned away. One that is alone goes, however large.
    pub max_bytes: u64,
    /// Which requests that were on their way when the plugin went away are sent again.
    pub replay: Replay,
}

impl Default for HoldPolicy {
    fn default() -> Self {
        Self {
            hold: DEFAULT_HOLD,
            limit: DEFAULT_HOLD_LIMIT,
            max_calls: DEFAULT_MAX_CALLS,
            max_bytes: DEFAULT_MAX_BYTES,
            replay: Replay::Reads,
        }
    }
}

/// Which requests that were on their way when the plugin went away are sent again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Replay {
    /// Those that change nothing.
    #[default]
    Reads,
    /// All of them: a write happens at least once, perhaps twice.
    All,
}
