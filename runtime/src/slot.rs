//! A component's place in the registry: there from its declaration on, whatever serves it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use replug_component::{Context, Error, Unavailable};

use crate::component::ComponentSpec;
use crate::gate::{Because, Gate, GateState, Patience, TurnedAway};
use crate::registry::ComponentState;

/// When a caller that was turned away should try again, where nothing better is known.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The place of one component. `C` is its building block's trait, such as `dyn StateStore`.
///
/// A built-in or a wrapper stands in it, or nothing yet. A wrapper stays in its slot while its
/// plugin is away and lets callers wait by itself; the slot's own gate is for the time before there
/// is anything at all.
pub struct Slot<C: ?Sized> {
    /// Replaced as a whole when the component is declared anew.
    spec: ArcSwap<ComponentSpec>,
    gate: Gate<Arc<C>>,
}

impl<C: ?Sized> fmt::Debug for Slot<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("spec", &self.spec.load()).finish_non_exhaustive()
    }
}

impl<C: ?Sized> Slot<C> {
    /// A place that nothing serves yet.
    pub(crate) fn new(spec: ComponentSpec, reason: &str) -> Self {
        Self { spec: ArcSwap::from_pointee(spec), gate: Gate::held(reason) }
    }

    /// The component's declaration, as it is now.
    #[must_use]
    pub fn spec(&self) -> Arc<ComponentSpec> {
        self.spec.load_full()
    }

    pub(crate) fn set_spec(&self, spec: ComponentSpec) {
        self.spec.store(Arc::new(spec));
    }

    /// What serves the component; waits for it within the component's hold and the caller's
    /// deadline.
    pub async fn component(&self, cx: &Context) -> Result<Arc<C>, Error> {
        if let Some(component) = self.gate.try_pass() {
            return Ok(component);
        }
        let mut patience = Patience::new(&self.spec.load().hold, cx);
        let passed = self.gate.pass(&mut patience).await.map(|(component, _)| component);
        passed.map_err(|turned| unavailable(&self.spec.load().name, turned).into())
    }

    /// What serves the component at this moment.
    #[must_use]
    pub fn present(&self) -> Option<Arc<C>> {
        self.gate.behind()
    }

    /// How the slot stands by itself; a wrapper in it may still be without its plugin.
    pub(crate) fn state(&self) -> ComponentState {
        match &*self.gate.state() {
            GateState::Open(_) => ComponentState::Ready,
            GateState::Held(reason) => ComponentState::Waiting(reason.to_string()),
            GateState::Shut(reason) => ComponentState::Failed(reason.to_string()),
        }
    }

    pub(crate) fn gate(&self) -> &Gate<Arc<C>> {
        &self.gate
    }
}

/// What a caller is told that did not get through.
pub(crate) fn unavailable(component: &str, turned: TurnedAway) -> Unavailable {
    let reason = match turned.because {
        Because::Shut => turned.reason.to_string(),
        Because::Waited(waited) => {
            format!("{} (waited {} ms)", turned.reason, waited.as_millis())
        }
        Because::Crowded => format!("{} (too many callers wait already)", turned.reason),
    };
    Unavailable {
        component: component.to_owned(),
        reason,
        retry_after: RETRY_AFTER,
        outcome_unknown: false,
    }
}
