//! The registry's writing side: who offers which component type, and what serves which component.
//!
//! Everything here happens under one lock and without waiting; what takes time (initialising a
//! component) is handed back as a [`Task`].

mod declare;
mod made;
mod redeclare;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use replug_component::ComponentType;

use super::claim::{Claim, Claims};
use super::place::Place;
use super::record::{Record, Served};
use super::{Attached, ComponentState, ComponentStatus, Draining, Lack, Offer};
use crate::builtin::Builtin;
use crate::component::DeclaredMetadata;
use crate::encryption::DeclaredKeys;
use crate::plugin::{Connection, Contracts, Seat, Wrapper};

/// The registry's writing side.
#[derive(Debug)]
pub(super) struct Desk {
    app_id: String,
    namespace: String,
    types: HashMap<ComponentType, Claims>,
    /// The types that a plugin has a claim to, so that what happens to it is not looked for among
    /// those of all others.
    claimed: HashMap<Arc<str>, Vec<ComponentType>>,
    /// Those whose ends take no calls before they are admitted.
    standby: HashSet<(Arc<str>, Seat)>,
    /// In the order of declaration.
    records: Vec<Record>,
    /// Of the built-in that was put into a place last.
    turn: u64,
}

/// What a change at the desk leaves to do.
pub(super) enum Task {
    /// Initialise a plugin's component over one end, then release its callers.
    Init {
        component: String,
        wrapper: Arc<dyn Wrapper>,
        seat: Seat,
        connection: Connection,
        contracts: Contracts,
        metadata: DeclaredMetadata,
        keys: Option<DeclaredKeys>,
    },
    /// Make a component from a built-in type.
    Open {
        component: String,
        turn: u64,
        builtin: Builtin,
        metadata: DeclaredMetadata,
        keys: Option<DeclaredKeys>,
    },
}

// === impl Desk ===

impl Desk {
    pub(super) fn new(app_id: &str, namespace: &str) -> Self {
        Self {
            app_id: app_id.to_owned(),
            namespace: namespace.to_owned(),
            types: HashMap::new(),
            claimed: HashMap::new(),
            standby: HashSet::new(),
            records: Vec::new(),
            turn: 0,
        }
    }

    pub(super) fn reserve(&mut self, component_type: ComponentType, plugin: &str) {
        self.types.entry(component_type).or_default().reserved_by = Some(plugin.into());
    }

    pub(super) fn attach(&mut self, offer: Offer) -> (Attached, Vec<Task>) {
        let types: Vec<ComponentType> = offer.contracts.types(&offer.socket).collect();
        let standby = self.standby.contains(&(offer.plugin.clone(), offer.seat));
        let mut attached = Attached::default();

        // What this socket served in an earlier life and does not any more.
        let reason = |known: &ComponentType| {
            format!("plugin {} does not serve {known} any more", offer.plugin)
        };
        let (gone, mut tasks) = self.withdraw(
            &offer.plugin,
            |known, claim| {
                let gone = claim.is_of(&offer) && !types.contains(known);
                gone && (claim.take(offer.seat) || !standby) && claim.offers.is_empty()
            },
            reason,
        );
        attached.retired = gone;

        for component_type in types {
            let claimed = self.claimed.entry(offer.plugin.clone()).or_default();
            if !claimed.contains(&component_type) {
                claimed.push(component_type.clone());
            }
            let claims = self.types.entry(component_type.clone()).or_default();
            let claim = claims.of(&offer);
            claim.put(offer.clone());
            claim.established |= !standby;
            match claims.first() {
                Some(first) if !first.is_of(&offer) => {
                    attached.passed_over.push((component_type, first.plugin.clone()));
                    continue;
                }
                Some(first) => {
                    for record in &mut self.records {
                        if record.spec.component_type == component_type {
                            tasks.extend(record.serve_by_plugin(first, &offer, standby));
                        }
                    }
                }
                // What a process that stands by is the first of its plugin to bring waits for its
                // admission.
                None => {}
            }
            attached.serves.push(component_type);
        }
        (attached, tasks)
    }

    /// The ends of this seat are to take no calls before [`Desk::admit`].
    pub(super) fn stand_by(&mut self, plugin: &str, seat: Seat) {
        self.standby.insert((plugin.into(), seat));
    }

