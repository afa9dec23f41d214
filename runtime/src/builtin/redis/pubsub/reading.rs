//! A subscription: a task that waits for new messages and one that looks for those to be delivered
//! again fill its queue; whoever reads it gets as many as there are workers.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use redis::{Pipeline, Value};
use replug_component::Error;
use replug_component::pubsub::{Acker, Delivery, Subscription};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::acks::Acks;
use super::message::{Entry, entries};
use super::settings::PubSubSettings;
use crate::builtin::redis::server::{Doing, Server};

/// How long the server holds a request for new messages. Then it is asked again, so that a server which
/// is gone without a word is missed. Below every timeout that it makes sense to set.
const HOLDS: Duration = Duration::from_secs(1);

/// How long it is waited before a server that could not be asked is asked again: from, up to.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(3));

/// What a subscription is made of.
pub(super) struct Reading {
    pub(super) topic: String,
    pub(super) settings: Arc<PubSubSettings>,
    pub(super) acks: Acks,
    pub(super) workers: Arc<Semaphore>,
    pub(super) paused: watch::Receiver<bool>,
}

/// A subscription as it is read.
struct Open {
    of: Reading,
    topic: Arc<str>,
    queue: Receiver<Entry>,
    /// They end with the subscription.
    _tasks: JoinSet<()>,
}

impl Reading {
    /// Starts the two tasks, each with a connection of its own.
    pub(super) fn start(self, waiting: Server, looking: Server) -> Subscription {
        let (sender, queue) = channel(self.settings.queue_depth);
        let mut tasks = JoinSet::new();
        tasks.spawn(self.until_the_end(wait_for_new(
            waiting,
            self.topic.clone(),
            self.settings.clone(),
            sender.clone(),
        )));
        if let Some(redelivery) = self.settings.redelivery {
            let settings = self.settings.clone();
            let look = look_for_old(looking, self.topic.clone(), settings, redelivery, sender);
            tasks.spawn(self.until_the_end(look));
        }
        let topic = self.topic.as_str().into();
        let open = Open { of: self, topic, queue, _tasks: tasks };
        Subscription::new(stream::unfold(open, Open::next))
    }

    /// `task`, or up to the end of the component.
    fn until_the_end(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let mut component = self.paused.clone();
        async move {
            tokio::select! {
                () = task => {}
                // It never says yes to this: the component is gone.
                _ = component.wait_for(|_| false) => {}
            }
        }
    }
}

impl Open {
    async fn next(mut self) -> Option<(Delivery, Self)> {
        // The semaphore is never closed.
        let worker = self.of.workers.clone().acquire_owned().await.ok()?;
        let entry = self.queue.recv().await?;
        // A component that is gone pauses nothing any more.
        self.of.paused.wait_for(|paused| !paused).await.ok();
        let (acks, topic, id) = (self.of.acks.clone(), self.topic.clone(), entry.id);
        let acker = Acker::new(move |answer| {
            // What was not handled stays pending, and is found by the next look.
            if answer.is_ok() {
                acks.send(&topic, id);
            }
            drop(worker);
        });
        Some((Delivery { message: entry.message, acker }, self))
    }
}

/// Makes the group that shares a topic's messages, and the topic, where they are not there.
pub(super) async fn ensure_group(server: &Server, topic: &str, group: &str) -> Result<(), Error> {
    let mut commands = Pipeline::with_capacity(1);
    commands.cmd("XGROUP").arg("CREATE").arg(topic).arg(group).arg("0").arg("MKSTREAM");
    match server.ask(Doing::Read, &commands).await?.into_iter().next() {
        Some(Value::ServerError(error)) if error.code() != "BUSYGROUP" => {
            Err(server.told(format!("cannot subscribe to {topic}: {error}")))
        }
        _ => Ok(()),
    }
}

/// Queues new messages as they come, without end.
async fn wait_for_new(
    server: Server,
    topic: String,
    settings: Arc<PubSubSettings>,
    queue: Sender<Entry>,
) {
    let mut pause = PAUSES.0;
    loop {
        let mut commands = Pipeline::with_capacity(1);
        let holds = u64::try_from(HOLDS.as_millis()).unwrap_or(u64::MAX);
        commands.cmd("XREADGROUP").arg("GROUP").arg(&settings.group).arg(&settings.group);
        commands.arg("COUNT").arg(settings.queue_depth).arg("BLOCK").arg(holds);
        commands.arg("STREAMS").arg(&topic).arg(">");
        // Sent again, it would take messages that the first has taken already, out of their order.
        let answer = server.ask_for(HOLDS, Doing::Write, &commands).await;
        let list = match first(answer, &server) {
            Ok(Value::Array(streams)) => streams.into_iter().next(),
            Ok(_) => None,
            Err(error) => {
                recover(&server, &topic, &settings, &error, &mut pause).await;
                continue;
            }
        };
        pause = PAUSES.0;
        let Some(Value::Array(stream)) = list else { continue };
        for entry in stream.into_iter().nth(1).map(|list| entries(&topic, list)).unwrap_or_default()
        {
            if queue.send(entry).await.is_err() {
                return;
            }
        }
    }
}

/// Looks for messages that nobody has acknowledged in time, at once and then in every interval.
async fn look_for_old(
    server: Server,
    topic: String,
    settings: Arc<PubSubSettings>,
    (processing_timeout, interval): (Duration, Duration),
    queue: Sender<Entry>,
) {
    let idle = u64::try_from(processing_timeout.as_millis()).unwrap_or(u64::MAX);
    let mut pause = PAUSES.0;
    loop {
        let mut from = "0-0".to_owned();
        loop {
            let mut commands = Pipeline::with_capacity(1);
            commands.cmd("XAUTOCLAIM").arg(&topic).arg(&settings.group).arg(&settings.group);
            commands.arg(idle).arg(&from).arg("COUNT").arg(settings.queue_depth);
            let answer = first(server.ask(Doing::Write, &commands).await, &server);
            let (next, list) = match answer {
                Ok(Value::Array(parts)) => {
                    let mut parts = parts.into_iter();
                    (parts.next(), parts.next())
                }
                Ok(_) => break,
                Err(error) => {
                    recover(&server, &topic, &settings, &error, &mut pause).await;
                    break;
                }
            };
            pause = PAUSES.0;
            for entry in list.map(|list| entries(&topic, list)).unwrap_or_default() {
                if queue.send(entry).await.is_err() {
                    return;
                }
            }
            match next {
                Some(Value::BulkString(next)) if next != b"0-0" => {
                    from = String::from_utf8_lossy(&next).into_owned();
                }
                _ => break,
            }
        }
        tokio::time::sleep(interval).await;
    }
}

/// The answer to the only command.
fn first(answers: Result<Vec<Value>, Error>, server: &Server) -> Result<Value, Error> {
    match answers?.into_iter().next() {
        Some(Value::ServerError(error)) => Err(server.told(error.to_string())),
        answer => Ok(answer.unwrap_or(Value::Nil)),
    }
}

/// After a failure: waits, and makes the group again, which a server without its data has lost.
async fn recover(
    server: &Server,
    topic: &str,
    settings: &PubSubSettings,
    error: &Error,
    pause: &mut Duration,
) {
    tracing::warn!(topic, "messages are waited for again in {pause:?}: {error}");
    tokio::time::sleep(*pause).await;
    *pause = (*pause * 2).min(PAUSES.1);
    // Told of with the next failure, where this is one.
    let _ = ensure_group(server, topic, &settings.group).await;
}
