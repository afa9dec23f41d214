//! From input bindings to the application: which bindings are read, and when.
//!
//! They are read while the application is healthy: those whose `direction` says so, and those whose
//! events the application wants. What happens to an event is in [`delivery`].

mod delivery;
mod wanted;

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use replug_component::binding::{Arrival, Binding, Direction, Events};
use replug_component::{BuildingBlock, Context};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use self::delivery::Delivery;
use self::wanted::Wanted;
use crate::app::{AppState, Application};
use crate::component::{ComponentSpec, MetadataValue};
use crate::registry::Registry;
use crate::telemetry::Telemetry;

/// The metadata that says where events go over HTTP. Letters count as they are.
const ROUTE: &str = "route";

/// How many events of one binding the application has at a time; the next ones are not read yet.
const MOST_AT_A_TIME: usize = 1024;

/// What a binding is told of an event that comes while it is being left, as in Dapr.
const CLOSED: &str = "input binding is closed";

/// How long a binding is still told so after the last answer, as in Dapr: what it sends next is on
/// its way by then.
const LINGER: Duration = Duration::from_millis(400);

/// How long the pause is before reading is tried again that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Why bindings are read no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Nobody reads them afterwards: what they send meanwhile is refused.
    ForGood,
    /// Another program is about to read them: what they send is for that one.
    HandedOver,
}

/// Reads input bindings for the application, until `end` resolves; then nothing more is delivered,
/// and this is done when the application has answered what it has. Dropping the future gives that
/// up.
pub async fn deliver(
    registry: Arc<Registry>,
    application: Application,
    telemetry: Option<Arc<Telemetry>>,
    end: impl Future<Output = End>,
) {
    let mut end = pin!(end);
    let mut state = application.state();
    let mut changes = registry.changes();
    let mut readers = Readers::new(registry, application, telemetry);
    let end = loop {
        let healthy = *state.borrow_and_update() == AppState::Healthy;
        changes.borrow_and_update();
        if healthy {
            readers.follow();
        } else {
            readers.leave_all(End::ForGood);
        }
        tokio::select! {
            end = &mut end => break end,
            // Their other ends are held by the readers.
            _ = state.changed() => {}
            _ = changes.changed() => {}
            Some(_) = readers.tasks.join_next(), if !readers.tasks.is_empty() => {}
        }
    };
    readers.leave_all(end);
    while readers.tasks.join_next().await.is_some() {}
}

/// Those who read, a task for each binding.
struct Readers {
    registry: Arc<Registry>,
    application: Application,
    telemetry: Option<Arc<Telemetry>>,
    /// What the application wants; asked for again each time that it becomes healthy.
    wanted: Arc<Wanted>,
    reading: HashMap<String, Reading>,
    tasks: JoinSet<()>,
}

/// One binding that is read, as it is at this moment.
struct Reading {
    binding: Arc<Binding>,
    spec: Arc<ComponentSpec>,
    /// Told, or dropped for good, it is read no more.
    stay: oneshot::Sender<End>,
}

// === impl Readers ===

impl Readers {
    fn new(
        registry: Arc<Registry>,
        application: Application,
        telemetry: Option<Arc<Telemetry>>,
    ) -> Self {
        let wanted = Arc::new(Wanted::new(application.clone()));
        let (reading, tasks) = (HashMap::new(), JoinSet::new());
        Self { registry, application, telemetry, wanted, reading, tasks }
    }

