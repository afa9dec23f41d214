//! Two plans compared: the least change that makes the first into the second.
//!
//! Pure: a [`Change`] is a value, which says what is to be done and does nothing. It holds no value
//! of a variable or of metadata where it is shown, only their names.

mod component;
mod plugin;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;

use replug_runtime::component::ComponentSpec;
use replug_runtime::resources::{Configuration, Resources, SubscriptionResource};

use super::{Plan, PluginSpec, RuntimeSettings};

/// What is to be done so that what runs is what a plan asks for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Change {
    /// What happens to plugins that do not stay as they are: those that go first, in the order of
    /// the old plan, then those that come or change, in the order of the new one.
    pub plugins: Vec<PluginChange>,
    /// The same for components.
    pub components: Vec<ComponentChange>,
    /// Keys of `[runtime]` that differ and cannot be changed while replug runs, such as
    /// `runtime.grpc`, and `[app]`: they count when it starts the next time.
    pub at_next_start: Vec<&'static str>,
    /// Plugins that stay as they are.
    pub unchanged_plugins: usize,
    /// Components that stay as they are.
    pub unchanged_components: usize,
    /// Where resources are, and what they declare, where one of them differs.
    pub resources: Option<(Vec<PathBuf>, Resources)>,
    /// What `[[subscriptions]]` says, where that differs.
    pub subscriptions: Option<Vec<SubscriptionResource>>,
    /// The files of the Configuration, and what they say, where one of them differs.
    pub configuration: Option<(Vec<PathBuf>, Configuration)>,
    /// The names of all plugins, where their order in the plan is not what adding and removing make
    /// of the old one.
    plugin_order: Option<Vec<String>>,
    /// The same for components.
    component_order: Option<Vec<String>>,
}

/// What happens to one plugin.
#[derive(Debug, Clone, PartialEq)]
pub enum PluginChange {
    /// It is there from now on.
    Added(PluginSpec),
    /// It is not there any more.
    Removed(String),
    /// It needs another process; the keys say why.
    Replaced(PluginSpec, Vec<String>),
    /// Its process stays; the keys say what is different from now on.
    Adjusted(PluginSpec, Vec<String>),
}

/// What happens to one component.
#[derive(Debug, Clone, PartialEq)]
pub enum ComponentChange {
    /// It is there from now on.
    Added(ComponentSpec),
    /// It is not there any more.
    Removed(String),
    /// It is of another type, and so made anew.
    Remade(ComponentSpec, Vec<String>),
    /// It is initialised again, over its present link where a plugin serves it.
    Reinitialised(ComponentSpec, Vec<String>),
    /// It goes on as it is, with other rules for its callers.
    Adjusted(ComponentSpec, Vec<String>),
}

/// How far what has changed reaches.
#[derive(Debug, Default)]
struct Differences {
    /// Keys that mean another process, or another initialisation.
    deep: Vec<String>,
    /// Keys that do not.
    shallow: Vec<String>,
}

// === impl Change ===

impl Change {
    /// What makes `new` of `old`. `[runtime]`, but for its resources and the Configuration, and
    /// `[app]` are compared and not changed.
    #[must_use]
    pub fn between(old: &Plan, new: &Plan) -> Self {
        let name = |spec: &PluginSpec| spec.name.clone();
        let (plugins, unchanged_plugins) = changes(
            &old.plugins,
            &new.plugins,
            name,
            PluginChange::Removed,
            |old, new| match old {
                None => Some(PluginChange::Added(new.clone())),
                Some(old) => PluginChange::between(old, new),
            },
        );
        let name = |spec: &ComponentSpec| spec.name.clone();
        let (components, unchanged_components) = changes(
            &old.components,
            &new.components,
            name,
            ComponentChange::Removed,
            |old, new| match old {
                None => Some(ComponentChange::Added(new.clone())),
                Some(old) => ComponentChange::between(old, new),
            },
        );
        let mut change = Self {
            plugins,
            components,
            at_next_start: at_next_start(old, new),
            unchanged_plugins,
            unchanged_components,
            resources: resources(old, new),
            subscriptions: (old.subscriptions != new.subscriptions)
                .then(|| new.subscriptions.clone()),
            configuration: configuration(old, new),
            plugin_order: None,
            component_order: None,
        };
        // Orders are told only where they do not follow from the rest.
        let made = change.applied_to(old);
        change.plugin_order = order(&made.plugins, &new.plugins, |spec| &spec.name);
        change.component_order = order(&made.components, &new.components, |spec| &spec.name);
        change
    }

