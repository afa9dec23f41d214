//! Components are made, as daprd tells of it: in the order of their files, secret stores first, and
//! one that fails ends everything unless it says that it may.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use replug_component::BuildingBlock;
use replug_runtime::builtin::has_version;
use replug_runtime::component::{ComponentSpec, MetadataValue};
use replug_runtime::registry::{ComponentState, Registry};
use replug_runtime::telemetry::Telemetry;
use replug_supervisor::plan::Plan;
use tokio::time::timeout;

use super::log::SCOPE;
use super::outcome::{self, Outcome, PROCESSOR, Trouble, log_name, status};

/// How long a component waits for its type where plugins are declared that may yet bring it: longer
/// than its own timeout, since they have to start first.
const FOR_PLUGINS: Duration = Duration::from_secs(30);

/// Makes every component of the plan. An error is what daprd ends with. All are known from the first
/// poll on, and are made at the same time; what came of them is told in their order.
pub(super) async fn load(
    plan: Plan,
    registry: Arc<Registry>,
    telemetry: Option<Arc<Telemetry>>,
) -> Result<(), String> {
    let has_plugins = !plan.plugins.is_empty();
    let mut specs: Vec<_> = plan.components.iter().collect();
    specs.sort_by_cached_key(|spec| match spec.component_type.block() {
        BuildingBlock::SecretStores => stores_before(spec, &plan.components),
        _ => usize::MAX,
    });
    let resource = |spec: &ComponentSpec| {
        plan.resources.components.iter().find(|resource| resource.name == spec.name)
    };
    let mut made: FuturesOrdered<_> = specs
        .into_iter()
        .map(|spec| {
            let (resource, registry) = (resource(spec), &registry);
            let log_name = log_name(spec);
            tracing::debug!(target: SCOPE, "Found component: {log_name}");
            tracing::debug!(target: PROCESSOR, "Loading component: {log_name}");
            async move {
                let own = resource.map(|resource| resource.init_timeout);
                let limit = match own {
                    Some(own) if has_plugins && !own.is_zero() => own.max(FOR_PLUGINS),
                    Some(own) => own,
                    None => FOR_PLUGINS,
                };
                // No time is none, however soon it would be made.
                if limit.is_zero() && has_version(&spec.component_type, &spec.version) {
                    return (spec, resource, Err(Trouble::Init(too_late(spec))));
                }
                let made = timeout(limit, make(spec, registry)).await;
                (spec, resource, made.unwrap_or_else(|_| Err(late(spec, registry))))
            }
        })
        .collect();
    tracing::info!(target: SCOPE, "Waiting for all outstanding components to be processed…");
    while let Some((spec, resource, made)) = made.next().await {
        let told = outcome::tell(spec, made, resource.is_some(), &registry, telemetry.as_deref());
        let Outcome::Bad(whole) = told else { continue };
        // What stands in plugins.toml ends nothing, as in `replug run`.
        if resource.is_none_or(|resource| resource.ignore_errors) {
            tracing::error!(target: PROCESSOR, "Ignoring error processing component: {whole}");
            continue;
        }
        outcome::tell_exit(&whole);
        return Err(whole);
    }
    tracing::info!(target: SCOPE, "All outstanding components processed");
    tell_of_scopes(&plan, &registry);
    tracing::info!(target: SCOPE, "Loading Declarative Subscriptions…");
    for subscription in &plan.resources.subscriptions {
        tracing::info!(target: SCOPE, "Found Subscription: {}", subscription.name);
    }
    Ok(())
}

/// How many secret stores are needed before this one can be made. A store needs fewer than those
/// that need it, unless they need each other.
fn stores_before(spec: &ComponentSpec, all: &[ComponentSpec]) -> usize {
    let needs = |spec: &ComponentSpec| {
        let references = spec.metadata.values().filter_map(MetadataValue::reference);
        references.map(|it| it.store.clone()).collect::<Vec<_>>()
    };
    let (mut before, mut next) = (HashSet::new(), needs(spec));
    while let Some(store) = next.pop() {
        if let Some(known) = all.iter().find(|known| known.name == store)
            && before.insert(store)
        {
            next.extend(needs(known));
        }
    }
    before.len()
}

/// Says which stores the Configuration keeps secrets of, and that are none.
fn tell_of_scopes(plan: &Plan, registry: &Registry) {
    let components = registry.components();
    let is_store = |store: &str| {
        components.iter().any(|component| {
            component.name == store
                && component.component_type.block() == BuildingBlock::SecretStores
                && component.state == ComponentState::Ready
        })
    };
    let scopes = plan.configuration.secret_scopes.iter();
    for scope in scopes.filter(|scope| !is_store(&scope.store)) {
        tracing::warn!(
            target: "dapr.runtime.compstore",
            "Secrets configuration added for '{}', but no matching secret store was found",
            scope.store
        );
    }
}

/// Makes one, and waits until it can be used.
async fn make(spec: &ComponentSpec, registry: &Registry) -> Result<(), Trouble> {
    if !has_version(&spec.component_type, &spec.version) {
        return Err(Trouble::Create(not_found(spec)));
    }
    let mut changes = registry.changes();
    match registry.redeclare(spec.clone()).await {
        Ok(None) => {}
        // It waits for a secret store that is being made beside it, and is tried again when that is.
        Ok(Some(_)) if !matches!(state(spec, registry), Some(ComponentState::Failed(_))) => {}
        Ok(Some(cause)) => return Err(Trouble::Init(cause)),
        Err(error) => return Err(Trouble::Create(error.to_string())),
    }
    loop {
        changes.mark_unchanged();
        match state(spec, registry) {
            Some(ComponentState::Ready) => return Ok(()),
            Some(ComponentState::Failed(cause)) => return Err(Trouble::Init(cause)),
            Some(ComponentState::Waiting(_) | ComponentState::Suspended(_)) | None => {}
        }
        if changes.changed().await.is_err() {
            return Err(Trouble::Init("it was taken out".to_owned()));
        }
    }
}

/// Why one was not there in time.
fn late(spec: &ComponentSpec, registry: &Registry) -> Trouble {
    let Some(status) = status(spec, registry).filter(|status| status.served_by.is_some()) else {
        return Trouble::Create(not_found(spec));
    };
    let late = too_late(spec);
    Trouble::Init(match status.state {
        ComponentState::Suspended(cause) => format!("{cause}\n{late}"),
        _ => late,
    })
}

/// That its time is over.
fn too_late(spec: &ComponentSpec) -> String {
    format!("init timeout for component {}", log_name(spec))
}

fn state(spec: &ComponentSpec, registry: &Registry) -> Option<ComponentState> {
    status(spec, registry).map(|status| status.state)
}

/// That nothing serves a type, as Dapr says it.
fn not_found(spec: &ComponentSpec) -> String {
    let ComponentSpec { name, component_type, version, .. } = spec;
    match component_type.block() {
        BuildingBlock::State => format!("couldn't find state store {component_type}/{version}"),
        BuildingBlock::PubSub => format!("couldn't find message bus {component_type}/{version}"),
        BuildingBlock::SecretStores => {
            format!("couldn't find secret store {component_type}/{version}")
        }
        BuildingBlock::Configuration => {
            format!("couldn't find configuration store {component_type}/{version}")
        }
        BuildingBlock::Lock => format!("couldn't find lock store {component_type}/{version}"),
        BuildingBlock::Bindings => {
            format!("couldn't find binding {name} ({component_type}/{version})")
        }
        BuildingBlock::Hello => format!("couldn't find {component_type}/{version}"),
    }
}
