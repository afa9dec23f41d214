//! The registry's writing side: who offers which component type, and what serves which component.
//!
//! Everything here happens under one lock and without waiting; what takes time (initialising a
//! component) is handed back as a [`Task`].

use std::collections::HashMap;
use std::sync::Arc;

use replug_component::{BuildingBlock, ComponentType, Metadata};

use super::place::{Opened, Place};
use super::{Attached, ComponentState, ComponentStatus, DeclareError, Offer, StateComponent, View};
use crate::builtin::{self, Builtin};
use crate::component::ComponentSpec;
use crate::key_prefix::KeyPrefix;
use crate::plugin::{Connection, LinkState, Wrapper};
use crate::slot::Slot;

/// What serves a component that no plugin does, as status shows it.
const BUILT_IN: &str = "built-in";

/// The registry's writing side.
#[derive(Debug)]
pub(super) struct Desk {
    app_id: String,
    namespace: String,
    types: HashMap<ComponentType, TypeEntry>,
    /// In the order of declaration.
    records: Vec<Record>,
    /// Of the built-in that was put into a place last.
    turn: u64,
}

/// Who offers one component type. The first offer serves; the others are passed over.
#[derive(Debug, Default)]
struct TypeEntry {
    offers: Vec<Offer>,
    /// A plugin that is yet to come has a claim to it.
    reserved_by: Option<Arc<str>>,
}

/// A component and what serves it.
#[derive(Debug)]
struct Record {
    spec: ComponentSpec,
    place: Place,
    served: Served,
}

