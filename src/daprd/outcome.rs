//! What came of making a component, as daprd tells of it and counts it.

use replug_component::BuildingBlock;
use replug_component::binding::Binding;
use replug_runtime::component::{ComponentSpec, MetadataValue};
use replug_runtime::registry::{ComponentState, ComponentStatus, Registry, SECRETS_SCOPE};
use replug_runtime::resources;
use replug_runtime::telemetry::Telemetry;
use replug_supervisor::reload::ComponentNews;

/// The scope of what is said of components.
pub(super) const PROCESSOR: &str = "dapr.runtime.processor";

/// The scope of what is said of a reload.
const RECONCILER: &str = "dapr.runtime.hotreload.reconciler";

/// Why a component could not be made.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Nothing serves its type.
    Create(String),
    /// Its initialisation failed, or was late.
    Init(String),
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It can be used, or will be when its secret store can.
    Good,
    /// It cannot: what is wrong, in whole.
    Bad(String),
}

/// Tells what came of a component, but for what comes of its error. One of a resource file is good
/// without its secret store.
pub(super) fn tell(
    spec: &ComponentSpec,
    made: Result<(), Trouble>,
    in_file: bool,
    registry: &Registry,
    telemetry: Option<&Telemetry>,
) -> Outcome {
    let log_name = log_name(spec);
    let component_type = spec.component_type.as_str();
    if let Some(telemetry) = telemetry {
        telemetry.component_init(component_type);
    }
    let Err(trouble) = made else {
        if spec.component_type.block() == BuildingBlock::Bindings {
            tell_sides(spec, registry, &log_name);
        }
        tracing::info!(target: PROCESSOR, "Component loaded: {log_name}");
        if let Some(telemetry) = telemetry {
            telemetry.component_loaded();
        }
        return Outcome::Good;
    };
    if let Some(store) = unloaded_store(spec, registry).filter(|_| in_file) {
        tracing::warn!(
            target: SECRETS_SCOPE,
            "Component {} references a secret store that isn't loaded: {store}",
            spec.name
        );
        return Outcome::Good;
    }
    let (kind, reason, cause) = match trouble {
        Trouble::Create(cause) => ("CREATE_COMPONENT_FAILURE", "creation", cause),
        Trouble::Init(cause) => ("INIT_COMPONENT_FAILURE", "init", cause),
    };
    if let Some(telemetry) = telemetry {
        telemetry.component_init_failed(component_type, reason, &spec.name);
    }
    let within = format!("initialization error occurred for {log_name}");
    let inner = format!("[{kind}]: {within}: {cause}");
    tracing::error!(target: PROCESSOR, "Failed to init component {log_name}: {inner}");
    Outcome::Bad(format!(
        "process component {} error: [INIT_COMPONENT_FAILURE]: {within}: {inner}",
        spec.name
    ))
}

/// Tells what a reload makes of a component. What fails is unavailable, and ends nothing.
pub(super) fn tell_reloaded(
    news: &ComponentNews<'_>,
    registry: &Registry,
    telemetry: Option<&Telemetry>,
) {
    let (spec, outcome) = match news {
        ComponentNews::Closing(spec) => {
            tracing::info!(
                target: RECONCILER,
                "Closing existing Component to reload: {}",
                log_name(spec)
            );
            return;
        }
        ComponentNews::Coming(spec) => {
            tracing::info!(
                target: RECONCILER,
                "Adding Component for processing: {}",
                log_name(spec)
            );
            return;
        }
        ComponentNews::Made(spec, outcome) => (spec, outcome),
    };
    tracing::info!(target: RECONCILER, "Component updated: {}", log_name(spec));
    let made = match (outcome, status(spec, registry).map(|status| status.state)) {
        (Err(error), _) => Err(Trouble::Create(error.to_string())),
        (Ok(None), Some(ComponentState::Ready)) => Ok(()),
        (Ok(Some(cause)), _) => Err(Trouble::Init(cause.clone())),
        // It waits for what serves it.
        (Ok(None), _) => return,
    };
    if let Outcome::Bad(whole) = tell(spec, made, true, registry, telemetry) {
        tracing::error!(target: PROCESSOR, "Ignoring error processing component: {whole}");
    }
}

/// What a component is called in the log.
pub(super) fn log_name(spec: &ComponentSpec) -> String {
    resources::log_name(&spec.name, spec.component_type.as_str(), &spec.version)
}

/// Says that everything ends for a component.
pub(super) fn tell_exit(whole: &str) {
    tracing::warn!(
        target: PROCESSOR,
        "Error processing component, daprd will exit gracefully: {whole}"
    );
}

/// How the component stands.
pub(super) fn status(spec: &ComponentSpec, registry: &Registry) -> Option<ComponentStatus> {
    registry.components().into_iter().find(|component| component.name == spec.name)
}

/// Says which sides a binding has.
fn tell_sides(spec: &ComponentSpec, registry: &Registry, log_name: &str) {
    let Some(status) = status(spec, registry) else { return };
    for (side, name) in [(Binding::INPUT, "input"), (Binding::OUTPUT, "output")] {
        if status.capabilities.iter().any(|capability| capability == side) {
            tracing::info!(
                target: "dapr.runtime.processor.binding",
                "successful init for {name} binding ({log_name})"
            );
        }
    }
}

/// A secret store that the component needs and that cannot be used: daprd goes on without them.
fn unloaded_store<'s>(spec: &'s ComponentSpec, registry: &Registry) -> Option<&'s str> {
    let components = registry.components();
    let is_loaded = |store: &str| {
        let found = components.iter().find(|component| component.name == store);
        found.is_some_and(|component| component.state == ComponentState::Ready)
    };
    let mut references = spec.metadata.values().filter_map(MetadataValue::reference);
    references.find(|it| !is_loaded(&it.store)).map(|it| it.store.as_str())
}
