//! Whether the supervisor still does its work, and news of its plugins as it comes.

use std::pin::Pin;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use super::handle::Instance;
use super::members::Plugins;
use super::{Finding, Supervisor};
use crate::plugin::task::Command;
use crate::status::PluginStatus;

/// Somebody in the supervisor has not answered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} does not answer")]
pub struct Silent(String);

/// Tells when plugins have changed. Made by [`Supervisor::changes`].
pub struct Changes {
    /// Which are there.
    plugins: watch::Receiver<Plugins>,
    found: Option<watch::Receiver<Vec<PluginStatus>>>,
    /// One for every status, until the task that writes it has ended.
    next: FuturesUnordered<Next>,
}

type Next = Pin<Box<dyn Future<Output = Option<Seen>> + Send>>;

/// What is seen of one task of the supervisor.
enum Seen {
    Declared(watch::Receiver<PluginStatus>),
    Found(watch::Receiver<Vec<PluginStatus>>),
}

// === impl Supervisor ===

impl Supervisor {
    /// Goes round everybody who works here: each plugin's task, the task of the socket folder, the
    /// thread that starts processes. An error names the first who has not answered `within` this
    /// time. Once the supervisor is being stopped, nobody answers.
    pub async fn answers(&self, within: Duration) -> Result<(), Silent> {
        let spawner = async {
            let answered = timeout(within, self.spawner.answers()).await;
            answered.unwrap_or(false).then_some(()).ok_or_else(|| "what starts processes".into())
        };
        let finding = async {
            let Some(finding) = &self.found else { return Ok(()) };
            let answered = timeout(within, finding.answers()).await.ok().flatten();
            answered.ok_or_else(|| "what watches the socket folder".to_owned())
        };
        let plugins = self.plugins.borrow().clone();
        let instances = plugins.values().flat_map(|plugin| &plugin.instances);
        let plugins = join_all(instances.map(async |instance| {
            let answered = timeout(within, instance.answers()).await.ok().flatten();
            // One that was removed meanwhile owes no answer.
            let gone = || instance.commands.upgrade().is_none();
            answered
                .or_else(|| gone().then_some(()))
                .ok_or_else(|| format!("the task of plugin `{}`", instance.label()))
        }));
        let (spawner, finding, plugins) = tokio::join!(spawner, finding, plugins);
        [spawner, finding].into_iter().chain(plugins).collect::<Result<(), _>>().map_err(Silent)
    }

    /// News of all plugins, of those that come later as well. The first is that they are there.
    #[must_use]
    pub fn changes(&self) -> Changes {
        let mut plugins = self.plugins.subscribe();
        plugins.mark_changed();
        let found = self.found.as_ref().map(|found| found.status.clone());
        Changes { plugins, found, next: FuturesUnordered::new() }
    }
}

// === impl Instance ===

impl Instance {
    /// None where the task has ended.
    async fn answers(&self) -> Option<()> {
        let (asked, answered) = oneshot::channel();
        self.commands.upgrade()?.send(Command::Answer(asked)).await.ok()?;
        answered.await.ok()
    }
}

// === impl Finding ===

impl Finding {
    /// None where the task has ended.
    async fn answers(&self) -> Option<()> {
        let (asked, answered) = oneshot::channel();
        self.asked.upgrade()?.send(asked).await.ok()?;
        answered.await.ok()
    }
}

// === impl Changes ===

impl Changes {
    /// Waits until some plugin is not as it was, or has come or gone. What has changed by then is
    /// told as one. Dropping the future loses none.
    pub async fn next(&mut self) {
        loop {
            tokio::select! {
                biased;
                Ok(()) = self.plugins.changed() => return self.look_again(),
                Some(seen) = self.next.next() => {
                    let Some(seen) = seen else { continue };
                    let mut changed = vec![seen];
                    while let Some(Some(seen)) = self.next.next().now_or_never() {
                        changed.extend(seen);
                    }
                    self.next.extend(changed.into_iter().map(Seen::changed));
                    return;
                }
                // Every task has ended, and nothing changes any more.
                else => std::future::pending::<()>().await,
            }
        }
    }

    /// Looks at those that are there now.
    fn look_again(&mut self) {
        // That each is as it is now, is a part of this news.
        let plugins = self.plugins.borrow_and_update();
        let declared = plugins.values().map(|plugin| {
            let mut status = plugin.status.clone();
            status.mark_unchanged();
            Seen::Declared(status)
        });
        let found = self.found.iter_mut().map(|found| {
            found.mark_unchanged();
            Seen::Found(found.clone())
        });
        self.next = declared.chain(found).map(Seen::changed).collect();
    }
}

// === impl Seen ===

impl Seen {
    /// Waits for the next change, and gives itself back for the one after it.
    fn changed(mut self) -> Next {
        Box::pin(async move {
            let changed = match &mut self {
                Self::Declared(status) => status.changed().await,
                Self::Found(status) => status.changed().await,
            };
            changed.is_ok().then_some(self)
        })
    }
}
