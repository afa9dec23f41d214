//! What a change of the plan means for what runs.
//!
//! The order: first what costs nothing (new settings), so that nothing waits for what is about to
//! go; then what goes; then what comes in its place, all at once.

use std::time::Duration;

use futures_util::future::join_all;
use replug_runtime::component::ComponentSpec;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::{ComponentNews, Failed, ReloadError, Reloader};
use crate::events::{Kind, about};
use crate::plan::{Change, ComponentChange, Launch, PluginChange, PluginSpec};
use crate::supervisor::PluginError;

/// How long a reload waits for components to be initialised. They may take longer; then the reload
/// says so, and the next one need not wait for them.
const INIT_PATIENCE: Duration = Duration::from_secs(10);

/// What is told of plugins that come and go.
const DECLARED: &str = "declared in plugins.toml";
const TAKEN_OUT: &str = "taken out of plugins.toml";

/// A component that is being initialised: what came of it.
type Initialised = (String, Result<(), String>);

impl Reloader {
    /// Does all of it, and gives what did not end well.
    pub(super) async fn apply(&mut self, change: &Change) -> Result<Vec<Failed>, ReloadError> {
        let mut failed = Vec::new();
        self.adjust(change).await?;
        self.components_go(change);
        self.remove(change).await?;
        self.add(change, &mut failed)?;
        self.reserve(change);
        let initialising = self.components_come(change);
        self.replace(change, &mut failed).await?;
        if let Some(order) = change.plugin_order() {
            self.supervisor.arrange(order);
        }
        self.initialised(initialising, &mut failed).await;
        let mut present = change.applied_to(&self.present.borrow());
        // What could not be added or replaced is as it was, and the next reload tries it again.
        for failure in failed.iter().filter(|failure| failure.kind == "plugin") {
            let name = &failure.name;
            match self.supervisor.spec(name) {
                None => present.plugins.retain(|plugin| plugin.name != *name),
                Some(spec) => {
                    let same = present.plugins.iter_mut().find(|plugin| plugin.name == *name);
                    if let Some(plugin) = same {
                        *plugin = PluginSpec::clone(&spec);
                    }
                }
            }
        }
        self.present.send_replace(present);
        Ok(failed)
    }

    async fn adjust(&self, change: &Change) -> Result<(), ReloadError> {
        let adjusted = change.plugins.iter().filter_map(|change| match change {
            PluginChange::Adjusted(spec, _) => Some(spec.clone()),
            _ => None,
        });
        self.supervisor.adjust(adjusted.collect()).await.map_err(stopping)
    }

    async fn remove(&self, change: &Change) -> Result<(), ReloadError> {
        let removed = change.plugins.iter().filter_map(|change| match change {
            PluginChange::Removed(name) => Some(name.clone()),
            _ => None,
        });
        let removed: Vec<_> = removed.collect();
        if removed.is_empty() {
            return Ok(());
        }
        self.supervisor.remove(&removed).await.map_err(stopping)?;
        for name in &removed {
            self.supervisor.journal().record(about(name, Kind::Removed, TAKEN_OUT));
        }
        Ok(())
    }

    fn add(&self, change: &Change, failed: &mut Vec<Failed>) -> Result<(), ReloadError> {
        let added = change.plugins.iter().filter_map(|change| match change {
            PluginChange::Added(spec) => Some(spec),
            _ => None,
        });
        // One that cannot be added does not keep the others out.
        let mut specs: Vec<PluginSpec> = Vec::new();
        for spec in added {
            match self.supervisor.may_add(&spec.name) {
                Ok(()) => specs.push(spec.clone()),
                Err(error) => failed.push(Failed {
                    kind: "plugin",
                    name: spec.name.clone(),
                    reason: error.to_string(),
                }),
            }
        }
        if specs.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = specs.iter().map(|spec| spec.name.clone()).collect();
        self.supervisor.add(specs).map_err(stopping)?;
        for name in &names {
            self.supervisor.journal().record(about(name, Kind::Added, DECLARED));
        }
        Ok(())
    }

