//! What a change of the plan does to components that are there already.

use replug_component::ComponentType;

use super::super::place::Rules;
use super::super::record::{Record, Served};
use super::super::{DeclareError, Draining, View};
use super::declare::encryption_keys;
use super::{Desk, Task};
use crate::component::{ComponentSpec, HoldPolicy};

impl Desk {
    pub(in crate::registry) fn unreserve(
        &mut self,
        component_type: &ComponentType,
        plugin: &str,
    ) -> Vec<Task> {
        let Some(claims) = self.types.get_mut(component_type) else { return Vec::new() };
        if claims.reserved_by.take_if(|by| **by == *plugin).is_none() {
            return Vec::new();
        }
        let claims = &*claims;
        let (standby, turn) = (&self.standby, &mut self.turn);
        self.records
            .iter_mut()
            .filter(|record| record.spec.component_type == *component_type)
            .filter(|record| matches!(record.served, Served::Nobody))
            .flat_map(|record| record.serve(Some(claims), standby, turn))
            .collect()
    }

    pub(in crate::registry) fn drain(&self, plugin: &str, reason: &str) -> Draining {
        let offers = self.claims_of(plugin).flat_map(|claim| &claim.offers);
        let connections = offers.map(|offer| offer.connection.clone()).collect();
        for record in &self.records {
            if let Some(wrapper) = record.served_by(plugin, None) {
                wrapper.link().remove(None, reason);
            }
        }
        Draining::begin(connections)
    }

    pub(in crate::registry) fn undeclare(
        &mut self,
        component: &str,
        reason: &str,
        view: &mut View,
    ) -> bool {
        let place = self.records.iter().position(|record| record.spec.name == component);
        let Some(at) = place else { return false };
        let mut record = self.records.remove(at);
        view.states.remove(component);
        view.hellos.remove(component);
        view.secrets.remove(component);
        view.bindings.remove(component);
        view.pubsubs.remove(component);
        record.vacate(reason);
        record.place.shut(reason);
        true
    }

    pub(in crate::registry) fn redeclare(
        &mut self,
        mut spec: ComponentSpec,
        view: &mut View,
    ) -> Result<Vec<Task>, DeclareError> {
        let same = |record: &Record| {
            record.spec.name == spec.name && record.spec.component_type == spec.component_type
        };
        let Some(at) = self.records.iter().position(same) else { return self.declare(spec, view) };
        self.complete(&mut spec);
        // What is wrong with it is found out before anything changes.
        let rules = self.rules(&spec)?;
        let keys = encryption_keys(&spec)?;
        let record = &mut self.records[at];
        if keys != record.keys && !matches!(record.served, Served::Nobody) {
            // Nothing is stored under the old rule any more.
            record.place.hold("its encryption keys are asked for");
        }
        record.keys = keys;
        record.place.set_spec(&spec, rules);
        record.spec = spec;
        let claims = self.types.get(&record.spec.component_type);
        let Served::Plugin { plugin, socket, wrapper } = &record.served else {
            return Ok(record.serve(claims, &self.standby, &mut self.turn));
        };
        wrapper.link().set_policy(record.spec.hold);
        // Where the plugin is away, its next life is initialised so.
        let claim = claims.iter().flat_map(|claims| &claims.list);
        let claim = claim.filter(|claim| claim.plugin == *plugin && claim.socket == *socket);
        let offers = claim.flat_map(|claim| &claim.offers);
        let offers = offers.filter(|offer| !offer.connection.is_closed());
        Ok(offers.map(|offer| record.init(wrapper.clone(), offer)).collect())
    }

    pub(in crate::registry) fn set_hold(&mut self, component: &str, hold: HoldPolicy) -> bool {
        let found = self.records.iter_mut().find(|record| record.spec.name == component);
        let Some(record) = found else { return false };
        record.spec.hold = hold;
        record.place.set_spec(&record.spec, Rules::None);
        if let Served::Plugin { wrapper, .. } = &record.served {
            wrapper.link().set_policy(hold);
        }
        true
    }
}
