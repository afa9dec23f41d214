//! What is made of how a plugin is: of its health, and of what it tells by itself.

use tokio::time::Instant;

use super::super::life::Sign;
use super::super::{Event, State};
use super::PluginTask;
use crate::health::{By, News, OnUnhealthy, Verdict, Watch};
use crate::told::Message;

impl PluginTask {
    pub(super) async fn sign(&mut self, sign: Sign) {
        let news = match sign {
            Sign::Health(news) => Some(news),
            Sign::Told(message, news) => {
                let stopping = message.stopping;
                self.told(message);
                if stopping && self.state() == State::Ready {
                    self.leaves().await;
                }
                news
            }
        };
        if let Some(news) = news {
            self.health(news).await;
        }
    }

    /// The plugin says that it is about to end: its callers wait for the next generation from here
    /// on, and the calls that are under way go on. One that does not end is late like one that does
    /// not become ready.
    async fn leaves(&mut self) {
        let reason = "says that it is stopping";
        self.status.send_modify(|status| reason.clone_into(&mut status.reason));
        let absence = format!("plugin {} {reason}", self.spec.name);
        self.surroundings.registry.suspend(&self.spec.name, self.seat(), &absence);
        self.happened(Event::Unusable).await;
        tracing::info!(plugin = self.spec.name, generation = self.generation, "{reason}");
    }

    /// Somebody was asked how the plugin is, and the answer is news.
    pub(super) async fn health(&mut self, news: News) {
        self.status.send_modify(|status| {
            status.take_health(&news);
            if news.verdict == Verdict::Failing && self.state() == State::Starting {
                status.reason = news.to_string();
            }
        });
        if news.verdict == Verdict::Hung && self.ends_with(news.by) {
            self.happened(Event::Hung).await;
        }
    }

    /// Whether a plugin that hangs, as `by` sees it, is killed.
    fn ends_with(&self, by: By) -> bool {
        let health = &self.spec.health;
        match by {
            // Whoever declares a watchdog wants it to bite, unless `health` says otherwise.
            By::Watchdog if health.watch == Watch::InUse => true,
            _ => health.on_unhealthy == OnUnhealthy::Restart,
        }
    }

    /// The plugin told something by itself.
    fn told(&mut self, message: Message) {
        if let Some(more) = message.extend
            && matches!(self.state(), State::Starting | State::Stopping(_))
        {
            let until = Instant::now() + more;
            self.timer = self.timer.map(|timer| timer.max(until));
        }
        let doing = match (message.stopping, message.reloading) {
            (true, _) => Some("stopping"),
            (_, true) => Some("reloading"),
            _ => None,
        };
        let Some(says) = message.status.or(doing.map(str::to_owned)) else { return };
        if self.status.borrow().says == says {
            return;
        }
        self.status.send_modify(|status| status.says = says);
        // As often as the plugin likes, so it is no news of replug's.
        tracing::debug!(plugin = self.label, "says: {}", self.status.borrow().says);
    }
}