    /// Lets the seat's ends take calls, and what it is the first to bring serve.
    pub(super) fn admit(&mut self, plugin: &str, seat: Seat) -> Vec<Task> {
        self.standby.remove(&(plugin.into(), seat));
        for record in &self.records {
            if let Some(wrapper) = record.served_by(plugin, None) {
                wrapper.link().admit(seat, |learned| wrapper.adopt(learned));
            }
        }
        let mut tasks = Vec::new();
        for component_type in &self.claimed(plugin) {
            let Some(claims) = self.types.get_mut(component_type) else { continue };
            let mut brought = false;
            for claim in &mut claims.list {
                if !claim.established && *claim.plugin == *plugin && !claim.offers.is_empty() {
                    claim.established = true;
                    brought = true;
                }
            }
            if brought && claims.first().is_some_and(|first| *first.plugin == *plugin) {
                for record in &mut self.records {
                    if record.spec.component_type == *component_type {
                        tasks.extend(record.serve(Some(claims), &self.standby, &mut self.turn));
                    }
                }
            }
        }
        tasks
    }

    /// Turns away who waits, now and from now on.
    pub(super) fn part(&self, reason: &str) {
        for record in &self.records {
            record.place.part(reason);
            if let Served::Plugin { wrapper, .. } = &record.served {
                wrapper.link().part(reason);
            }
        }
    }

    /// Takes the seat's ends out, of all sockets or of one. The plugin's claims stay.
    pub(super) fn suspend(&mut self, plugin: &str, seat: Seat, socket: Option<&str>, reason: &str) {
        for component_type in &self.claimed(plugin) {
            let claims = self.types.get_mut(component_type);
            for claim in claims.into_iter().flat_map(|claims| &mut claims.list) {
                if *claim.plugin == *plugin && socket.is_none_or(|socket| *claim.socket == *socket)
                {
                    claim.take(seat);
                }
            }
        }
        for record in &self.records {
            if let Some(wrapper) = record.served_by(plugin, socket) {
                wrapper.link().remove(Some(seat), reason);
            }
        }
    }

    /// The same for a seat that stands by and is not to be admitted: what it alone brought goes with
    /// it.
    pub(super) fn dismiss(&mut self, plugin: &str, seat: Seat, reason: &str) -> Vec<Task> {
        self.standby.remove(&(plugin.into(), seat));
        self.suspend(plugin, seat, None, reason);
        let brought = |_: &ComponentType, claim: &mut Claim| {
            *claim.plugin == *plugin && !claim.established && claim.offers.is_empty()
        };
        self.withdraw(plugin, brought, |_| reason.to_owned()).1
    }

    /// Takes the seat's ends out for good, because others have taken its place: what they do not
    /// serve is served by the plugin no more. Calls that are under way go on.
    pub(super) fn release(
        &mut self,
        plugin: &str,
        seat: Seat,
        reason: &str,
    ) -> (Vec<ComponentType>, Vec<Task>, Draining) {
        let connections = self.connections(plugin, seat);
        for record in &self.records {
            if let Some(wrapper) = record.served_by(plugin, None) {
                wrapper.link().remove(Some(seat), reason);
            }
        }
        let given_up = |_: &ComponentType, claim: &mut Claim| {
            *claim.plugin == *plugin && claim.take(seat) && claim.offers.is_empty()
        };
        let (gone, tasks) = self.withdraw(plugin, given_up, |_| reason.to_owned());
        (gone, tasks, Draining::begin(connections))
    }

    /// Takes the seat's ends out, as [`Desk::suspend`] does. Calls that are under way go on.
    pub(super) fn leave(&mut self, plugin: &str, seat: Seat, reason: &str) -> Draining {
        let connections = self.connections(plugin, seat);
        self.suspend(plugin, seat, None, reason);
        Draining::begin(connections)
    }

