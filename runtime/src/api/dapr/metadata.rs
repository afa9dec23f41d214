//! The metadata API: what the runtime says of itself, and what others had it write down.

use std::collections::BTreeMap;

use parking_lot::RwLock;
use replug_component::{BuildingBlock, Features};

use super::Dapr;
use crate::go_duration;
use crate::registry::{ComponentState, ComponentStatus};
use crate::subscriptions::Origin;

/// The entry that the runtime keeps for itself.
const RUNTIME_VERSION: &str = "daprRuntimeVersion";

/// The capability that Dapr shows of state stores that actors could use.
const ACTOR: &str = "ACTOR";

/// What there is of placement where there are no actors.
pub(super) const NO_PLACEMENT: &str = "placement: disconnected";

/// What callers had written down, under names of theirs.
#[derive(Debug, Default)]
pub(super) struct Extended(RwLock<BTreeMap<String, String>>);

/// One component, as the metadata API shows it.
pub(super) struct Shown {
    pub(super) name: String,
    pub(super) component_type: String,
    pub(super) version: String,
    pub(super) capabilities: Vec<String>,
}

/// One subscription, as the metadata API shows it.
pub(super) struct ShownSubscription {
    pub(super) pubsub: String,
    pub(super) topic: String,
    pub(super) metadata: BTreeMap<String, String>,
    /// Conditions, empty where there is none, and paths.
    pub(super) rules: Vec<(String, String)>,
    pub(super) dead_letter_topic: String,
    pub(super) origin: Origin,
}

/// How the application is asked for its health, as the metadata API shows it.
pub(super) struct AppHealth<'a> {
    /// None where it is asked over gRPC.
    pub(super) path: Option<&'a str>,
    pub(super) interval: String,
    pub(super) timeout: String,
    pub(super) threshold: u32,
}

impl Dapr {
    /// How the application is asked for its health, if it is.
    pub(super) fn app_health(&self) -> Option<AppHealth<'_>> {
        let app = &self.settings.app;
        let check = app.health.as_ref()?;
        Some(AppHealth {
            path: (!app.protocol.is_grpc()).then_some(&check.path),
            interval: go_duration::text(check.interval),
            timeout: go_duration::text(check.timeout),
            threshold: check.threshold,
        })
    }

    /// Writes something down. An empty name is none.
    pub(super) fn set_metadata(&self, name: String, value: String) {
        if !name.is_empty() {
            self.extended.0.write().insert(name, value);
        }
    }

    /// What was written down, sorted by name, with the runtime's version.
    pub(super) fn extended_metadata(&self) -> BTreeMap<String, String> {
        let mut extended = self.extended.0.read().clone();
        extended.insert(RUNTIME_VERSION.to_owned(), self.settings.runtime_version.clone());
        extended
    }

    /// The components that can be called, or could until their plugin went away.
    pub(super) fn shown_components(&self) -> Vec<Shown> {
        let components = self.registry.components().into_iter();
        components
            .filter(|component| {
                matches!(component.state, ComponentState::Ready | ComponentState::Suspended(_))
            })
            .map(shown)
            .collect()
    }
}

impl Dapr {
    /// What the application subscribes to.
    pub(super) fn shown_subscriptions(&self) -> Vec<ShownSubscription> {
        let all = self.settings.subscriptions.all().into_iter();
        all.map(|subscription| {
            let rules = subscription.routes.0.iter().map(|rule| {
                let condition = rule.condition.as_ref().map_or("", |condition| condition.text());
                (condition.to_owned(), rule.path.clone())
            });
            ShownSubscription {
                pubsub: subscription.pubsub.clone(),
                topic: subscription.topic.clone(),
                metadata: subscription.metadata.clone().into_iter().collect(),
                rules: rules.collect(),
                dead_letter_topic: subscription.dead_letter_topic.clone(),
                origin: subscription.origin,
            }
        })
        .collect()
    }
}

fn shown(component: ComponentStatus) -> Shown {
    let mut capabilities = component.capabilities;
    if component.component_type.block() == BuildingBlock::State {
        let has = |feature: &str| capabilities.iter().any(|capability| capability == feature);
        if has(Features::ETAG) && has(Features::TRANSACTIONAL) {
            capabilities.push(ACTOR.to_owned());
        }
    }
    Shown {
        name: component.name,
        component_type: component.component_type.to_string(),
        version: component.version,
        capabilities,
    }
}
