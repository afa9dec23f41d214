//! In which order plugins start and stop, and which do not run without which.

use futures_util::future::{join_all, select_all};
use tokio::sync::{mpsc, watch};

use super::handle::Handle;
use super::members::Plugins;
use crate::plugin::task::Command;
use crate::status::{Phase, PluginStatus};

/// Has a plugin started once those before it are ready: each with one of its processes, since it can
/// be used then. Which these are is looked up again whenever
/// plugins come and go; one that is gone is not waited for. Ends without a start when the plugin
/// itself has gone.
pub(super) async fn start_in_turn(name: String, mut plugins: watch::Receiver<Plugins>) {
    loop {
        let (commands, before) = {
            let plugins = plugins.borrow_and_update();
            let Some(plugin) = plugins.get(&*name) else { return };
            let before: Vec<_> = plugin
                .spec
                .after
                .iter()
                .filter_map(|before| Some(plugins.get(&**before)?.status.clone()))
                .collect();
            let commands: Vec<_> =
                plugin.instances.iter().map(|instance| instance.commands.clone()).collect();
            (commands, before)
        };
        let ready = async {
            join_all(before.into_iter().map(is_ready)).await;
            for commands in commands.iter().filter_map(mpsc::WeakSender::upgrade) {
                // An error means that its task has ended.
                let _ = commands.send(Command::Start).await;
            }
        };
        tokio::select! {
            () = ready => return,
            changed = plugins.changed() => if changed.is_err() { return },
        }
    }
}

/// Stops a plugin whenever one that it requires is stopped or has failed. Which these are is looked
/// up again whenever plugins come, go and change. Ends when the plugin has gone or requires none.
pub(super) async fn stop_with_what_it_requires(
    name: String,
    mut plugins: watch::Receiver<Plugins>,
) {
    loop {
        let (plugin, required) = {
            let plugins = plugins.borrow_and_update();
            let Some(plugin) = plugins.get(&*name) else { return };
            if plugin.spec.requires.is_empty() {
                return;
            }
            let required = plugin.spec.requires.iter().filter_map(|name| plugins.get(&**name));
            (plugin.clone(), required.cloned().collect::<Vec<_>>())
        };
        tokio::select! {
            biased;
            changed = plugins.changed() => if changed.is_err() { return },
            () = follow(&plugin, &required) => {}
        }
    }
}

/// Stops the plugin once, when that is called for; after that its state is looked at anew.
async fn follow(plugin: &Handle, required: &[Handle]) {
    let mut own = plugin.status.clone();
    until(&mut own, |phase| !is_down(phase)).await;
    let downs = required.iter().map(|required| {
        let mut status = required.status.clone();
        Box::pin(async move {
            until(&mut status, is_down).await;
            required.name()
        })
    });
    tokio::select! {
        biased;
        () = until(&mut own, is_down) => {}
        (name, ..) = select_all(downs) => {
            let reason = format!("requires {name}, which does not run");
            // An error means that its task has ended.
            let _ = plugin.command(|| Command::StopBecause(reason.clone())).await;
            until(&mut own, is_down).await;
        }
    }
}

/// What a plugin requires, and what that requires, each after what it requires itself.
pub(super) fn required_by<'p>(plugins: &'p Plugins, name: &str) -> Vec<&'p Handle> {
    let below = |plugin: &Handle| plugin.spec.requires.clone();
    walked(plugins, name, &below)
}

/// The plugins that require this one, and those that require them, each after those that require
/// it.
pub(super) fn that_require<'p>(plugins: &'p Plugins, name: &str) -> Vec<&'p Handle> {
    let above = |plugin: &Handle| {
        let name = plugin.name();
        let requires = |other: &&Handle| other.spec.requires.iter().any(|it| it == name);
        plugins.values().filter(requires).map(|other| other.name().to_owned()).collect()
    };
    walked(plugins, name, &above)
}

/// What `next` leads to from a plugin, without the plugin itself, the farthest first.
fn walked<'p>(
    plugins: &'p Plugins,
    name: &str,
    next: &dyn Fn(&Handle) -> Vec<String>,
) -> Vec<&'p Handle> {
    fn visit<'p>(
        plugins: &'p Plugins,
        plugin: &'p Handle,
        next: &dyn Fn(&Handle) -> Vec<String>,
        found: &mut Vec<&'p Handle>,
    ) {
        for name in next(plugin) {
            let Some(other) = plugins.get(&*name) else { continue };
            if !found.iter().any(|known| known.name() == other.name()) {
                visit(plugins, other, next, found);
                found.push(other);
            }
        }
    }
    let mut found = Vec::new();
    if let Some(plugin) = plugins.get(name) {
        visit(plugins, plugin, next, &mut found);
    }
    found
}

/// Whether there is no process and none is to come by itself.
pub(super) fn is_down(phase: Phase) -> bool {
    matches!(phase, Phase::Stopped | Phase::Failed)
}

/// Waits for a phase. For ever where the task ends before: see [`is_ready`].
async fn until(status: &mut watch::Receiver<PluginStatus>, wanted: impl Fn(Phase) -> bool) {
    if status.wait_for(|status| wanted(status.phase)).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waits until a plugin is ready. For ever where its task ends before: then either it goes from the
/// plan, which is news by itself, or everything is being stopped.
async fn is_ready(mut status: watch::Receiver<PluginStatus>) {
    until(&mut status, |phase| phase == Phase::Ready).await;
}

/// Holds on to what keeps `plugin` running until those of `others` that were started after it are
/// gone.
pub(super) fn last_of_those_after<'p>(
    plugin: &'p Handle,
    others: impl Iterator<Item = &'p Handle>,
    commanders: Option<Vec<mpsc::Sender<Command>>>,
) -> impl Future<Output = ()> {
    let name = plugin.name();
    let later = others.filter(|later| later.spec.after.iter().any(|before| before == name));
    let gone: Vec<_> = later.map(|later| is_gone(later.status.clone())).collect();
    async move {
        join_all(gone).await;
        drop(commanders);
    }
}

/// Waits until a plugin's task has ended, and with it the plugin's process.
pub(super) async fn is_gone(mut status: watch::Receiver<PluginStatus>) {
    while status.changed().await.is_ok() {}
}
