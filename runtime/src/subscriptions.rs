//! From topics to the application: what it subscribes to, and who delivers that.
//!
//! Subscriptions are declared, or named by the application when it is asked, which happens once, as
//! soon as it is healthy and there is a pubsub component. Each is a task while the application is
//! healthy; how a message goes there is in [`courier`], what becomes of it in `messaging`.

mod asking;
mod board;
mod bulk;
mod courier;
mod grpc;
mod headers;
mod http;
mod topic;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use replug_component::BuildingBlock;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::asking::Misunderstood;
pub use self::board::Subscriptions;
use self::courier::ToApplication;
pub(crate) use self::topic::{Origin, TopicSubscription};
use crate::app::{AppState, Application};
use crate::messaging::Subscriber;
use crate::registry::Registry;
use crate::telemetry::Telemetry;

/// How long a component may take to pause.
const PAUSING: Duration = Duration::from_secs(5);

/// Delivers messages to the application, until `end` resolves; then nothing more is delivered, and
/// this is done when the application has answered what it has. Dropping the future gives that up.
pub async fn deliver(
    registry: Arc<Registry>,
    application: Application,
    subscriptions: Subscriptions,
    telemetry: Option<Arc<Telemetry>>,
    end: impl Future<Output = ()>,
) {
    let mut end = pin!(end);
    let mut state = application.state();
    let mut changes = registry.changes();
    let mut declared = subscriptions.declared();
    let mut settling = subscriptions.settling();
    let mut asking = JoinSet::new();
    let mut deliveries = Deliveries::new(registry, application, subscriptions, telemetry);
    let mut beginning = deliveries.beginning.subscribe();
    loop {
        // Looked at first: whoever waits has seen what is looked at afterwards.
        let waiting = *settling.borrow_and_update();
        let healthy = *state.borrow_and_update() == AppState::Healthy;
        changes.borrow_and_update();
        declared.borrow_and_update();
        if !healthy {
            asking.abort_all();
            deliveries.leave_all();
        } else if deliveries.is_to_ask() {
            if asking.is_empty() {
                let application = deliveries.application.clone();
                asking.spawn(async move { asking::ask(&application).await });
            }
        } else {
            deliveries.follow();
            if *beginning.borrow_and_update() == 0 {
                deliveries.subscriptions.tell_settled(waiting);
            }
        }
        tokio::select! {
            () = &mut end => break,
            // Their other ends are held by the deliveries.
            _ = state.changed() => {}
            _ = changes.changed() => {}
            _ = declared.changed() => {}
            _ = settling.changed() => {}
            _ = beginning.changed() => {}
            Some(answer) = asking.join_next(), if !asking.is_empty() => {
                // One that was aborted has none.
                if let Ok(answer) = answer {
                    deliveries.take_in(answer);
                }
            }
            Some(_) = deliveries.tasks.join_next(), if !deliveries.tasks.is_empty() => {}
        }
    }
    deliveries.leave_all();
    while deliveries.tasks.join_next().await.is_some() {}
}

/// Asks every pubsub component to deliver nothing more, to whomever. For whoever stops for good:
/// what is under way goes on, and a broker gives what is not handed out yet to others. One that does
/// not answer holds up nobody for longer than [`PAUSING`].
pub async fn pause(registry: &Registry) {
    let components = registry.components().into_iter();
    let pubsubs = components.filter(|it| it.component_type.block() == BuildingBlock::PubSub);
    let paused = pubsubs.map(|status| async move {
        let component = registry.pubsub(&status.name).ok();
        let Some(present) = component.and_then(|it| it.slot.present()) else { return };
        let error = match timeout(PAUSING, present.pause()).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("there is no answer after {PAUSING:?}"),
        };
        tracing::warn!(pubsub = status.name, "its deliveries cannot be paused: {error}");
    });
    join_all(paused).await;
}

/// Those who deliver, a task for each subscription.
struct Deliveries {
    registry: Arc<Registry>,
    application: Application,
    subscriptions: Subscriptions,
    telemetry: Option<Arc<Telemetry>>,
    named: Named,
    /// How many subscriptions were not tried to be made yet.
    beginning: watch::Sender<usize>,
    /// By pubsub and topic.
    running: HashMap<(String, String), Running>,
    tasks: JoinSet<()>,
}