enum Served {
    Nobody,
    /// The turn tells this making of a component from one before it.
    Builtin {
        turn: u64,
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

/// What a change at the desk leaves to do.
pub(super) enum Task {
    Nothing,
    /// Initialise a plugin's component, then release its callers.
    Init {
        component: String,
        wrapper: Arc<dyn Wrapper>,
        connection: Connection,
    },
    /// Make a component from a built-in type.
    Open {
        component: String,
        turn: u64,
        builtin: Builtin,
        metadata: Metadata,
    },
}

// === impl Desk ===

impl Desk {
    pub(super) fn new(app_id: &str, namespace: &str) -> Self {
        Self {
            app_id: app_id.to_owned(),
            namespace: namespace.to_owned(),
            types: HashMap::new(),
            records: Vec::new(),
            turn: 0,
        }
    }

    pub(super) fn reserve(&mut self, component_type: ComponentType, plugin: &str) {
        self.types.entry(component_type).or_default().reserved_by = Some(plugin.into());
    }

    pub(super) fn declare(
        &mut self,
        spec: ComponentSpec,
        view: &mut View,
    ) -> Result<Task, DeclareError> {
        if self.records.iter().any(|record| record.spec.name == spec.name) {
            return Err(DeclareError::Duplicate(spec.name));
        }
        let place = self.place(&spec)?;
        match &place {
            Place::State(state) => {
                view.states.insert(spec.name.clone(), state.clone());
            }
            Place::Hello(hello) => {
                view.hellos.insert(spec.name.clone(), hello.clone());
            }
            Place::Secrets(secrets) => {
                view.secrets.insert(spec.name.clone(), secrets.clone());
            }
        }
        let mut record = Record { spec, place, served: Served::Nobody };
        let task = record.serve(self.types.get(&record.spec.component_type), &mut self.turn);
        self.records.push(record);
        Ok(task)
    }

    fn place(&self, spec: &ComponentSpec) -> Result<Place, DeclareError> {
        let waiting = nobody_serves(&spec.component_type);
        match spec.component_type.block() {
            BuildingBlock::State => {
                let keys =
                    KeyPrefix::new(&spec.metadata, &spec.name, &self.app_id, &self.namespace);
                let keys = keys.map_err(|error| DeclareError::Metadata {
                    name: spec.name.clone(),
                    cause: error.to_string(),
                })?;
                let slot = Slot::new(spec.clone(), &waiting);
                Ok(Place::State(Arc::new(StateComponent { slot, keys })))
            }
            BuildingBlock::Hello => Ok(Place::Hello(Arc::new(Slot::new(spec.clone(), &waiting)))),
            BuildingBlock::SecretStores => {
                Ok(Place::Secrets(Arc::new(Slot::new(spec.clone(), &waiting))))
            }
            block => Err(DeclareError::UnsupportedBlock { name: spec.name.clone(), block }),
        }
    }

    pub(super) fn attach(&mut self, offer: Offer) -> (Attached, Vec<Task>) {
        let types: Vec<ComponentType> = offer.contracts.types(&offer.socket).collect();
        let mut attached = Attached::default();
        let mut tasks = Vec::new();

        // What this socket served in an earlier life and does not any more.
        let gone: Vec<ComponentType> = self
            .types
            .iter()
            .filter(|(known, entry)| !types.contains(known) && entry.has(&offer))
            .map(|(known, _)| known.clone())
            .collect();
        for component_type in gone {
            let reason =
                format!("plugin {} does not serve {component_type} any more", offer.plugin);
            tasks.extend(self.withdraw(&component_type, |o| o.is_same_socket(&offer), &reason));
            attached.retired.push(component_type);
        }

        for component_type in types {
            let entry = self.types.entry(component_type.clone()).or_default();
            match entry.offers.iter_mut().find(|known| known.is_same_socket(&offer)) {
                Some(known) => *known = offer.clone(),
                None => entry.offers.push(offer.clone()),
            }
            let first = &entry.offers[0];
            if first.is_same_socket(&offer) {
                tasks.extend(self.serve_all(&component_type));
                attached.serves.push(component_type);
            } else {
                attached.passed_over.push((component_type, first.plugin.clone()));
            }
        }
        (attached, tasks)
    }

    pub(super) fn suspend(&self, plugin: &str, socket: Option<&str>, reason: &str) {
        for record in &self.records {
            if let Served::Plugin { plugin: by, socket: over, wrapper } = &record.served
                && **by == *plugin
                && socket.is_none_or(|socket| **over == *socket)
            {
                wrapper.link().hold(reason);
            }
        }
    }

    /// The components of a socket whose initialisation failed, to be tried again.
    pub(super) fn failed(&self, plugin: &str, socket: &str) -> Vec<Task> {
        let again = |record: &Record| match &record.served {
            Served::Plugin { plugin: by, socket: over, wrapper }
                if **by == *plugin
                    && **over == *socket
                    && matches!(wrapper.link().state(), LinkState::Shut(_)) =>
            {
                let entry = self.types.get(&record.spec.component_type)?;
                Some(Task::Init {
                    component: record.spec.name.clone(),
                    wrapper: wrapper.clone(),
                    connection: entry.offers.first()?.connection.clone(),
                })
            }
            _ => None,
        };
        self.records.iter().filter_map(again).collect()
    }

    pub(super) fn retire(&mut self, plugin: &str, reason: &str) -> Vec<Task> {
        let types: Vec<ComponentType> = self.types.keys().cloned().collect();
        let mut tasks = Vec::new();
        for component_type in types {
            tasks.extend(self.withdraw(&component_type, |offer| *offer.plugin == *plugin, reason));
        }
        tasks
    }

    /// Takes back offers of one type, and gives its components to whoever is next.
    fn withdraw(
        &mut self,
        component_type: &ComponentType,
        which: impl Fn(&Offer) -> bool,
        reason: &str,
    ) -> Vec<Task> {
        let Some(entry) = self.types.get_mut(component_type) else { return Vec::new() };
        let served_until_now = entry.offers.first().is_some_and(&which);
        entry.offers.retain(|offer| !which(offer));
        if !served_until_now {
            return Vec::new();
        }
        for record in &mut self.records {
            if record.spec.component_type == *component_type {
                record.vacate(reason);
            }
        }
        self.serve_all(component_type)
    }

    fn serve_all(&mut self, component_type: &ComponentType) -> Vec<Task> {
        let entry = self.types.get(component_type);
        self.records
            .iter_mut()
            .filter(|record| record.spec.component_type == *component_type)
            .map(|record| record.serve(entry, &mut self.turn))
            .collect()
    }

    /// A built-in component has been made, or could not be. It takes its place if that is still kept
    /// for it: a plugin may have come meanwhile.
    pub(super) fn opened(&self, component: &str, turn: u64, opened: Result<Opened, String>) {
        let record = self.records.iter().find(|record| record.spec.name == component);
        if let Some(Record { place, served: Served::Builtin { turn: present }, .. }) = record
            && *present == turn
        {
            place.fill(opened);
        }
    }

    pub(super) fn components(&self) -> Vec<ComponentStatus> {
        self.records.iter().map(Record::status).collect()
    }
}

impl TypeEntry {
    fn has(&self, offer: &Offer) -> bool {
        self.offers.iter().any(|known| known.is_same_socket(offer))
    }
}

impl Offer {
    fn is_same_socket(&self, other: &Self) -> bool {
        self.plugin == other.plugin && self.socket == other.socket
    }
}

fn nobody_serves(component_type: &ComponentType) -> String {
    format!("nothing serves {component_type} yet")
}

// === impl Record ===

impl Record {
    /// Puts what is to serve the component into its place: the first plugin that offers its type,
    /// else the built-in of that name unless a plugin has a claim to it.
    fn serve(&mut self, entry: Option<&TypeEntry>, turn: &mut u64) -> Task {
        if let Some(offer) = entry.and_then(|entry| entry.offers.first()) {
            return self.serve_by_plugin(offer);
        }
        if let Some(plugin) = entry.and_then(|entry| entry.reserved_by.as_ref()) {
            self.place.hold(&format!("plugin {plugin} is not ready yet"));
            return Task::Nothing;
        }
        let Some(builtin) = builtin::find(&self.spec.component_type) else {
            return Task::Nothing;
        };
        *turn += 1;
        self.served = Served::Builtin { turn: *turn };
        Task::Open {
            component: self.spec.name.clone(),
            turn: *turn,
            builtin,
            metadata: self.spec.metadata.clone(),
        }
    }

    fn serve_by_plugin(&mut self, offer: &Offer) -> Task {
        let wrapper = match &self.served {
            Served::Plugin { plugin, socket, wrapper }
                if *plugin == offer.plugin && *socket == offer.socket =>
            {
                wrapper.clone()
            }
            _ => {
                if matches!(self.served, Served::Builtin { .. }) {
                    tracing::warn!(
                        component = self.spec.name,
                        plugin = &*offer.plugin,
                        "the plugin serves {} from now on, in place of the built-in",
                        self.spec.component_type
                    );
                }
                self.place.wrap(&self.spec, &offer.plugin)
            }
        };
        wrapper.set_contracts(&offer.contracts);
        self.served = Served::Plugin {
            plugin: offer.plugin.clone(),
            socket: offer.socket.clone(),
            wrapper: wrapper.clone(),
        };
        Task::Init {
            component: self.spec.name.clone(),
            wrapper,
            connection: offer.connection.clone(),
        }
    }

    /// Nothing serves the component any more; callers wait, those at the wrapper's link as well.
    fn vacate(&mut self, reason: &str) {
        let served = std::mem::replace(&mut self.served, Served::Nobody);
        self.place.hold(reason);
        if let Served::Plugin { wrapper, .. } = served {
            wrapper.link().shut(reason);
        }
    }

    fn status(&self) -> ComponentStatus {
        let (state, capabilities, served_by) = match &self.served {
            Served::Nobody => (self.place.state(), Vec::new(), None),
            Served::Builtin { .. } => {
                (self.place.state(), self.place.capabilities(), Some(BUILT_IN.to_owned()))
            }
            Served::Plugin { plugin, wrapper, .. } => {
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
        }
    }
}
