//! The declared plugins that are there at this moment: how one comes, and how one goes.

use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use futures_util::future::join_all;
use indexmap::IndexMap;
use replug_runtime::registry::Registry;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::handing::stop_undeclared;
use super::handle::{Handle, Instance};
use super::replacing::NotReplaced;
use super::{PluginError, Supervisor, Tasks, order};
use crate::plan::{Launch, PluginSpec, Start};
use crate::plugin::task::{Command, Surroundings};
use crate::plugin::{Family, Handed, WeakFamily};
use crate::status::{Phase, PluginStatus, Seeing};

/// The declared plugins by name, in the order of the plan. Clones are snapshots.
pub(super) type Plugins = Arc<IndexMap<Arc<str>, Handle>>;

// === impl Supervisor ===

impl Supervisor {
    /// Adds plugins to those that are there, and has them started as their settings say. An error
    /// says that none was added.
    pub fn add(&self, specs: Vec<PluginSpec>) -> Result<(), PluginError> {
        specs.iter().try_for_each(|spec| self.may_add(&spec.name))?;
        let mut running = self.running.lock();
        let tasks = running.as_mut().ok_or(PluginError::Stopping)?;
        tasks.add(&self.plugins, specs.into_iter());
        Ok(())
    }

    /// Whether a plugin can be added under this name.
    pub fn may_add(&self, name: &str) -> Result<(), PluginError> {
        if self.is_found(name) { Err(PluginError::Taken(name.to_owned())) } else { Ok(()) }
    }

    /// What a declared plugin follows; none where there is no such plugin.
    #[must_use]
    pub fn spec(&self, name: &str) -> Option<Arc<PluginSpec>> {
        self.plugins.borrow().get(name).map(|plugin| plugin.spec.clone())
    }

    /// Has the calls of plugins end, within each one's bound, stops the plugins, each when those among
    /// them that were started after it are gone, and forgets them. Returns when their processes are gone and nothing of them is registered any more. What
    /// is no plugin is passed over.
    pub async fn remove(&self, names: &[String]) -> Result<(), PluginError> {
        let plugins = self.plugins.borrow().clone();
        let leaving: Vec<&Handle> =
            names.iter().filter_map(|name| plugins.get(name.as_str())).collect();
        // They are there, stopping, until they are gone: whoever looks sees them go.
        let stopped = leaving.iter().map(|plugin| async {
            let name = plugin.name();
            let later = leaving.iter().filter(|later| later.spec.after.iter().any(|it| it == name));
            let gone = later.map(|later| is_stopped(later.status.clone()));
            join_all(gone).await;
            let reason = format!("plugin {name} was taken out of plugins.toml");
            let draining = self.registry()?.drain(name, &reason);
            // What is under way after that time ends with the process.
            let _ = timeout(plugin.spec.drain_timeout, draining.done()).await;
            plugin.command(|| Command::Stop).await?;
            is_stopped(plugin.status.clone()).await;
            Ok(())
        });
        join_all(stopped).await.into_iter().collect::<Result<(), PluginError>>()?;
        let (registry, log) = {
            let mut running = self.running.lock();
            let tasks = running.as_mut().ok_or(PluginError::Stopping)?;
            tasks.forget(&self.plugins, &leaving);
            (tasks.surroundings.registry.clone(), tasks.surroundings.log.clone())
        };
        // Somebody may have had one started in the meantime: then it stops now.
        join_all(leaving.iter().map(|plugin| async {
            order::is_gone(plugin.status.clone()).await;
            let name = plugin.name();
            if let Launch::Builtin { component_type, .. } = &plugin.spec.launch {
                registry.unreserve(component_type, name).await;
            }
            registry.retire(name, &format!("plugin {name} was removed")).await;
            log.forget(name);
        }))
        .await;
        Ok(())
    }

    /// Gives plugins other settings, which count from now on; what says how a process is started
    /// counts from its next generation on. Waits for processes that are too many to go. What is no
    /// plugin is passed over.
    pub async fn adjust(&self, specs: Vec<PluginSpec>) -> Result<(), PluginError> {
        let scaled: Vec<_> = specs
            .iter()
            .filter(|spec| self.spec(&spec.name).is_some_and(|it| it.instances != spec.instances))
            .map(|spec| (spec.name.clone(), spec.instances))
            .collect();
        let told: Vec<(Handle, Arc<PluginSpec>)> = {
            let mut running = self.running.lock();
            let tasks = running.as_mut().ok_or(PluginError::Stopping)?;
            tasks.adjust(&self.plugins, specs)
        };
        for (plugin, spec) in &told {
            plugin.command(|| Command::Adjust(spec.clone())).await?;
        }
        for (name, instances) in scaled {
            self.scale(&name, instances).await?;
        }
        Ok(())
    }