/// What is known of what the application names. The names themselves are on the board.
enum Named {
    /// It has not been asked.
    NotYet,
    Known,
    /// Something that cannot be understood. Nothing is delivered then, as in Dapr: it is not known
    /// what was to be in the place of what is declared.
    Misunderstood,
}

/// One subscription that is delivered.
struct Running {
    subscription: Arc<TopicSubscription>,
    /// Dropped, no more of it is delivered.
    _stay: oneshot::Sender<()>,
}

/// One of those that were not tried to be made yet, until it is dropped.
struct Begins(watch::Sender<usize>);

// === impl Begins ===

impl Begins {
    fn one_more(of: &watch::Sender<usize>) -> Self {
        of.send_modify(|count| *count += 1);
        Self(of.clone())
    }
}

impl Drop for Begins {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

// === impl Deliveries ===

impl Deliveries {
    fn new(
        registry: Arc<Registry>,
        application: Application,
        subscriptions: Subscriptions,
        telemetry: Option<Arc<Telemetry>>,
    ) -> Self {
        let asks = application.settings().ask_subscriptions;
        if !asks {
            tracing::warn!(
                "Skipping programmatic subscription loading (see 'disable-init-endpoints' \
                 flag/annotation)"
            );
        }
        Self {
            registry,
            application,
            subscriptions,
            telemetry,
            named: if asks { Named::NotYet } else { Named::Known },
            beginning: watch::Sender::new(0),
            running: HashMap::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Whether it is time to ask the application: there is something to subscribe to.
    fn is_to_ask(&self) -> bool {
        let is_pubsub = |status: &crate::registry::ComponentStatus| {
            status.component_type.block() == BuildingBlock::PubSub
        };
        matches!(self.named, Named::NotYet) && self.registry.components().iter().any(is_pubsub)
    }

    fn take_in(&mut self, answer: Result<Vec<TopicSubscription>, Misunderstood>) {
        self.named = match answer {
            Ok(named) => {
                self.subscriptions.name(named.into_iter().map(Arc::new).collect());
                Named::Known
            }
            Err(error) => {
                tracing::error!("{error}");
                Named::Misunderstood
            }
        };
    }

    /// Delivers what is wanted now, and nothing else.
    fn follow(&mut self) {
        if !matches!(self.named, Named::Known) {
            return;
        }
        let wanted = self.subscriptions.wanted();
        self.running.retain(|_, running| wanted.contains(&running.subscription));
        let mut begun: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for subscription in wanted {
            let key = (subscription.pubsub.clone(), subscription.topic.clone());
            if self.running.contains_key(&key) {
                continue;
            }
            begun.entry(key.0.clone()).or_default().push(key.1.clone());
            let (stay, leaving) = oneshot::channel();
            self.tasks.spawn(self.one(&subscription, leaving));
            self.running.insert(key, Running { subscription, _stay: stay });
        }
        for (pubsub, topics) in begun {
            let topics = topics.join(" ");
            tracing::info!(
                target: "dapr.runtime.processor.subscription",
                "app is subscribed to the following topics: [[{topics}]] through pubsub={pubsub}"
            );
        }
    }

    /// Delivers one subscription until `leaving` is told, and then waits for what the application
    /// has.
    fn one(
        &self,
        subscription: &TopicSubscription,
        mut leaving: oneshot::Receiver<()>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let dead_letter = Some(subscription.dead_letter_topic.clone());
        let subscriber = Arc::new(Subscriber {
            registry: self.registry.clone(),
            pubsub: subscription.pubsub.clone(),
            topic: subscription.topic.clone(),
            metadata: subscription.metadata.clone(),
            raw: subscription.is_raw(),
            dead_letter: dead_letter.filter(|topic| !topic.is_empty()),
            routes: subscription.routes.clone(),
            gathering: subscription.gathering,
            telemetry: self.telemetry.clone(),
        });
        let courier = Arc::new(ToApplication::new(self.application.clone()));
        let begins = Begins::one_more(&self.beginning);
        async move {
            let made = tokio::select! {
                _ = &mut leaving => return,
                made = subscriber.subscribe_at_last(|| drop(begins)) => made,
            };
            let leave = async {
                let _ = leaving.await;
                courier.leave();
            };
            subscriber.run(made, courier.clone(), leave).await;
        }
    }

    fn leave_all(&mut self) {
        self.running.clear();
    }
}
