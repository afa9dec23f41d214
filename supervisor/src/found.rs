//! Found plugins: sockets in the socket folder whose processes somebody else runs.
//!
//! One task watches the folder and keeps every socket in it connected. It starts and ends no
//! process; a socket that goes away leaves its components suspended, and retired when it does not
//! come back in time.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use replug_runtime::plugin::Seat;
use replug_runtime::registry::Registry;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::connect::{Socket, SocketEvent, SocketSet, listed, warn_of};
use crate::events::{Journal, Kind as EventKind, Seen, about};
use crate::health::HealthPolicy;
use crate::plugin::nameless;
use crate::sockets::{FolderEvent, SocketWatch, type_name};
use crate::status::{Kind, Phase, PluginStatus};

/// The task of the socket folder.
pub(crate) struct FoundTask {
    folder: PathBuf,
    forget_after: Duration,
    /// Says of a name whether a declared plugin has it, so that a found one cannot.
    declared: IsDeclared,
    registry: Arc<Registry>,
    watch: SocketWatch,
    plugins: HashMap<PathBuf, Found>,
    status: watch::Sender<Vec<PluginStatus>>,
    journal: Journal,
    /// Retiring may have to initialise components elsewhere, which nothing here waits for.
    background: JoinSet<()>,
}

type IsDeclared = Box<dyn Fn(&str) -> bool + Send>;

/// A plugin that was found.
struct Found {
    name: Arc<str>,
    status: PluginStatus,
    /// When it is retired, while its socket is gone.
    forget_at: Option<Instant>,
}

// === impl FoundTask ===

impl FoundTask {
    /// The task of `folder`, and where the plugins that it finds are shown.
    pub(crate) fn new(
        folder: PathBuf,
        forget_after: Duration,
        declared: IsDeclared,
        registry: Arc<Registry>,
        watch: SocketWatch,
        journal: Journal,
    ) -> (Self, watch::Receiver<Vec<PluginStatus>>) {
        let (status, seen) = watch::channel(Vec::new());
        let task = Self {
            folder,
            forget_after,
            declared,
            registry,
            watch,
            plugins: HashMap::new(),
            status,
            journal,
            background: JoinSet::new(),
        };
        (task, seen)
    }

    /// Runs until the sender of `asked` is dropped. What comes over it is answered at once.
    pub(crate) async fn run(mut self, mut asked: mpsc::Receiver<oneshot::Sender<()>>) {
        let mut folder = match self.watch.watch_shared(&self.folder).await {
            Ok(folder) => folder,
            Err(error) => {
                tracing::error!("plugins that somebody else runs are not found: {error}");
                while let Some(asked) = asked.recv().await {
                    let _ = asked.send(());
                }
                return;
            }
        };
        let mut sockets = SocketSet::new(self.registry.clone());
        loop {
            tokio::select! {
                event = folder.next() => self.in_folder(event, &mut sockets),
                event = sockets.next() => self.at_socket(event),
                () = passes(self.next_forgetting()) => self.forget(),
                Some(_) = self.background.join_next() => continue,
                asked = asked.recv() => match asked {
                    Some(asked) => {
                        // Whoever asked may have stopped waiting.
                        let _ = asked.send(());
                        continue;
                    }
                    None => break,
                },
            }
            self.show();
        }
        sockets.shutdown().await;
        self.background.shutdown().await;
    }

    fn in_folder(&mut self, event: FolderEvent, sockets: &mut SocketSet) {
        match event {
            FolderEvent::Appeared(path) => {
                let Some(name) = type_name(&path) else {
                    tracing::warn!("{}", nameless(&path));
                    return;
                };
                let plugin = self.appeared(&path, &name);
                let (name, health) = (name.into(), HealthPolicy::default());
                let (seat, user) = (Seat::default(), None);
                sockets.appeared(Socket { plugin, seat, path, name, user, health });
            }
            FolderEvent::Removed(path) => {
                sockets.removed(&path);
                self.removed(&path);
            }
            FolderEvent::Refused { path, reason } => {
                tracing::warn!("{}: {reason}", path.display());
            }
            FolderEvent::Gone => {
                tracing::warn!("the socket folder {} is gone", self.folder.display());
            }
        }
    }