    /// Whether nothing differs at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plugins.is_empty()
            && self.components.is_empty()
            && self.at_next_start.is_empty()
            && self.resources.is_none()
            && self.subscriptions.is_none()
            && self.configuration.is_none()
            && self.plugin_order.is_none()
            && self.component_order.is_none()
    }

    /// The plan that `old` becomes by this change: all of the new one but what counts at the next
    /// start.
    #[must_use]
    pub fn applied_to(&self, old: &Plan) -> Plan {
        let mut plan = old.clone();
        for change in &self.plugins {
            let at = plan.plugins.iter().position(|plugin| plugin.name == change.name());
            match (change, at) {
                (PluginChange::Removed(_), Some(at)) => drop(plan.plugins.remove(at)),
                (PluginChange::Removed(_), None) => {}
                (
                    PluginChange::Added(spec)
                    | PluginChange::Replaced(spec, _)
                    | PluginChange::Adjusted(spec, _),
                    at,
                ) => put(&mut plan.plugins, at, spec.clone()),
            }
        }
        for change in &self.components {
            let at = plan.components.iter().position(|component| component.name == change.name());
            match (change, at) {
                (ComponentChange::Removed(_), Some(at)) => drop(plan.components.remove(at)),
                (ComponentChange::Removed(_), None) => {}
                (
                    ComponentChange::Added(spec)
                    | ComponentChange::Remade(spec, _)
                    | ComponentChange::Reinitialised(spec, _)
                    | ComponentChange::Adjusted(spec, _),
                    at,
                ) => put(&mut plan.components, at, spec.clone()),
            }
        }
        if let Some((folders, resources)) = &self.resources {
            plan.runtime.resources.clone_from(folders);
            plan.resources.clone_from(resources);
        }
        if let Some(subscriptions) = &self.subscriptions {
            plan.subscriptions.clone_from(subscriptions);
        }
        if let Some((files, configuration)) = &self.configuration {
            plan.runtime.configuration.clone_from(files);
            plan.configuration.clone_from(configuration);
        }
        if let Some(order) = &self.plugin_order {
            arrange(&mut plan.plugins, order, |spec| &spec.name);
        }
        if let Some(order) = &self.component_order {
            arrange(&mut plan.components, order, |spec| &spec.name);
        }
        plan
    }

    /// The names of all plugins in the order of the new plan, where that is another than adding and
    /// removing make of the old one.
    #[must_use]
    pub fn plugin_order(&self) -> Option<&[String]> {
        self.plugin_order.as_deref()
    }
}

/// What becomes of things with a name, and how many stay as they are.
fn changes<S, C>(
    old: &[S],
    new: &[S],
    name: impl Fn(&S) -> String,
    removed: impl Fn(String) -> C,
    change: impl Fn(Option<&S>, &S) -> Option<C>,
) -> (Vec<C>, usize) {
    let before: HashMap<String, &S> = old.iter().map(|spec| (name(spec), spec)).collect();
    let after: HashSet<String> = new.iter().map(&name).collect();
    let gone = old.iter().map(&name).filter(|name| !after.contains(name)).map(removed);
    let mut changes: Vec<C> = gone.collect();
    let mut unchanged = 0;
    for spec in new {
        match change(before.get(&name(spec)).copied(), spec) {
            Some(change) => changes.push(change),
            None => unchanged += 1,
        }
    }
    (changes, unchanged)
}

fn put<S>(list: &mut Vec<S>, at: Option<usize>, spec: S) {
    match at {
        Some(at) => list[at] = spec,
        None => list.push(spec),
    }
}

/// The names of `wanted`, where `made` has them in another order.
fn order<S>(made: &[S], wanted: &[S], name: impl Fn(&S) -> &String) -> Option<Vec<String>> {
    let same = made.iter().map(&name).eq(wanted.iter().map(&name));
    (!same).then(|| wanted.iter().map(|spec| name(spec).clone()).collect())
}

fn arrange<S>(list: &mut [S], order: &[String], name: impl Fn(&S) -> &String) {
    let places: HashMap<&String, usize> =
        order.iter().enumerate().map(|(at, name)| (name, at)).collect();
    list.sort_by_key(|spec| places.get(name(spec)).copied());
}