    /// Gives a plugin other settings and a process that was started with them, without a gap where
    /// that can be: see [`Supervisor::replace`]. One that cannot be replaced runs on as it was, and
    /// shows that.
    pub async fn renew(&self, spec: PluginSpec) -> Result<PluginStatus, PluginError> {
        let spec = Arc::new(spec);
        let name = &spec.name;
        let mut before = self.declared(name)?;
        if spec.instances < before.spec.instances {
            self.scale(name, spec.instances).await?;
            before = self.declared(name)?;
        }
        if let Err(NotReplaced { replaced, error }) = self.replace_with(&spec).await {
            if let PluginError::NotReplaced { reason, .. } = &error {
                let note = format!("runs with what plugins.toml said before: {reason}");
                for instance in before.instances.iter().skip(replaced) {
                    instance.command(Command::Note(note.clone())).await?;
                }
                return Err(error);
            }
            self.settle_in(&before, &spec).await?;
            return Err(error);
        }
        self.settle_in(&before, &spec).await?;
        Ok(self.declared(name)?.status.borrow().clone())
    }

    /// What follows once the processes that were there follow `spec`.
    async fn settle_in(&self, before: &Handle, spec: &PluginSpec) -> Result<(), PluginError> {
        if spec.instances > before.spec.instances {
            self.scale(&spec.name, spec.instances).await?;
        }
        self.rebind(spec)?;
        if let Launch::Builtin { component_type: old, .. } = &before.spec.launch
            && !matches!(&spec.launch, Launch::Builtin { component_type, .. } if component_type == old)
        {
            self.registry()?.unreserve(old, &spec.name).await;
        }
        Ok(())
    }

    fn rebind(&self, spec: &PluginSpec) -> Result<(), PluginError> {
        let mut running = self.running.lock();
        running.as_mut().ok_or(PluginError::Stopping)?.bind(spec, &self.plugins);
        Ok(())
    }

    /// Puts the plugins into this order, in which they are shown. Those that it does not name come
    /// last.
    pub fn arrange(&self, names: &[String]) {
        self.plugins.send_modify(|plugins| {
            let places: HashMap<&str, usize> =
                names.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
            let place = |name: &str| places.get(name).copied().unwrap_or(usize::MAX);
            Arc::make_mut(plugins).sort_by(|one, _, other, _| place(one).cmp(&place(other)));
        });
    }

    fn registry(&self) -> Result<Arc<Registry>, PluginError> {
        let running = self.running.lock();
        let tasks = running.as_ref().ok_or(PluginError::Stopping)?;
        Ok(tasks.surroundings.registry.clone())
    }
}

/// Waits until a plugin has no process and none is to come, or its task has ended.
async fn is_stopped(mut status: watch::Receiver<PluginStatus>) {
    // An error means that its task has ended.
    let _ = status.wait_for(|status| status.phase == Phase::Stopped).await;
}

// === impl Tasks ===

impl Tasks {
    pub(super) fn new(
        surroundings: Surroundings,
        finding: mpsc::Sender<oneshot::Sender<()>>,
    ) -> Self {
        Self {
            surroundings,
            tasks: JoinSet::new(),
            aside: JoinSet::new(),
            followers: JoinSet::new(),
            bound: HashSet::new(),
            commanders: HashMap::new(),
            finding,
        }
    }

    pub(super) fn add(
        &mut self,
        plugins: &watch::Sender<Plugins>,
        specs: impl Iterator<Item = PluginSpec>,
    ) {
        self.add_handed(plugins, specs, Vec::new());
    }

