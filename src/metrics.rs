//! Metrics, served to Prometheus: what the runtime has measured of calls, and how plugins and
//! components stand at the moment of asking.

mod plugins;
mod process;
mod server;

use std::sync::Arc;

use replug_runtime::api::ListenAddress;
use replug_runtime::registry::{ComponentState, Registry};
use replug_runtime::telemetry::Telemetry;
use replug_supervisor::plan::Plan;
use replug_supervisor::supervisor::Supervisor;

pub(crate) use self::server::Listening;

/// What is measured of a run of replug.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// None where nothing is to be measured.
    pub(crate) telemetry: Option<Arc<Telemetry>>,
    /// None where nobody can ask.
    pub(crate) listening: Option<Listening>,
}

impl Metrics {
    /// Listens where metrics are to be served. Without a place nothing is measured.
    pub(crate) fn listen(plan: &Plan, at: Option<&ListenAddress>) -> Result<Self, String> {
        let Some(at) = at else { return Ok(Self { telemetry: None, listening: None }) };
        Ok(Self { telemetry: telemetry(plan), listening: Some(Listening::at(at)?) })
    }

    /// Measures from now on as the plan says. Everything is counted from nothing again, but for the
    /// components that are there.
    pub(crate) fn begin_anew(&mut self, plan: &Plan, registry: &Registry) {
        if self.listening.is_none() {
            return;
        }
        self.telemetry = telemetry(plan);
        let Some(telemetry) = &self.telemetry else { return };
        for component in registry.components() {
            telemetry.component_init(component.component_type.as_str());
            if component.state == ComponentState::Ready {
                telemetry.component_loaded();
            }
        }
    }
}

/// What measures as the plan says; none where nothing is to be measured.
fn telemetry(plan: &Plan) -> Option<Arc<Telemetry>> {
    let settings = &plan.configuration.metrics;
    let namespace = std::env::var("NAMESPACE").unwrap_or_default();
    settings.enabled.then(|| Arc::new(Telemetry::new(&plan.runtime.app_id, &namespace, settings)))
}

/// The whole text for who asks now.
fn text(telemetry: Option<&Telemetry>, supervisor: &Supervisor, registry: &Registry) -> String {
    let mut text = telemetry.map(Telemetry::text).unwrap_or_default();
    text.push_str(&plugins::text(&supervisor.status(), &registry.components()));
    text.push_str(&process::text());
    text
}