/// Where resources are, and what they declare, where one of them differs.
fn resources(old: &Plan, new: &Plan) -> Option<(Vec<PathBuf>, Resources)> {
    let differs = old.runtime.resources != new.runtime.resources || old.resources != new.resources;
    differs.then(|| (new.runtime.resources.clone(), new.resources.clone()))
}

/// The files of the Configuration, and what they say, where replug acts otherwise on one of them.
fn configuration(old: &Plan, new: &Plan) -> Option<(Vec<PathBuf>, Configuration)> {
    let same = old.runtime.configuration == new.runtime.configuration
        && old.configuration.acts_as(&new.configuration);
    (!same).then(|| (new.runtime.configuration.clone(), new.configuration.clone()))
}

/// What differs and cannot be changed while replug runs.
fn at_next_start(old: &Plan, new: &Plan) -> Vec<&'static str> {
    let app = (old.app != new.app).then_some("app");
    runtime(old, new).into_iter().chain(app).collect()
}

/// The keys of `[runtime]` that differ.
fn runtime(old: &Plan, new: &Plan) -> Vec<&'static str> {
    let (old, new) = (&old.runtime, &new.runtime);
    // Taken apart, so that a setting that comes to be is not forgotten here.
    let RuntimeSettings {
        app_id,
        grpc,
        http,
        run_dir,
        socket_dir,
        control,
        control_group,
        forget_after,
        max_message,
        // Changed while replug runs, as components are.
        resources: _,
        metrics,
        // The APIs are served anew with it.
        configuration: _,
    } = old;
    [
        ("runtime.app_id", *app_id != new.app_id),
        ("runtime.grpc", *grpc != new.grpc),
        ("runtime.http", *http != new.http),
        ("runtime.run_dir", *run_dir != new.run_dir),
        ("runtime.socket_dir", *socket_dir != new.socket_dir),
        ("runtime.control", *control != new.control),
        ("runtime.control_group", *control_group != new.control_group),
        ("runtime.forget_after", *forget_after != new.forget_after),
        ("runtime.max_message", *max_message != new.max_message),
        ("runtime.metrics", *metrics != new.metrics),
    ]
    .into_iter()
    .filter_map(|(key, differs)| differs.then_some(key))
    .collect()
}

/// The names that only one of the two has, or that mean something else in the other; in the order
/// of the alphabet, and without what they mean.
fn changed_keys<V: PartialEq>(
    table: &str,
    old: &BTreeMap<String, V>,
    new: &BTreeMap<String, V>,
) -> Vec<String> {
    let gone = old.iter().filter(|(key, value)| new.get(*key) != Some(value));
    let come = new.iter().filter(|(key, _)| !old.contains_key(*key));
    let mut keys: Vec<_> = gone.chain(come).map(|(key, _)| format!("{table}.{key}")).collect();
    keys.sort_unstable();
    keys
}

// === impl Differences ===

impl Differences {
    fn deep(&mut self, key: &str, differs: bool) {
        if differs {
            self.deep.push(key.to_owned());
        }
    }

    fn shallow(&mut self, key: &str, differs: bool) {
        if differs {
            self.shallow.push(key.to_owned());
        }
    }

    fn is_deep(&self) -> bool {
        !self.deep.is_empty()
    }

    fn keys(self) -> Option<Vec<String>> {
        let keys = [self.deep, self.shallow].concat();
        (!keys.is_empty()).then_some(keys)
    }
}

/// For eyes, a line for each thing that changes.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plugins = self.plugins.iter().map(|it| ("plugin", it.name(), it.what(), it.keys()));
        let components =
            self.components.iter().map(|it| ("component", it.name(), it.what(), it.keys()));
        for (kind, name, what, keys) in plugins.chain(components) {
            write!(f, "{kind} {name}: {what}")?;
            if !keys.is_empty() {
                write!(f, " ({})", keys.join(", "))?;
            }
            writeln!(f)?;
        }
        if self.subscriptions.is_some() {
            writeln!(f, "subscriptions: changed")?;
        }
        if self.configuration.is_some() {
            writeln!(f, "configuration: changed, the APIs are served anew")?;
        }
        for key in &self.at_next_start {
            writeln!(f, "{key}: changed, takes effect at the next start of replug")?;
        }
        writeln!(
            f,
            "unchanged: {}, {}",
            counted(self.unchanged_plugins, "plugin"),
            counted(self.unchanged_components, "component")
        )
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
