//! What a change of a component's declaration means for the component.

use std::collections::BTreeMap;

use replug_runtime::component::{ComponentSpec, DeclaredMetadata};

use super::{ComponentChange, Differences, changed_keys};

impl ComponentChange {
    /// The component's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Added(spec)
            | Self::Remade(spec, _)
            | Self::Reinitialised(spec, _)
            | Self::Adjusted(spec, _) => &spec.name,
            Self::Removed(name) => name,
        }
    }

    /// The keys that differ; none where there is nothing to compare.
    #[must_use]
    pub fn keys(&self) -> &[String] {
        match self {
            Self::Remade(_, keys) | Self::Reinitialised(_, keys) | Self::Adjusted(_, keys) => keys,
            Self::Added(_) | Self::Removed(_) => &[],
        }
    }

    /// What happens to it, in words.
    #[must_use]
    pub fn what(&self) -> &'static str {
        match self {
            Self::Added(_) => "added",
            Self::Removed(_) => "removed",
            Self::Remade(..) => "made anew",
            Self::Reinitialised(..) => "initialised again",
            Self::Adjusted(..) => "adjusted",
        }
    }

    pub(super) fn between(old: &ComponentSpec, new: &ComponentSpec) -> Option<Self> {
        // Taken apart, so that whoever adds a setting says here what its change means.
        let ComponentSpec { name: _, component_type, version, metadata, namespaced, hold } = old;
        let mut found = Differences::default();
        found.deep("type", *component_type != new.component_type);
        let remade = found.is_deep();
        found.deep("version", *version != new.version);
        found.deep("namespaced", *namespaced != new.namespaced);
        let sorted = |metadata: &DeclaredMetadata| {
            metadata.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        let (before, after): (BTreeMap<_, _>, BTreeMap<_, _>) =
            (sorted(metadata), sorted(&new.metadata));
        found.deep.extend(changed_keys("metadata", &before, &after));
        found.shallow("hold", hold.hold != new.hold.hold);
        found.shallow("hold_limit", hold.limit != new.hold.limit);
        found.shallow("max_calls", hold.max_calls != new.hold.max_calls);
        found.shallow("max_bytes", hold.max_bytes != new.hold.max_bytes);
        found.shallow("replay", hold.replay != new.hold.replay);
        let deep = found.is_deep();
        let keys = found.keys()?;
        Some(match (remade, deep) {
            (true, _) => Self::Remade(new.clone(), keys),
            (false, true) => Self::Reinitialised(new.clone(), keys),
            (false, false) => Self::Adjusted(new.clone(), keys),
        })
    }
}
