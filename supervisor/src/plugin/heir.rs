//! The next generation of a plugin beside the present one: from its start until it can do all that
//! the present one can, or is seen not to.

use std::sync::Arc;
use std::time::Duration;

use replug_runtime::plugin::Seat;
use replug_runtime::registry::{Attached, Lack};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::departure::{Notice, depart};
use super::life::{Birth, Life, LifeEvent, Sign};
use super::task::Surroundings;
use crate::connect::SocketEvent;
use crate::health::{News, Verdict};
use crate::plan::PluginSpec;
use crate::process::Bounds;
use crate::status::Running;

/// How long the last lines of an heir that ended are waited for: a child of it may hold the pipe.
const LAST_LINES: Duration = Duration::from_secs(1);

/// A next generation, ready or not.
pub(super) struct Heir {
    pub(super) life: Life,
    pub(super) seat: Seat,
    pub(super) process: Running,
    /// What it may use, and what is closed to it.
    pub(super) bounds: Bounds,
    /// What the registry made of its sockets.
    pub(super) attached: Vec<Attached>,
    /// What kept it from being ready last.
    pub(super) trouble: String,
    /// What it says of itself.
    pub(super) says: String,
}

/// What has become of an heir.
pub(super) enum Raised {
    /// It can do all that the present generation can, or is to take its place as it is.
    Here(Box<Heir>),
    /// It is gone.
    Lost(NotRaised),
}

/// Why there is no next generation.
#[derive(Debug)]
pub(super) struct NotRaised {
    pub(super) seat: Seat,
    pub(super) reason: String,
    /// What it printed last.
    pub(super) last_lines: Vec<String>,
}

/// What is wanted of an heir. Dropping the sender is telling it to go.
#[derive(Debug)]
pub(super) enum Order {
    /// Take the place of the present generation, as you are.
    Inherit,
}

// === impl Heir ===

impl Heir {
    /// It was asked how it is.
    fn fares(&mut self, news: &News) {
        self.trouble = if news.verdict == Verdict::Well { String::new() } else { news.to_string() };
    }
}

/// Starts the generation `seat` of `spec` and waits until it can do what `present` can. `started` is
/// told of its process. It takes no calls.
pub(super) async fn raise(
    spec: Arc<PluginSpec>,
    seat: Seat,
    present: Seat,
    surroundings: Surroundings,
    mut orders: oneshot::Receiver<Order>,
    started: impl FnOnce(Running) + Send,
) -> Raised {
    let registry = &surroundings.registry;
    registry.stand_by(&spec.name, seat);
    let born = async {
        // A store that is away keeps nobody waiting here: the present generation serves on.
        let secrets = registry.reveal(spec.secrets()).await.map_err(|error| error.to_string())?;
        Life::begin(&spec, seat, &surroundings, &secrets).await
    };
    let Birth { life, pid, bounds } = match born.await {
        Ok(birth) => birth,
        Err(reason) => {
            let reason = format!("cannot be started: {reason}");
            registry.dismiss(&spec.name, seat, &reason).await;
            return Raised::Lost(NotRaised { seat, reason, last_lines: Vec::new() });
        }
    };
    let process = Running { pid, since: Instant::now() };
    started(process);
    let deadline = tokio::time::sleep(spec.start_timeout);
    tokio::pin!(deadline);
    let (trouble, says) = (String::new(), String::new());
    let mut heir = Heir { life, seat, process, bounds, attached: Vec::new(), trouble, says };
    let reason = loop {
        tokio::select! {
            biased;
            order = &mut orders => match order {
                Ok(Order::Inherit) => return Raised::Here(Box::new(heir)),
                Err(_) => {
                    let (_, patience) = watch::channel(());
                    return Raised::Lost(gone(heir, spec.notice(), patience, &surroundings).await);
                }
            },
            event = heir.life.next() => match event {
                LifeEvent::Exited(exit) => break exit.to_string(),
                LifeEvent::Socket(SocketEvent::Served { attached, .. }) => {
                    heir.attached.push(attached);
                    match fitness(&registry.lacks(&spec.name, seat, present)) {
                        Fitness::Fit => return Raised::Here(Box::new(heir)),
                        Fitness::Unfit(reason) => break reason,
                        Fitness::NotYet(reason) => heir.trouble = reason,
                    }
                }
                LifeEvent::Refused(reason)
                | LifeEvent::Socket(SocketEvent::Trouble { reason, .. }) => heir.trouble = reason,
                LifeEvent::Socket(SocketEvent::Lost { .. }) => {
                    "the connection to it was lost".clone_into(&mut heir.trouble);
                }
                LifeEvent::Socket(SocketEvent::Health { news, .. })
                | LifeEvent::Sign(Sign::Health(news)) => heir.fares(&news),
                LifeEvent::Sign(Sign::Told(message, news)) => {
                    if let Some(news) = news {
                        heir.fares(&news);
                    }
                    if let Some(more) = message.extend {
                        let until = (Instant::now() + more).max(deadline.deadline());
                        deadline.as_mut().reset(until);
                    }
                    heir.says = message.status.unwrap_or(heir.says);
                }
            },
            () = &mut deadline => break late(&heir, spec.start_timeout),
        }
    };
    heir.life.kill();
    let (_, patience) = watch::channel(());
    let notice = Notice { stop_timeout: Duration::ZERO, ..spec.notice() };
    let lost = gone(heir, notice, patience, &surroundings).await;
    Raised::Lost(NotRaised { reason, ..lost })
}