    fn appeared(&mut self, path: &Path, type_name: &str) -> Arc<str> {
        if let Some(found) = self.plugins.get_mut(path) {
            found.forget_at = None;
            return found.name.clone();
        }
        let name: Arc<str> = self.name_for(path, type_name).into();
        let mut status = PluginStatus::new(&name, Kind::Found);
        status.socket = Some(path.to_owned());
        status.enter(Phase::Starting);
        tracing::info!(plugin = &*name, "found {}", path.display());
        self.plugins.insert(path.to_owned(), Found { name: name.clone(), status, forget_at: None });
        name
    }

    /// The socket's type name; the whole path where another plugin has that name already.
    fn name_for(&self, path: &Path, name: &str) -> String {
        let taken =
            (self.declared)(name) || self.plugins.values().any(|found| *found.name == *name);
        if taken { path.display().to_string() } else { name.to_owned() }
    }

    fn removed(&mut self, path: &Path) {
        let forget_at = Instant::now() + self.forget_after;
        if let Some(found) = self.plugins.get_mut(path) {
            found.forget_at = Some(forget_at);
            if found.status.phase != Phase::Ready {
                found.status.enter(Phase::Away);
                "its socket is gone".clone_into(&mut found.status.reason);
            }
        }
    }

    fn at_socket(&mut self, event: SocketEvent) {
        let (SocketEvent::Served { socket, .. }
        | SocketEvent::Lost { socket }
        | SocketEvent::Trouble { socket, .. }
        | SocketEvent::Health { socket, .. }) = &event;
        let Some(found) = self.plugins.get_mut(&socket.path) else { return };
        let status = &mut found.status;
        match event {
            SocketEvent::Served { attached, .. } => {
                status.generation += 1;
                status.restarts = status.generation - 1;
                status.enter(Phase::Ready);
                status.serve(&attached);
                status.reason.clear();
                warn_of(&status.name, &attached);
                tracing::info!(
                    plugin = status.name,
                    "plugin ready, serves {}",
                    listed(&status.serves)
                );
            }
            SocketEvent::Lost { .. } => {
                status.enter(Phase::Away);
                status.reason = match found.forget_at {
                    Some(_) => "its socket is gone".to_owned(),
                    None => "the connection to it was lost".to_owned(),
                };
                tracing::warn!(plugin = status.name, "{}", status.reason);
            }
            SocketEvent::Trouble { reason, .. } => {
                tracing::warn!(plugin = status.name, "{reason}");
                status.reason = reason;
            }
            SocketEvent::Health { news, .. } => status.take_health(&news),
        }
    }

    fn next_forgetting(&self) -> Option<Instant> {
        // A plugin that serves on over a connection whose socket file was removed is kept.
        let gone = self.plugins.values().filter(|found| found.status.phase != Phase::Ready);
        gone.filter_map(|found| found.forget_at).min()
    }

    fn forget(&mut self) {
        let now = Instant::now();
        let due = |found: &Found| {
            found.status.phase != Phase::Ready && found.forget_at.is_some_and(|at| at <= now)
        };
        let gone: Vec<_> = self.plugins.extract_if(|_, found| due(found)).collect();
        for (path, found) in gone {
            let reason = format!("plugin {} is gone: {} was removed", found.name, path.display());
            tracing::warn!(plugin = &*found.name, "forgotten: its socket has not come back");
            let registry = self.registry.clone();
            self.background.spawn(async move { registry.retire(&found.name, &reason).await });
        }
    }

    fn show(&self) {
        let mut all: Vec<_> = self.plugins.values().map(|found| found.status.clone()).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        let before = self.status.send_replace(all);
        let now = self.status.borrow();
        for status in &*now {
            match before.iter().find(|before| before.name == status.name) {
                Some(before) => Seen::of(before).tell(status, &self.journal),
                None => self.journal.record(about(&status.name, EventKind::Added, "found")),
            }
        }
        for gone in before.iter().filter(|gone| now.iter().all(|it| it.name != gone.name)) {
            let why = "its socket has not come back";
            self.journal.record(about(&gone.name, EventKind::Removed, why));
        }
    }
}

async fn passes(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
