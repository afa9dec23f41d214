//! A subscription through all the lives of its plugin.
//!
//! It has a stream at each stage of the link: at every process of the plugin over which the
//! component is initialised. When one of them goes, its stream goes along, and what was not
//! acknowledged there is delivered again by the plugin, elsewhere or in its next life. A stream
//! that ends while its process is there is opened again, later each time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use replug_component::pubsub::{SubscribeRequest, Subscription};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;

use super::pull::{Left, Pull};
use crate::plugin::Link;

/// How long the first pause is before a stream is opened again that its plugin has ended.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// How long the pauses become.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long a stream lives that puts an end to a row of pauses.
const STABLE: Duration = Duration::from_secs(10);

/// The subscriptions of one component: how far each has followed its link.
#[derive(Debug, Default)]
pub(super) struct Followers(Arc<ArcSwap<Vec<watch::Receiver<u64>>>>);

// === impl Followers ===

impl Followers {
    /// A subscription over this link. It is opened wherever the component is there when this is
    /// done.
    pub(super) async fn follow(
        &self,
        link: &Link,
        request: SubscribeRequest,
        paused: watch::Receiver<bool>,
    ) -> Subscription {
        // One is handed out at a time, and nothing is read ahead.
        let (deliveries, messages) = mpsc::channel(1);
        let (at, mut reached) = watch::channel(0);
        self.0.rcu(|list| {
            // Those of which nobody is left are taken off by whoever comes next.
            let there = list.iter().filter(|other| other.has_changed().is_ok());
            there.cloned().chain([reached.clone()]).collect::<Vec<_>>()
        });
        let follower = Follower {
            link: link.clone(),
            pull: Pull { request: Arc::new(request), deliveries, paused },
            streams: HashMap::new(),
            tasks: JoinSet::new(),
        };
        let now = *link.changes().borrow();
        // Ends when the subscription is dropped, or the link closed.
        tokio::spawn(follower.run(at));
        reached.wait_for(|reached| *reached >= now).await.ok();
        Subscription::new(ReceiverStream::new(messages))
    }

    /// Whether anybody subscribes at this moment.
    pub(super) fn any(&self) -> bool {
        self.0.load().iter().any(|follower| follower.has_changed().is_ok())
    }

    /// Waits until every subscription has followed its link up to this change.
    pub(super) async fn at(&self, change: u64) {
        let followers = self.0.load_full();
        let at = followers.iter().cloned().map(|mut reached| async move {
            // An error means that it has ended.
            reached.wait_for(|reached| *reached >= change).await.ok();
        });
        join_all(at).await;
    }
}

struct Follower {
    link: Link,
    pull: Pull,
    /// By the number of the stage: dropped, the stream is to leave.
    streams: HashMap<u64, watch::Sender<()>>,
    tasks: JoinSet<()>,
}

// === impl Follower ===

impl Follower {
    async fn run(mut self, at: watch::Sender<u64>) {
        let mut changes = self.link.changes();
        let deliveries = self.pull.deliveries.clone();
        loop {
            let change = *changes.borrow_and_update();
            let Some(stages) = self.link.stages() else { break };
            self.streams.retain(|known, _| stages.iter().any(|stage| stage.number == *known));
            let mut opening = Vec::new();
            for stage in stages {
                if self.streams.contains_key(&stage.number) {
                    continue;
                }
                let (stay, leaving) = watch::channel(());
                self.streams.insert(stage.number, stay);
                let (opened, is_open) = tokio::sync::oneshot::channel();
                opening.push(is_open);
                let (link, pull) = (self.link.clone(), self.pull.clone());
                self.tasks.spawn(async move {
                    again_and_again(&link, &stage.connection, &pull, leaving, opened).await;
                });
            }
            join_all(opening).await;
            at.send_replace(change);
            tokio::select! {
                () = deliveries.closed() => break,
                moved = changes.changed() => if moved.is_err() { break },
                Some(_) = self.tasks.join_next(), if !self.tasks.is_empty() => {}
            }
        }
        drop(at);
        // What was handed out can still be answered.
        self.streams.clear();
        drop((self.pull, deliveries));
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Keeps a stream open over this connection until it is to leave. `opened` is dropped when it is
/// open for the first time.
async fn again_and_again(
    link: &Link,
    connection: &crate::plugin::Connection,
    pull: &Pull,
    mut leaving: watch::Receiver<()>,
    opened: tokio::sync::oneshot::Sender<()>,
) {
    let mut pause = FIRST_PAUSE;
    let mut opened = Some(opened);
    loop {
        let from = tokio::time::Instant::now();
        let why = match pull.over(link, connection, &mut leaving, &mut opened).await {
            Left::AsTold => return,
            Left::Ended(_) if connection.is_closed() => return,
            Left::Ended(why) => why,
        };
        opened = None;
        if from.elapsed() >= STABLE {
            pause = FIRST_PAUSE;
        }
        tracing::warn!(
            component = link.component(),
            topic = pull.request.topic,
            "the plugin has ended a subscription, which is opened again in {pause:?}: {why}"
        );
        tokio::select! {
            _ = leaving.changed() => return,
            () = pull.deliveries.closed() => return,
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
        }
    }
}
