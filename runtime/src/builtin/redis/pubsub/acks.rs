//! Acknowledges what was handled. Answers come from anywhere and must not wait, so they are queued; one
//! task sends them, as many at once as there are.

use std::sync::Arc;

use redis::{Pipeline, Value};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::builtin::redis::server::{Doing, Server};

/// How many are sent at once at the most.
const AT_ONCE: usize = 512;

/// The way to the task. It ends when the last one is gone and everything is sent.
#[derive(Clone)]
pub(super) struct Acks(UnboundedSender<(Arc<str>, String)>);

impl Acks {
    pub(super) fn start(server: Arc<Server>, group: String) -> Self {
        let (sender, receiver) = unbounded_channel();
        tokio::spawn(send(server, group, receiver));
        Self(sender)
    }

    /// The message of this entry is not to be delivered again.
    pub(super) fn send(&self, topic: &Arc<str>, id: String) {
        // The task is there for as long as this is.
        let _ = self.0.send((topic.clone(), id));
    }
}

async fn send(
    server: Arc<Server>,
    group: String,
    mut answered: UnboundedReceiver<(Arc<str>, String)>,
) {
    let mut batch = Vec::new();
    while answered.recv_many(&mut batch, AT_ONCE).await > 0 {
        let mut commands = Pipeline::with_capacity(batch.len());
        for (topic, id) in batch.drain(..) {
            commands.cmd("XACK").arg(&*topic).arg(&group).arg(id);
        }
        // Acknowledging twice does nothing, so it may be sent again.
        let refused = |answer| match answer {
            Value::ServerError(error) => Some(server.told(error.to_string())),
            _ => None,
        };
        let failed = match server.ask(Doing::Read, &commands).await {
            Ok(answers) => answers.into_iter().find_map(refused),
            Err(error) => Some(error),
        };
        if let Some(error) = failed {
            tracing::warn!("messages were handled and will be delivered again: {error}");
        }
    }
}
