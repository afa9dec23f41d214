//! Changes of components, while somebody wants to know of them.

use std::collections::HashMap;
use std::sync::Arc;

use replug_proto::replug::control::v1 as pb;
use replug_runtime::registry::Registry;

use super::{Journal, Kind, about};
use crate::control::wire_component;

/// Writes changes of components into the journal for as long as somebody reads it. Never ends.
pub(crate) async fn tell_of_components(registry: Arc<Registry>, journal: Journal) {
    loop {
        journal.is_read(true).await;
        tokio::select! {
            () = while_read(&registry, &journal) => {}
            () = journal.is_read(false) => {}
        }
    }
}

async fn while_read(registry: &Registry, journal: &Journal) {
    let mut changes = registry.changes();
    let mut known = present(registry);
    while changes.changed().await.is_ok() {
        let now = present(registry);
        for (name, component) in &now {
            let before = known.get(name).map(|before| (before.state(), &before.served_by));
            if before == Some((component.state(), &component.served_by)) {
                continue;
            }
            let event = about(&component.served_by, Kind::Component, component.reason.clone());
            journal.record(pb::Event {
                component: name.clone(),
                component_state: component.state,
                previous_component_state: before.map_or(0, |(state, _)| state.into()),
                ..event
            });
        }
        known = now;
    }
}

fn present(registry: &Registry) -> HashMap<String, pb::Component> {
    let components = registry.components().into_iter().map(wire_component);
    components.map(|component| (component.name.clone(), component)).collect()
}