    async fn replace(&self, change: &Change, failed: &mut Vec<Failed>) -> Result<(), ReloadError> {
        let replaced = change.plugins.iter().filter_map(|change| match change {
            PluginChange::Replaced(spec, _) => Some(spec),
            _ => None,
        });
        let replacing = replaced
            .map(|spec| async { (spec.name.clone(), self.supervisor.renew(spec.clone()).await) });
        for (name, outcome) in join_all(replacing).await {
            match outcome {
                Ok(_) => {}
                Err(PluginError::Stopping) => return Err(ReloadError::Stopping),
                Err(error) => {
                    failed.push(Failed { kind: "plugin", name, reason: error.to_string() });
                }
            }
        }
        Ok(())
    }

    /// Keeps the types of built-ins that run as plugins for these, before components of them come.
    fn reserve(&self, change: &Change) {
        for change in &change.plugins {
            if let PluginChange::Replaced(spec, _) = change
                && let Launch::Builtin { component_type, .. } = &spec.launch
            {
                self.registry.reserve(component_type.clone(), &spec.name);
            }
        }
    }

    fn components_go(&self, change: &Change) {
        for change in &change.components {
            match change {
                ComponentChange::Removed(name) => self.undeclare(name),
                ComponentChange::Remade(spec, _) => {
                    self.tell_closing(&spec.name);
                    self.undeclare(&spec.name);
                }
                ComponentChange::Reinitialised(spec, _) => self.tell_closing(&spec.name),
                ComponentChange::Adjusted(spec, _) => {
                    self.registry.set_hold(&spec.name, spec.hold);
                }
                ComponentChange::Added(_) => {}
            }
        }
    }

    /// Tells of one that is to come in another form.
    fn tell_closing(&self, name: &str) {
        let present = self.present.borrow();
        if let Some(spec) = present.components.iter().find(|spec| spec.name == name) {
            self.hearer.hear(ComponentNews::Closing(spec));
        }
    }

    /// Begins the initialisation of those that are new or not as they were.
    fn components_come(&self, change: &Change) -> JoinSet<Initialised> {
        let mut work = JoinSet::new();
        for change in &change.components {
            match change {
                ComponentChange::Added(spec)
                | ComponentChange::Remade(spec, _)
                | ComponentChange::Reinitialised(spec, _) => self.declare(spec, &mut work),
                ComponentChange::Removed(_) | ComponentChange::Adjusted(..) => {}
            }
        }
        work
    }

    fn undeclare(&self, component: &str) {
        let reason = format!("component {component} was taken out of plugins.toml");
        self.registry.undeclare(component, &reason);
    }

    fn declare(&self, spec: &ComponentSpec, work: &mut JoinSet<Initialised>) {
        let (registry, spec) = (self.registry.clone(), spec.clone());
        let hearer = self.hearer.clone();
        hearer.hear(ComponentNews::Coming(&spec));
        work.spawn(async move {
            let made = registry.redeclare(spec.clone()).await;
            hearer.hear(ComponentNews::Made(&spec, &made));
            let name = spec.name;
            let outcome = match made {
                Ok(None) => Ok(()),
                Ok(Some(reason)) => Err(format!("its initialisation failed: {reason}")),
                Err(error) => Err(error.to_string()),
            };
            (name, outcome)
        });
    }

    /// Waits for what was begun, within bounds.
    async fn initialised(&mut self, mut work: JoinSet<Initialised>, failed: &mut Vec<Failed>) {
        let until = Instant::now() + INIT_PATIENCE;
        loop {
            match timeout_at(until, work.join_next()).await {
                Ok(None) => return,
                // A panic has been told.
                Ok(Some(Ok((_, Ok(()))) | Err(_))) => {}
                Ok(Some(Ok((name, Err(reason))))) => {
                    failed.push(Failed { kind: "component", name, reason });
                }
                Err(_) => break,
            }
        }
        tracing::warn!(
            "reload: {} components are not initialised after {}; that goes on",
            work.len(),
            humantime::format_duration(INIT_PATIENCE)
        );
        self.late.spawn(async move { while work.join_next().await.is_some() {} });
    }
}

/// What keeps a change as a whole from being made: there is only one such thing.
fn stopping(_: PluginError) -> ReloadError {
    ReloadError::Stopping
}