    /// As [`Tasks::add`], with what the program before has left of plugins.
    pub(super) fn add_handed(
        &mut self,
        plugins: &watch::Sender<Plugins>,
        specs: impl Iterator<Item = PluginSpec>,
        mut handed: Vec<Handed<OwnedFd>>,
    ) {
        self.reap();
        let (mut coming, mut going_on) = (Vec::new(), Vec::new());
        plugins.send_modify(|plugins| {
            let plugins = Arc::make_mut(plugins);
            for spec in specs.map(Arc::new) {
                if let Launch::Builtin { component_type, .. } = &spec.launch {
                    self.surroundings.registry.reserve(component_type.clone(), &spec.name);
                }
                let (instances, family, status, first) = self.come(&spec, &mut handed);
                if first {
                    coming.push(spec.clone());
                } else {
                    going_on.push(spec.clone());
                }
                let name: Arc<str> = spec.name.as_str().into();
                plugins.insert(name, Handle { spec, instances, status, family });
            }
        });
        // Only now: one may be started after another that stands below it.
        for left in handed {
            self.tasks.spawn(stop_undeclared(left, self.surroundings.clone()));
        }
        let known = plugins.borrow().clone();
        let auto = coming.iter().filter(|spec| spec.start == Start::Auto);
        let auto = auto.map(|spec| spec.name.as_str());
        for name in with_what_they_require(&known, auto) {
            let is_new = coming.iter().any(|spec| spec.name == name);
            if is_new || known[&*name].status.borrow().phase == Phase::Stopped {
                self.followers.spawn(order::start_in_turn(name, plugins.subscribe()));
            }
        }
        for spec in coming.into_iter().chain(going_on) {
            self.bind(&spec, plugins);
        }
    }

    /// Starts the tasks of a plugin, with what the program before has left of it. Says, too, whether
    /// it has never been started.
    fn come(
        &mut self,
        spec: &Arc<PluginSpec>,
        handed: &mut Vec<Handed<OwnedFd>>,
    ) -> (Vec<Instance>, WeakFamily, Seeing, bool) {
        let (family, status) = Family::new(spec, self.surroundings.journal.clone());
        let is_of_it =
            |left: &Handed<OwnedFd>| left.name == spec.name && left.instance <= spec.instances;
        let mut left: Vec<_> = handed.extract_if(.., |left| is_of_it(left)).collect();
        // One that has been started before is as it is: running, stopped, or waiting.
        let first = !left.iter().any(Handed::has_been_started);
        let is_up = left.iter().any(Handed::is_up);
        let instances = (1..=spec.instances).map(|number| {
            let at = left.iter().position(|left| left.instance == number);
            let left = at.map(|at| left.swap_remove(at));
            let is_new = left.is_none();
            let instance = self.add_instance(spec, number, &family, left);
            if is_new
                && is_up
                && let Some(commands) = instance.commands.upgrade()
            {
                // There is room for the first, and the task is there.
                let _ = commands.try_send(Command::Start);
            }
            instance
        });
        let instances = instances.collect();
        (instances, family.downgrade(), status, first)
    }

    /// Has the plugin stop when one that it requires does.
    fn bind(&mut self, spec: &PluginSpec, plugins: &watch::Sender<Plugins>) {
        if spec.requires.is_empty() {
            self.bound.remove(&spec.name);
        } else if self.bound.insert(spec.name.clone()) {
            let follower =
                order::stop_with_what_it_requires(spec.name.clone(), plugins.subscribe());
            self.followers.spawn(follower);
        }
    }

    fn adjust(
        &mut self,
        plugins: &watch::Sender<Plugins>,
        specs: Vec<PluginSpec>,
    ) -> Vec<(Handle, Arc<PluginSpec>)> {
        self.reap();
        let mut told = Vec::new();
        plugins.send_modify(|plugins| {
            let plugins = Arc::make_mut(plugins);
            for spec in specs {
                if let Some(plugin) = plugins.get_mut(spec.name.as_str()) {
                    // Processes come and go after that.
                    let spec = Arc::new(PluginSpec { instances: plugin.spec.instances, ..spec });
                    plugin.spec = spec.clone();
                    told.push((plugin.clone(), spec));
                }
            }
        });
        for (_, spec) in &told {
            self.bind(spec, plugins);
        }
        told
    }

    fn forget(&mut self, plugins: &watch::Sender<Plugins>, leaving: &[&Handle]) {
        self.reap();
        plugins.send_modify(|plugins| {
            Arc::make_mut(plugins).retain(|name, _| !leaving.iter().any(|it| it.name() == &**name));
        });
        for plugin in leaving {
            self.commanders.remove(plugin.name());
            self.bound.remove(plugin.name());
        }
    }

    /// Frees what has ended.
    fn reap(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        while self.followers.try_join_next().is_some() {}
    }
}

/// These plugins, and those without which they are of no use, each once.
pub(super) fn with_what_they_require<'n>(
    plugins: &Plugins,
    names: impl Iterator<Item = &'n str>,
) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut seen = HashSet::new();
    let mut open: Vec<String> = names.map(str::to_owned).collect();
    open.reverse();
    while let Some(name) = open.pop() {
        let Some(plugin) = plugins.get(&*name) else { continue };
        if seen.insert(name.clone()) {
            open.extend(plugin.spec.requires.iter().cloned());
            all.push(name);
        }
    }
    all
}