    /// The ways to one seat of a plugin, each once.
    fn connections(&self, plugin: &str, seat: Seat) -> Vec<Connection> {
        let offers = self.claims_of(plugin).flat_map(|claim| &claim.offers);
        let offers = offers.filter(|offer| offer.seat == seat);
        let mut connections: Vec<_> = offers.map(|offer| offer.connection.clone()).collect();
        connections.sort_by_key(Connection::id);
        connections.dedup_by_key(|connection| connection.id());
        connections
    }

    /// What can be used over the seat `present` of a plugin, and not over `seat`.
    pub(super) fn lacks(&self, plugin: &str, seat: Seat, present: Seat) -> Vec<Lack> {
        let lacks = |record: &Record| {
            let link = record.served_by(plugin, None)?.link();
            link.usable_by(present)?.ok()?;
            let failure = match link.usable_by(seat) {
                Some(Ok(())) => return None,
                Some(Err(reason)) => Some(reason),
                None => None,
            };
            let component_type = record.spec.component_type.clone();
            Some(Lack { component: record.spec.name.clone(), component_type, failure })
        };
        self.records.iter().filter_map(lacks).collect()
    }

    /// The components whose last initialisation failed.
    pub(super) fn failed(&self) -> Vec<String> {
        let failed = self.records.iter().filter(|record| record.has_failed());
        failed.map(|record| record.spec.name.clone()).collect()
    }

    /// What of such a component is to be tried again.
    pub(super) fn again(&mut self, component: &str) -> Vec<Task> {
        let record = self.records.iter_mut().find(|record| record.spec.name == component);
        let Some(record) = record.filter(|record| record.has_failed()) else { return Vec::new() };
        let claims = self.types.get(&record.spec.component_type);
        record.again(claims, &mut self.turn)
    }

    /// How a secret store stands; none where there is no such component.
    pub(super) fn secret_store(&self, name: &str) -> Option<ComponentState> {
        let is_it = |record: &&Record| {
            record.spec.name == name && matches!(record.place, Place::Secrets(_))
        };
        self.records.iter().find(is_it).map(|record| record.status().state)
    }

    pub(super) fn retire(&mut self, plugin: &str, reason: &str) -> Vec<Task> {
        self.withdraw(plugin, |_, claim| *claim.plugin == *plugin, |_| reason.to_owned()).1
    }

    fn claims_of(&self, plugin: &str) -> impl Iterator<Item = &Claim> {
        let types = self.claimed.get(plugin).into_iter().flatten();
        let claims = types.filter_map(|component_type| self.types.get(component_type));
        claims.flat_map(|claims| &claims.list).filter(move |claim| *claim.plugin == *plugin)
    }

    /// The types that the plugin has a claim to.
    fn claimed(&self, plugin: &str) -> Vec<ComponentType> {
        self.claimed.get(plugin).cloned().unwrap_or_default()
    }

    /// Takes back those of the plugin's claims that `which` is true of, and gives the components of
    /// those that served to whoever is next. Gives the types, too.
    fn withdraw(
        &mut self,
        plugin: &str,
        mut which: impl FnMut(&ComponentType, &mut Claim) -> bool,
        reason: impl Fn(&ComponentType) -> String,
    ) -> (Vec<ComponentType>, Vec<Task>) {
        let mut withdrawn = Vec::new();
        let mut tasks = Vec::new();
        for component_type in &self.claimed(plugin) {
            let Some(claims) = self.types.get_mut(component_type) else { continue };
            let (any, served) = claims.withdraw(|claim| which(component_type, claim));
            if any {
                withdrawn.push(component_type.clone());
            }
            if any
                && claims.list.iter().all(|claim| *claim.plugin != *plugin)
                && let Some(claimed) = self.claimed.get_mut(plugin)
            {
                claimed.retain(|it| it != component_type);
            }
            if !served {
                continue;
            }
            let reason = reason(component_type);
            for record in &mut self.records {
                if record.spec.component_type == *component_type {
                    record.vacate(&reason);
                    tasks.extend(record.serve(Some(claims), &self.standby, &mut self.turn));
                }
            }
        }
        if self.claimed.get(plugin).is_some_and(Vec::is_empty) {
            self.claimed.remove(plugin);
        }
        (withdrawn, tasks)
    }

    pub(super) fn components(&self) -> Vec<ComponentStatus> {
        self.records.iter().map(Record::status).collect()
    }
}
