//! What replug tells a service manager that started it: that it is ready, how the plugins stand,
//! that it lives, that it stops. The protocol is `sd_notify`'s: datagrams to the socket that
//! `NOTIFY_SOCKET` names.
//!
//! Nothing of replug depends on being heard. A message that cannot be sent is given up, and told
//! of once. Without the variable everything here does nothing.

mod line;

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::future;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use self::line::status_line;
use crate::supervisor::Supervisor;

/// How long a service manager that reads nothing may hold replug up.
const SEND_PATIENCE: Duration = Duration::from_secs(1);

/// The shortest time between two status lines: what happens meanwhile is told in the second. A
/// thousand plugins that die together are not a thousand messages.
const STATUS_SPACING: Duration = Duration::from_millis(100);

/// replug's side of the conversation.
#[derive(Debug, Default)]
pub struct Notify {
    /// None where nobody listens.
    address: Option<SocketAddr>,
    /// How long the service manager waits for a sign of life before it takes replug for dead; none
    /// where it does not.
    watchdog: Option<Duration>,
    /// That applications can call has been told.
    told_ready: AtomicBool,
    /// That it does not work has been told.
    told_failure: AtomicBool,
}

/// What the environment says of the service manager.
#[derive(Debug, Default)]
struct Environment {
    socket: Option<OsString>,
    watchdog_usec: Option<OsString>,
    watchdog_pid: Option<OsString>,
}

// === impl Notify ===

impl Notify {
    /// The conversation that the environment asks for: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and
    /// `WATCHDOG_PID`, as systemd sets them. They stay there; plugins do not inherit them.
    #[must_use]
    pub fn from_env() -> Self {
        Self::new(&Environment {
            socket: std::env::var_os("NOTIFY_SOCKET"),
            watchdog_usec: std::env::var_os("WATCHDOG_USEC"),
            watchdog_pid: std::env::var_os("WATCHDOG_PID"),
        })
    }

    fn new(environment: &Environment) -> Self {
        let Some(socket) = environment.socket.as_deref().filter(|socket| !socket.is_empty()) else {
            return Self::default();
        };
        match address(socket) {
            Ok(address) => Self {
                address: Some(address),
                watchdog: environment.watchdog(std::process::id()),
                ..Self::default()
            },
            Err(error) => {
                tracing::warn!(
                    "the service manager is told nothing: NOTIFY_SOCKET {}: {error}",
                    socket.display()
                );
                Self::default()
            }
        }
    }

    /// How the plugins stand, in one line for people.
    #[must_use]
    pub fn summary(supervisor: &Supervisor) -> String {
        status_line(&supervisor.status())
    }

    /// Tells that applications can call.
    pub async fn ready(&self, supervisor: &Supervisor) {
        self.told_ready.store(true, Ordering::Relaxed);
        self.tell(&format!("READY=1\nSTATUS={}", status_line(&supervisor.status()))).await;
    }

    /// Tells that replug is busy with `doing`, reading its plan again or handing over to another
    /// program, and that [`Notify::ready`] is to follow. Nothing where replug is not ready yet, since
    /// a start is not over when that is.
    pub async fn reloading(&self, doing: &str) {
        if self.told_ready.load(Ordering::Relaxed) {
            let now = clock_gettime(ClockId::Monotonic);
            // The time since the machine was started is never negative.
            let now = Duration::try_from(now).unwrap_or_default().as_micros();
            self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={now}\nSTATUS={doing}")).await;
        }
    }

    /// Tells that a reload is over.
    pub async fn reloaded(&self, supervisor: &Supervisor) {
        if self.told_ready.load(Ordering::Relaxed) {
            self.ready(supervisor).await;
        }
    }

    /// Tells how the plugins stand, whenever that changes, and that replug lives, twice in the time
    /// in which it has to: as long as everybody in the supervisor answers, and whoever polls this
    /// does so. It belongs into replug's main loop. To be dropped when replug stops.
    pub async fn keep(&self, supervisor: &Supervisor) -> Infallible {
        if self.address.is_none() {
            return future::pending().await;
        }
        tokio::select! {
            never = self.show(supervisor) => never,
            never = self.feed(supervisor) => never,
        }
    }

