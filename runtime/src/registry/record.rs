//! A component at the desk, and what serves it.

use std::collections::HashSet;
use std::sync::Arc;

use super::claim::{Claim, Claims};
use super::desk::Task;
use super::place::Place;
use super::{ComponentState, ComponentStatus, Offer};
use crate::builtin;
use crate::component::ComponentSpec;
use crate::encryption::{DeclaredKeys, without_keys};
use crate::plugin::{Calls, LinkState, Seat, Wrapper};

/// What serves a component that no plugin does, as status shows it.
const BUILT_IN: &str = "built-in";

/// A component and what serves it.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) spec: ComponentSpec,
    /// Where the keys to a state store's values are kept.
    pub(super) keys: Option<DeclaredKeys>,
    pub(super) place: Place,
    pub(super) served: Served,
}

pub(super) enum Served {
    Nobody,
    /// The turn tells this making of a component from one before it.
    Builtin {
        turn: u64,
        /// It could not be made.
        failed: bool,
    },
    Plugin {
        plugin: Arc<str>,
        socket: Arc<str>,
        wrapper: Arc<dyn Wrapper>,
    },
}

impl std::fmt::Debug for Served {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nobody => f.write_str("Nobody"),
            Self::Builtin { .. } => f.write_str("Builtin"),
            Self::Plugin { plugin, socket, .. } => write!(f, "Plugin({plugin}/{socket})"),
        }
    }
}

// === impl Record ===

impl Record {
    /// Puts what is to serve the component into its place: the first plugin that claims its type,
    /// else the built-in of that name unless a plugin that is yet to come has a claim to it.
    pub(super) fn serve(
        &mut self,
        claims: Option<&Claims>,
        standby: &HashSet<(Arc<str>, Seat)>,
        turn: &mut u64,
    ) -> Vec<Task> {
        let first = claims.and_then(Claims::first).filter(|claim| claim.established);
        if let Some(claim) = first {
            self.wrapper(claim);
            let stands_by = |offer: &Offer| standby.contains(&(offer.plugin.clone(), offer.seat));
            let offers = claim.offers.iter();
            return offers
                .filter_map(|offer| self.serve_by_plugin(claim, offer, stands_by(offer)))
                .collect();
        }
        if let Some(plugin) = claims.and_then(|claims| claims.reserved_by.as_ref()) {
            self.place.hold(&format!("plugin {plugin} is not ready yet"));
            return Vec::new();
        }
        self.make(turn).into_iter().collect()
    }

    /// Has the component made from the built-in of its type, if there is one.
    fn make(&mut self, turn: &mut u64) -> Option<Task> {
        let builtin = builtin::find_version(&self.spec.component_type, &self.spec.version)?;
        *turn += 1;
        self.served = Served::Builtin { turn: *turn, failed: false };
        let (component, keys) = (self.spec.name.clone(), self.keys.clone());
        Some(Task::Open {
            component,
            turn: *turn,
            builtin,
            metadata: without_keys(&self.spec),
            keys,
        })
    }

    /// Whether the last initialisation failed, over one end of its plugin at least.
    pub(super) fn has_failed(&self) -> bool {
        match &self.served {
            Served::Nobody => false,
            Served::Builtin { failed, .. } => *failed,
            Served::Plugin { wrapper, .. } => wrapper.link().has_failed(),
        }
    }

    /// What is to be done for it to be tried again.
    pub(super) fn again(&mut self, claims: Option<&Claims>, turn: &mut u64) -> Vec<Task> {
        let Served::Plugin { plugin, socket, wrapper } = &self.served else {
            return self.make(turn).into_iter().collect();
        };
        let claims = claims.iter().flat_map(|claims| &claims.list);
        let own = claims.filter(|claim| claim.plugin == *plugin && claim.socket == *socket);
        let failed = |offer: &&Offer| {
            wrapper.link().usable_by(offer.seat).is_some_and(|usable| usable.is_err())
        };
        let offers = own.flat_map(|claim| &claim.offers).filter(failed);
        offers.map(|offer| self.init(wrapper.clone(), offer)).collect()
    }

