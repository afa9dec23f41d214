//! The sockets of one plugin, or of one folder, each kept connected while its file is there.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use replug_runtime::registry::Registry;
use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, JoinSet};

use super::{Socket, SocketEvent, keep_connected};

/// Events that may wait for their reader; the tasks wait beyond that.
const EVENTS: usize = 16;

/// Sockets that are kept connected. Dropping the set ends their tasks at the next await;
/// [`SocketSet::shutdown`] waits for that.
#[derive(Debug)]
pub struct SocketSet {
    registry: Arc<Registry>,
    sockets: HashMap<PathBuf, Tracked>,
    tasks: JoinSet<()>,
    sender: mpsc::Sender<SocketEvent>,
    events: mpsc::Receiver<SocketEvent>,
}

#[derive(Debug)]
struct Tracked {
    again: Arc<Notify>,
    task: AbortHandle,
    /// The file is there.
    present: bool,
    /// It is connected and serves.
    served: bool,
}

// === impl SocketSet ===

impl SocketSet {
    /// No sockets yet.
    #[must_use]
    pub fn new(registry: Arc<Registry>) -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        let sockets = HashMap::new();
        Self { registry, sockets, tasks: JoinSet::new(), sender, events }
    }

    /// A socket file has appeared, perhaps in place of an earlier one.
    pub fn appeared(&mut self, socket: Socket) {
        if let Some(tracked) = self.sockets.get_mut(&socket.path) {
            tracked.present = true;
            tracked.again.notify_one();
            return;
        }
        let again = Arc::new(Notify::new());
        let path = socket.path.clone();
        let work =
            keep_connected(socket, self.registry.clone(), self.sender.clone(), again.clone());
        let task = self.tasks.spawn(work);
        self.sockets.insert(path, Tracked { again, task, present: true, served: false });
    }

    /// A socket file is gone. Its connection may live on; dialling it is of no use.
    pub fn removed(&mut self, path: &Path) {
        if let Some(tracked) = self.sockets.get_mut(path) {
            tracked.present = false;
            if !tracked.served {
                self.forget(path);
            }
        }
    }

    /// The next thing that happens to any of the sockets. Dropping the future loses nothing.
    pub async fn next(&mut self) -> SocketEvent {
        loop {
            // Tasks end only when they are told to; what is left of them is freed here.
            while self.tasks.try_join_next().is_some() {}
            let event = self.events.recv().await.expect("the set holds a sender itself");
            let (socket, served) = match &event {
                SocketEvent::Served { socket, .. } => (socket, true),
                SocketEvent::Lost { socket } | SocketEvent::Trouble { socket, .. } => {
                    (socket, false)
                }
                SocketEvent::Health { .. } => return event,
            };
            let path = socket.path.clone();
            // An event of a task that was ended meanwhile is no news.
            let Some(tracked) = self.sockets.get_mut(&path) else { continue };
            tracked.served = served;
            if !served && !tracked.present {
                self.forget(&path);
            }
            return event;
        }
    }

    /// How many of them serve.
    #[must_use]
    pub fn served(&self) -> usize {
        self.sockets.values().filter(|tracked| tracked.served).count()
    }

    /// Ends all tasks and returns when they have ended: nothing reaches the registry afterwards.
    pub async fn shutdown(&mut self) {
        self.sockets.clear();
        self.tasks.shutdown().await;
    }

    fn forget(&mut self, path: &Path) {
        if let Some(tracked) = self.sockets.remove(path) {
            tracked.task.abort();
        }
    }
}
