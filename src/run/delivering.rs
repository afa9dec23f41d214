//! What is delivered to the application, from its first event to its last answer.

use std::time::{Duration, Instant};

use replug_runtime::app::Application;
use replug_runtime::registry::Registry;
use replug_runtime::{inputs, subscriptions};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::house::House;

/// What is left of the grace at the least when brokers have been asked to send nothing more: what an
/// input binding has brought meanwhile is to be answered too.
const LAST_GRACE: Duration = Duration::from_secs(1);

/// How long replug is not ready since the application's subscriptions are not made. An application
/// may hang when it is asked for them.
const SUBSCRIBING: Duration = Duration::from_secs(5);

/// Deliveries of messages and of input bindings' events. Dropped, they are given up.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    /// They go on while this is held; none where there is no application.
    end: Option<watch::Sender<inputs::End>>,
    tasks: JoinSet<()>,
}

// === impl Deliveries ===

impl Deliveries {
    /// Begins them, as soon as the application is healthy.
    pub(super) fn begin(house: &House, application: &Application) -> Self {
        let (end, ended) = watch::channel(inputs::End::ForGood);
        let until = || {
            let mut ended = ended.clone();
            // Nothing need be sent: whoever holds the other end lets go of it.
            async move {
                let _ = ended.changed().await;
                *ended.borrow()
            }
        };
        let (for_inputs, for_subscriptions) = (until(), until());
        let telemetry = || house.metrics.telemetry.clone();
        let mut tasks = JoinSet::new();
        let (registry, to) = (house.registry.clone(), application.clone());
        tasks.spawn(inputs::deliver(registry, to, telemetry(), for_inputs));
        let (registry, to) = (house.registry.clone(), application.clone());
        let known = house.subscriptions.clone();
        let until = async move {
            for_subscriptions.await;
        };
        tasks.spawn(subscriptions::deliver(registry, to, known, telemetry(), until));
        Self { end: Some(end), tasks }
    }

    /// Ends them for good: brokers are asked to send nothing more, and the application has this long
    /// for what it has. A broker that answers late takes that off the grace: the application has
    /// been answering meanwhile.
    pub(super) async fn leave(&mut self, registry: &Registry, grace: Duration) {
        let begun = Instant::now();
        subscriptions::pause(registry).await;
        self.end(grace.saturating_sub(begun.elapsed()).max(LAST_GRACE)).await;
    }

    /// Ends them where another program goes on with what is sent meanwhile.
    pub(super) async fn hand_over(&mut self, grace: Duration) {
        if let Some(end) = &self.end {
            end.send_replace(inputs::End::HandedOver);
        }
        self.end(grace).await;
    }

    async fn end(&mut self, grace: Duration) {
        self.end = None;
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, ended).await.is_err() {
            tracing::warn!("the application has not answered all that was delivered to it");
        }
        self.tasks.shutdown().await;
    }
}

/// Waits until the application is there and what it subscribes to is subscribed to. One whose health
/// is still to be seen is not waited for, as in Dapr.
pub(super) async fn there(house: &House, application: &Application) {
    match &house.daprd {
        Some(daprd) => daprd.await_app(application).await,
        None => application.discovered().await,
    }
    if application.settings().health.is_none() {
        let _ = tokio::time::timeout(SUBSCRIBING, house.subscriptions.settled()).await;
    }
}
