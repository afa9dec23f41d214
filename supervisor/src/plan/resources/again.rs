//! Resources that are read again: what a file that is broken now has declared before stays.

use std::collections::HashSet;
use std::path::PathBuf;

use super::{Found, Wrong, WrongWith, place};
use crate::plan::diagnostic::{Checked, Severity};
use crate::plan::{Plan, Surroundings};

impl Plan {
    /// The plan with what its resource folders hold now in the place of what they held: everything
    /// else is as it was. What a file declared that cannot be read now stays, as far as nothing else
    /// declares it; other files count. There is no plan where something else is wrong, such as a
    /// name that is there twice. `tells` says what of it all is to be told. May block on the file
    /// system.
    #[must_use]
    pub fn with_resources_again(
        &self,
        surroundings: &Surroundings,
        tells: impl Fn(&Wrong) -> bool,
    ) -> Checked {
        let (mut plan, mut wrong) = self.resources_read(surroundings);
        plan.keep(self, &wrong);
        let circles = self.circles();
        let forbids = |wrong: &Wrong| match wrong.with {
            WrongWith::Document | WrongWith::Unreadable => false,
            // One that is there already has kept nothing from starting.
            WrongWith::Circle => !circles.contains(&wrong.message),
            _ => wrong.severity == Severity::Error,
        };
        let usable = !wrong.iter().any(forbids);
        wrong.retain(tells);
        let (diagnostics, included) = self.findings(wrong).into_diagnostics();
        Checked {
            plan: usable.then_some(plan),
            control: Some(self.runtime.control.clone()),
            diagnostics,
            source: String::new(),
            included,
        }
    }

    /// This plan, in which the resources of another are those that have been read before.
    #[must_use]
    pub fn after(mut self, before: &Self) -> Self {
        let own = |name: &str| self.components.iter().any(|known| known.name == name);
        let mut resources = before.resources.clone();
        resources.components.retain(|component| !own(&component.name));
        let of_resources: Vec<_> = (before.components.iter())
            .filter(|spec| resources.components.iter().any(|it| it.name == spec.name))
            .cloned()
            .collect();
        self.components.extend(of_resources);
        self.resources = resources;
        self
    }

    /// Keeps what files of `before` have declared that are broken now.
    fn keep(&mut self, before: &Self, wrong: &[Wrong]) {
        let broken: HashSet<&PathBuf> = wrong
            .iter()
            .filter(|it| matches!(it.with, WrongWith::Document | WrongWith::Unreadable))
            .map(|it| &it.file)
            .collect();
        if broken.is_empty() {
            return;
        }
        let is_broken = |at: &str| broken.contains(&place(at).0);
        for component in &before.resources.components {
            let name = &component.name;
            let declared = self.components.iter().any(|known| known.name == *name);
            if declared || !is_broken(&component.place) {
                continue;
            }
            self.resources.components.push(component.clone());
            self.components.extend(before.components.iter().find(|it| it.name == *name).cloned());
        }
        for subscription in &before.resources.subscriptions {
            let known = &mut self.resources.subscriptions;
            let declared = known.iter().any(|known| known.name == subscription.name);
            if !declared && is_broken(&subscription.place) {
                known.push(subscription.clone());
            }
        }
        for configuration in &before.resources.configurations {
            let known = &mut self.resources.configurations;
            if !known.iter().any(|known| known.name == configuration.name) {
                known.push(configuration.clone());
            }
        }
        // What stays is no change: it has its place in the order.
        let at = |known: Option<usize>| known.unwrap_or(usize::MAX);
        let all = &before.resources;
        self.resources.components.sort_by_key(|component| {
            at(all.components.iter().position(|it| it.name == component.name))
        });
        self.resources.subscriptions.sort_by_key(|subscription| {
            at(all.subscriptions.iter().position(|it| it.name == subscription.name))
        });
        self.resources.configurations.sort_by_key(|configuration| {
            at(all.configurations.iter().position(|it| it.name == configuration.name))
        });
        self.components.sort_by_key(|component| {
            at(before.components.iter().position(|it| it.name == component.name))
        });
    }

    /// What is told of its secret stores that need each other.
    fn circles(&self) -> Vec<String> {
        let (resources, specs) = (self.resources.clone(), self.components.clone());
        let mut found = Found { resources, specs, wrong: Vec::new() };
        found.circles();
        found.wrong.into_iter().map(|wrong| wrong.message).collect()
    }
}
