//! From a socket's path to what is behind it, and again whenever that is lost.
//!
//! One task keeps one socket connected: it dials with backoff, asks what is served, hands the
//! connection to the registry, waits for its end and starts over. It knows nothing of processes:
//! the same task serves declared and found plugins.

mod set;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::Uid;
use replug_component::ComponentType;
use replug_runtime::QuietUnixStream;
use replug_runtime::plugin::{Connection, ConnectionError, Contracts, ProbeError, Seat, probe};
use replug_runtime::registry::{Attached, Offer, Registry};
use tokio::net::UnixStream;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

pub use self::set::SocketSet;
use crate::health::{HealthPolicy, LinkWatch, News};
use crate::restart::dial_backoff;

/// How long a plugin may take to say what it serves before the connection is tried anew. A peer
/// that accepts and says nothing is met by this; a slow one has its whole start for more tries.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// A plugin's socket, to be kept connected.
#[derive(Debug, Clone)]
pub struct Socket {
    /// The plugin's name.
    pub plugin: Arc<str>,
    /// Which of the plugin's processes made it, in which life.
    pub seat: Seat,
    /// Where it is.
    pub path: PathBuf,
    /// The name part of its component types: the file's name without its last extension.
    pub name: Arc<str>,
    /// The user, besides replug's own and root, who may serve on it: the plugin's.
    pub user: Option<u32>,
    /// How it is seen whether the plugin behind it hangs.
    pub health: HealthPolicy,
}

/// What happens to a socket that is kept connected.
#[derive(Debug)]
pub enum SocketEvent {
    /// It is connected, its types are registered, its components initialised.
    Served {
        /// Which one.
        socket: Socket,
        /// What the registry made of it.
        attached: Attached,
    },
    /// Its connection has ended; it is dialled again.
    Lost {
        /// Which one.
        socket: Socket,
    },
    /// It cannot be used at this moment; it is tried again.
    Trouble {
        /// Which one.
        socket: Socket,
        /// Why.
        reason: String,
    },
    /// The plugin behind it was asked whether it is alive, and what came of that is news.
    Health {
        /// Which one.
        socket: Socket,
        /// What came of it.
        news: News,
    },
}

/// Why a socket cannot be used at this moment.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("cannot connect to {}: {cause}", path.display())]
    Dial { path: PathBuf, cause: std::io::Error },
    #[error("{} belongs to another user (uid {uid}), it is refused", path.display())]
    Stranger { path: PathBuf, uid: u32 },
    #[error("does not speak HTTP/2: {0}")]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Probe(#[from] ProbeError),
    #[error("accepts connections and says nothing for {} s", .0.as_secs())]
    Mute(Duration),
}

/// Keeps `socket` connected for as long as the future is polled, and tells `events` about it.
///
/// `again` makes the next try come at once, as when the socket file has been made anew.
pub async fn keep_connected(
    socket: Socket,
    registry: Arc<Registry>,
    events: mpsc::Sender<SocketEvent>,
    again: Arc<Notify>,
) {
    let mut backoff = dial_backoff();
    let mut told = String::new();
    loop {
        match connect(&socket).await {
            Ok((connection, contracts)) => {
                backoff = dial_backoff();
                told.clear();
                let offer = Offer {
                    plugin: socket.plugin.clone(),
                    seat: socket.seat,
                    socket: socket.name.clone(),
                    contracts: contracts.clone(),
                    connection: connection.clone(),
                };
                let mut closed = connection.closed();
                let attached = registry.attach(offer).await;
                if !connection.is_closed() {
                    tell(&events, SocketEvent::Served { socket: socket.clone(), attached }).await;
                    tokio::select! {
                        () = closed.wait() => {}
                        () = watch_health(&socket, &connection, &contracts, &events) => {}
                    }
                }
                registry.suspend_socket(
                    &socket.plugin,
                    socket.seat,
                    &socket.name,
                    &format!("the connection to plugin {} was lost", socket.plugin),
                );
                tell(&events, SocketEvent::Lost { socket: socket.clone() }).await;
            }
            Err(trouble) => {
                let reason = trouble.to_string();
                if reason != told {
                    told.clone_from(&reason);
                    let socket = socket.clone();
                    tell(&events, SocketEvent::Trouble { socket, reason }).await;
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.next()) => {}
            () = again.notified() => backoff = dial_backoff(),
        }
    }
}

/// Tells how the plugin answers when it is asked, for ever.
async fn watch_health(
    socket: &Socket,
    connection: &Connection,
    contracts: &Contracts,
    events: &mpsc::Sender<SocketEvent>,
) {
    let mut watch = LinkWatch::new(connection, contracts, socket.health);
    loop {
        let news = watch.next().await;
        tell(events, SocketEvent::Health { socket: socket.clone(), news }).await;
    }
}

/// A receiver that is gone has no use for the event; its owner is about to end this task.
async fn tell(events: &mpsc::Sender<SocketEvent>, event: SocketEvent) {
    let _ = events.send(event).await;
}

async fn connect(socket: &Socket) -> Result<(Connection, Contracts), Trouble> {
    let path: &Path = &socket.path;
    let dial = |cause| Trouble::Dial { path: path.to_owned(), cause };
    let stream = UnixStream::connect(path).await.map_err(dial)?;
    let peer = stream.peer_cred().map_err(dial)?.uid();
    if !is_trusted(peer) && socket.user != Some(peer) {
        return Err(Trouble::Stranger { path: path.to_owned(), uid: peer });
    }
    let stream = QuietUnixStream::new(stream).map_err(dial)?;
    let connection = Connection::open(stream).await?;
    let contracts = bounded(PROBE_TIMEOUT, probe(&connection)).await??;
    Ok((connection, contracts))
}

async fn bounded<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, Trouble> {
    timeout(limit, work).await.map_err(|_| Trouble::Mute(limit))
}

/// Whether a process of this user may serve components: replug's own user and root.
fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == Uid::effective().as_raw()
}

/// Says in the log what of a socket's types does not serve, or not any more.
pub(crate) fn warn_of(plugin: &str, attached: &Attached) {
    for (component_type, by) in &attached.passed_over {
        tracing::warn!(
            plugin,
            "serves {component_type} too, which plugin {by} serves already: passed over"
        );
    }
    for component_type in &attached.retired {
        tracing::warn!(plugin, "does not serve {component_type} any more");
    }
}

/// Types as people read them.
#[must_use]
pub fn listed(types: &[ComponentType]) -> String {
    types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
