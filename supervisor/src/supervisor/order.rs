//! In which order plugins start and stop.

use futures_util::future::join_all;
use tokio::sync::{mpsc, watch};

use super::members::{Handle, Plugins};
use crate::plugin::task::Command;
use crate::status::{Phase, PluginStatus};

/// Has a plugin started once those before it are ready. Which these are is looked up again whenever
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
            (plugin.commands.clone(), before)
        };
        let ready = async {
            join_all(before.into_iter().map(is_ready)).await;
            if let Some(commands) = commands.upgrade() {
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

/// Waits until a plugin is ready. For ever where its task ends before: then either it goes from the
/// plan, which is news by itself, or everything is being stopped.
async fn is_ready(mut status: watch::Receiver<PluginStatus>) {
    if status.wait_for(|status| status.phase == Phase::Ready).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Holds on to what keeps `plugin` running until those of `others` that were started after it are
/// gone.
pub(super) fn last_of_those_after<'p>(
    plugin: &'p Handle,
    others: impl Iterator<Item = &'p Handle>,
    commander: Option<mpsc::Sender<Command>>,
) -> impl Future<Output = ()> {
    let name = plugin.name();
    let later = others.filter(|later| later.spec.after.iter().any(|before| before == name));
    let gone: Vec<_> = later.map(|later| is_gone(later.status.clone())).collect();
    async move {
        join_all(gone).await;
        drop(commander);
    }
}

/// Waits until a plugin's task has ended, and with it the plugin's process.
pub(super) async fn is_gone(mut status: watch::Receiver<PluginStatus>) {
    while status.changed().await.is_ok() {}
}