    /// Has one offer of the claim serve the component too, once it is initialised over it.
    pub(super) fn serve_by_plugin(
        &mut self,
        claim: &Claim,
        offer: &Offer,
        standby: bool,
    ) -> Option<Task> {
        let wrapper = self.wrapper(claim);
        let expected = wrapper.link().expect(offer.seat, &offer.connection, standby);
        expected.then(|| self.init(wrapper, offer))
    }

    /// The wrapper over the claim's plugin, put into the component's place if it is not there yet.
    fn wrapper(&mut self, claim: &Claim) -> Arc<dyn Wrapper> {
        if let Some(wrapper) = self.served_by(&claim.plugin, Some(&claim.socket)) {
            return wrapper.clone();
        }
        if matches!(self.served, Served::Builtin { .. }) {
            tracing::warn!(
                component = self.spec.name,
                plugin = &*claim.plugin,
                "the plugin serves {} from now on, in place of the built-in",
                self.spec.component_type
            );
        }
        let wrapper = self.place.wrap(&self.spec, &claim.plugin, self.keys.is_some());
        let (plugin, socket) = (claim.plugin.clone(), claim.socket.clone());
        self.served = Served::Plugin { plugin, socket, wrapper: wrapper.clone() };
        wrapper
    }

    pub(super) fn init(&self, wrapper: Arc<dyn Wrapper>, offer: &Offer) -> Task {
        Task::Init {
            component: self.spec.name.clone(),
            wrapper,
            seat: offer.seat,
            connection: offer.connection.clone(),
            contracts: offer.contracts.clone(),
            metadata: without_keys(&self.spec),
            keys: self.keys.clone(),
        }
    }

    /// The wrapper, where the component is served by this plugin, over this socket if one is named.
    pub(super) fn served_by(&self, by: &str, over: Option<&str>) -> Option<&Arc<dyn Wrapper>> {
        match &self.served {
            Served::Plugin { plugin, socket, wrapper }
                if **plugin == *by && over.is_none_or(|over| **socket == *over) =>
            {
                Some(wrapper)
            }
            _ => None,
        }
    }

    /// Whether it is this wrapper that serves the component.
    pub(super) fn is_served_over(&self, by: &Arc<dyn Wrapper>) -> bool {
        match &self.served {
            Served::Plugin { wrapper, .. } => {
                std::ptr::addr_eq(Arc::as_ptr(wrapper), Arc::as_ptr(by))
            }
            Served::Nobody | Served::Builtin { .. } => false,
        }
    }

    /// Nothing serves the component any more; callers wait, those at the wrapper's link as well.
    pub(super) fn vacate(&mut self, reason: &str) {
        let served = std::mem::replace(&mut self.served, Served::Nobody);
        self.place.hold(reason);
        if let Served::Plugin { wrapper, .. } = served {
            wrapper.link().close(reason);
        }
    }

    pub(super) fn status(&self) -> ComponentStatus {
        // Callers who came while there was nothing at all wait at the place itself.
        let mut calls = Calls { held: self.place.waiting(), ..Calls::default() };
        let (state, capabilities, served_by) = match &self.served {
            Served::Nobody => (self.place.state(), Vec::new(), None),
            Served::Builtin { .. } => {
                (self.place.state(), self.place.capabilities(), Some(BUILT_IN.to_owned()))
            }
            Served::Plugin { plugin, wrapper, .. } => {
                calls += wrapper.link().calls();
                let state = match wrapper.link().state() {
                    LinkState::Open => ComponentState::Ready,
                    LinkState::Held(reason) => ComponentState::Suspended(reason.to_string()),
                    LinkState::Shut(reason) => ComponentState::Failed(reason.to_string()),
                };
                (state, wrapper.capabilities(), Some(plugin.to_string()))
            }
        };
        ComponentStatus {
            name: self.spec.name.clone(),
            component_type: self.spec.component_type.clone(),
            version: self.spec.version.clone(),
            state,
            served_by,
            capabilities,
            calls,
        }
    }
}