    /// Tells that replug has begun to stop.
    pub async fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=stopping").await;
    }

    async fn show(&self, supervisor: &Supervisor) -> Infallible {
        let mut changes = supervisor.changes();
        let mut shown = String::new();
        loop {
            changes.next().await;
            let line = status_line(&supervisor.status());
            if line != shown {
                self.tell(&format!("STATUS={line}")).await;
                shown = line;
            }
            sleep(STATUS_SPACING).await;
        }
    }

    async fn feed(&self, supervisor: &Supervisor) -> Infallible {
        let Some(watchdog) = self.watchdog else { return future::pending().await };
        let half = watchdog / 2;
        let mut beat = interval(half);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            match supervisor.answers(half).await {
                Ok(()) => self.tell("WATCHDOG=1").await,
                Err(silent) => tracing::error!(
                    "{silent} within {}: the service manager's watchdog is not fed",
                    humantime::format_duration(half)
                ),
            }
        }
    }

    async fn tell(&self, message: &str) {
        let Some(address) = &self.address else { return };
        let sent = timeout(SEND_PATIENCE, send(address, message)).await;
        let sent = sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        if let Err(error) = sent
            && !self.told_failure.swap(true, Ordering::Relaxed)
        {
            tracing::warn!("the service manager cannot be told anything: {error}");
        }
    }
}

/// A socket for every message: the service manager may have made its own anew since the last.
async fn send(address: &SocketAddr, message: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(address)?;
    // A datagram goes as a whole or not at all.
    tokio::net::UnixDatagram::from_std(socket)?.send(message.as_bytes()).await.map(drop)
}

/// The socket's address: a path, or after `@` a name that is no file.
fn address(socket: &OsStr) -> io::Result<SocketAddr> {
    match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(socket),
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "is no path and no name after `@`")),
    }
}

// === impl Environment ===

impl Environment {
    /// The watchdog's time, where it is meant for the process `own`.
    fn watchdog(&self, own: u32) -> Option<Duration> {
        let meant = self.watchdog_pid.as_deref().is_none_or(|pid| number(pid) == Some(own.into()));
        let time = number(self.watchdog_usec.as_deref()?).filter(|time| meant && *time > 1);
        time.map(Duration::from_micros)
    }
}

fn number(text: &OsStr) -> Option<u64> {
    text.to_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(socket: &str, usec: &str, pid: Option<&str>) -> Environment {
        Environment {
            socket: Some(socket.into()),
            watchdog_usec: Some(usec.into()),
            watchdog_pid: pid.map(Into::into),
        }
    }

    #[test]
    fn the_watchdog_counts_where_it_is_meant_for_this_process() {
        let own = std::process::id().to_string();
        let watchdog = |usec, pid| Notify::new(&environment("/run/notify", usec, pid)).watchdog;
        assert_eq!(watchdog("30000000", None), Some(Duration::from_secs(30)));
        assert_eq!(watchdog("30000000", Some(&own)), Some(Duration::from_secs(30)));
        assert_eq!(watchdog("30000000", Some("1")), None);
        assert_eq!(watchdog("0", None), None);
        assert_eq!(watchdog("soon", None), None);
    }

    #[test]
    fn a_socket_that_is_neither_path_nor_name_is_not_spoken_to() {
        for socket in ["", "relative/path", "vsock:2:1234"] {
            let notify = Notify::new(&environment(socket, "1000000", None));
            assert!(notify.address.is_none() && notify.watchdog.is_none(), "{socket}");
        }
    }

    #[tokio::test]
    async fn a_message_reaches_a_socket_without_a_file() {
        let name = format!("replug-test-notify-{}", std::process::id());
        let listener =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::UnixDatagram::from_std(listener).unwrap();
        Notify::new(&environment(&format!("@{name}"), "", None)).stopping().await;
        let mut buffer = [0; 64];
        let length = listener.recv(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], b"STOPPING=1\nSTATUS=stopping");
    }

    #[tokio::test]
    async fn nobody_who_listens_is_no_failure() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("absent");
        let notify = Notify::new(&environment(socket.to_str().unwrap(), "", None));
        notify.stopping().await;
        assert!(notify.told_failure.into_inner());
    }
}