/// Ends an heir that is not wanted, or of no use.
async fn gone(
    mut heir: Heir,
    notice: Notice,
    patience: watch::Receiver<()>,
    surroundings: &Surroundings,
) -> NotRaised {
    let Heir { seat, .. } = heir;
    let (plugin, label) = (heir.life.plugin().to_owned(), heir.life.label().to_owned());
    heir.life.disconnect().await;
    let reason = format!("the next generation of plugin {label} is gone");
    surroundings.registry.dismiss(&plugin, seat, &reason).await;
    let (exit, ended) = depart(heir.life, None, notice, patience).await;
    tracing::info!(plugin = label, generation = seat.generation, "ended: {exit}");
    let lines = tokio::time::timeout(LAST_LINES, ended.output.finish()).await;
    NotRaised { seat, reason: exit.to_string(), last_lines: lines.unwrap_or_default() }
}

/// Whether an heir can take the place of the present generation.
enum Fitness {
    Fit,
    NotYet(String),
    Unfit(String),
}

fn fitness(lacks: &[Lack]) -> Fitness {
    let failed = lacks.iter().find_map(|lack| lack.failure.as_ref());
    match (failed, lacks.first()) {
        (Some(reason), _) => Fitness::Unfit(reason.to_string()),
        (None, Some(Lack { component, component_type, .. })) => Fitness::NotYet(format!(
            "does not serve {component_type}, which component {component} is made from"
        )),
        (None, None) => Fitness::Fit,
    }
}

fn late(heir: &Heir, limit: Duration) -> String {
    let limit = humantime::format_duration(limit);
    let trouble = match (heir.trouble.as_str(), heir.life.awaited()) {
        ("", Some(awaited)) => awaited,
        (trouble, _) => trouble,
    };
    match (trouble, heir.life.has_sockets()) {
        ("", false) => format!("no socket has appeared within {limit}"),
        ("", true) => format!("was not ready within {limit}"),
        (trouble, _) => format!("was not ready within {limit}: {trouble}"),
    }
}

impl PluginSpec {
    /// How long a generation of it has for its way out.
    pub(super) fn notice(&self) -> Notice {
        Notice {
            drain_timeout: self.drain_timeout,
            stop_timeout: self.stop_timeout,
            stop_signal: self.stop_signal,
        }
    }
}