    /// Reads what there is to read now, and nothing else.
    fn follow(&mut self) {
        let mut there = HashMap::new();
        for status in self.registry.components() {
            let readable = status.component_type.block() == BuildingBlock::Bindings
                && status.capabilities.iter().any(|side| side == Binding::INPUT);
            if let Ok(slot) = self.registry.binding(&status.name)
                && let Some(binding) = slot.present().filter(|_| readable)
            {
                there.insert(status.name, (binding, slot.spec()));
            }
        }
        self.reading.retain(|name, reading| {
            there.get(name).is_some_and(|(binding, spec)| {
                Arc::ptr_eq(binding, &reading.binding) && Arc::ptr_eq(spec, &reading.spec)
            })
        });
        for (name, (binding, spec)) in there {
            if self.reading.contains_key(&name) {
                continue;
            }
            let (stay, leaving) = oneshot::channel();
            let reader = Reader {
                name: name.clone(),
                binding: binding.clone(),
                spec: spec.clone(),
                wanted: self.wanted.clone(),
                delivery: Delivery::new(
                    self.registry.clone(),
                    self.application.clone(),
                    self.telemetry.clone(),
                    &name,
                    spec.metadata.get(ROUTE).and_then(MetadataValue::text),
                ),
            };
            self.tasks.spawn(reader.run(leaving));
            self.reading.insert(name, Reading { binding, spec, stay });
        }
    }

    fn leave_all(&mut self, end: End) {
        for (_, reading) in self.reading.drain() {
            // One that is done already is left.
            let _ = reading.stay.send(end);
        }
        self.wanted = Arc::new(Wanted::new(self.application.clone()));
    }
}

/// Reads one binding.
struct Reader {
    name: String,
    binding: Arc<Binding>,
    spec: Arc<ComponentSpec>,
    wanted: Arc<Wanted>,
    delivery: Delivery,
}

// === impl Reader ===

impl Reader {
    /// Reads until `leaving` is told, and then waits for what the application has. What comes
    /// meanwhile is refused, unless it is for somebody else.
    async fn run(self, mut leaving: oneshot::Receiver<End>) {
        let said = self.spec.metadata.iter();
        let said = said.filter_map(|(name, value)| Some((name.as_str(), value.text()?)));
        let names_input = Direction::said(said).names_input();
        let wanted =
            async { names_input || self.wanted.is(&self.name, self.delivery.path()).await };
        let wanted = tokio::select! {
            _ = &mut leaving => return,
            wanted = wanted => wanted,
        };
        if !wanted {
            tracing::info!("app has not subscribed to binding {}.", self.name);
            return;
        }
        let Some(input) = self.binding.input.clone() else { return };
        let mut under_way = JoinSet::new();
        let delivery = Arc::new(self.delivery);
        let cx = Context::default();
        loop {
            let events = tokio::select! {
                _ = &mut leaving => break,
                events = input.read(&cx) => events,
            };
            let mut events = match events {
                Ok(events) => events,
                Err(error) => {
                    tracing::error!("error reading from input binding {}: {error}", self.name);
                    tokio::select! {
                        _ = &mut leaving => break,
                        () = tokio::time::sleep(PAUSE) => continue,
                    }
                }
            };
            let left = loop {
                let arrival = tokio::select! {
                    end = &mut leaving => break Some(end.unwrap_or(End::ForGood)),
                    Some(_) = under_way.join_next(), if !under_way.is_empty() => continue,
                    arrival = events.next(), if under_way.len() < MOST_AT_A_TIME => arrival,
                };
                let Some(Arrival { event, answerer }) = arrival else { break None };
                let delivery = delivery.clone();
                under_way.spawn(async move {
                    let answer = delivery.deliver(event).await;
                    if let Err(error) = &answer {
                        tracing::debug!("error from app consumer for binding: {error}");
                    }
                    answerer.answer(answer);
                });
            };
            match left {
                Some(End::ForGood) => return leave(events, under_way).await,
                Some(End::HandedOver) => break,
                None => {}
            }
            // The component is about to be another one, or cannot be read at this moment.
            tokio::select! {
                _ = &mut leaving => break,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
        while under_way.join_next().await.is_some() {}
    }
}

/// Waits for the application's answers, and refuses what still comes. A binding that waits for none
/// is left at once.
async fn leave(mut events: Events, mut under_way: JoinSet<()>) {
    while under_way.try_join_next().is_some() {}
    if under_way.is_empty() {
        return;
    }
    let answering = async {
        while under_way.join_next().await.is_some() {}
        tokio::time::sleep(LINGER).await;
    };
    let refusing = async {
        while let Some(Arrival { answerer, .. }) = events.next().await {
            answerer.answer(Err(CLOSED.to_owned()));
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = answering => {}
        () = refusing => {}
    }
}
