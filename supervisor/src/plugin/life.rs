//! One generation of a declared plugin: its process, its private socket folder, its sockets'
//! connections, its output. All of it begins together and is gone together.

mod birth;
mod vitals;

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use replug_runtime::plugin::Seat;
use tokio::time::Instant;

pub(super) use self::birth::Birth;
pub(super) use self::vitals::Sign;
use self::vitals::Vitals;
use super::handed::{HandedLife, StartedAs};
use crate::connect::{Socket, SocketEvent, SocketSet};
use crate::health::HealthPolicy;
use crate::output::Output;
use crate::process::{Bounds, Exit, Process, Signal};
use crate::sockets::{Folder, FolderEvent, PrivateFolder, type_name};

/// One generation of a declared plugin, from its start until [`Life::end`].
pub(super) struct Life {
    plugin: Arc<str>,
    /// How the process is called that it is a life of.
    label: String,
    seat: Seat,
    process: Process,
    output: Output,
    /// Where its sockets appear.
    folder: Folder,
    sockets: SocketSet,
    /// Who serves on its sockets, where that is not replug's own user.
    user: Option<u32>,
    /// What its process is held to.
    bounds: Bounds,
    health: HealthPolicy,
    any_socket: bool,
    /// Nothing of this life is to reach the registry any more.
    disconnected: bool,
    /// Sockets that are there and not looked at before the plugin says that it is ready.
    held: Vec<Socket>,
    vitals: Vitals,
    readiness: Readiness,
    begun: Instant,
    /// Removed, with what is in it, when the life is over.
    private: PrivateFolder,
}

/// For how long the generation has been ready, and whether it is.
#[derive(Debug, Clone, Copy)]
enum Readiness {
    NotYet,
    Since(Instant),
    Was(Duration),
}

/// What happens in a life.
pub(super) enum LifeEvent {
    /// The process has ended, and its group with it.
    Exited(Exit),
    /// Something in the socket folder is not taken for a socket of the plugin.
    Refused(String),
    /// Something happened to one of its sockets.
    Socket(SocketEvent),
    /// There is news of how it is, from beside its sockets.
    Sign(Sign),
}

/// What is left of a life.
pub(super) struct Ended {
    /// For how long it was ready, if it ever was.
    pub(super) ready_for: Option<Duration>,
    /// What it has printed, of which some may still be in the pipe.
    pub(super) output: Output,
    /// Where its sockets were.
    pub(super) left: Left,
}

/// Where the sockets of a life were. Dropping it ends the watch and removes the private folder.
pub(super) struct Left {
    watched: Folder,
    private: PrivateFolder,
}

// === impl Left ===

impl Left {
    /// Ends the watch, then removes the private folder: a watch whose folder goes is looked for
    /// among all others. Blocks for a moment.
    pub(super) fn clear_away(self) {
        self.watched.end();
        drop(self.private);
    }
}

// === impl Life ===

impl Life {
    /// Lets go of the process, which runs on, and closes the connections to its sockets. An error is
    /// the life again, whose process has ended.
    pub(super) async fn hand_over(
        mut self,
        started_as: StartedAs,
    ) -> Result<HandedLife<OwnedFd>, Self> {
        let Some(pid) = self.process.release().await else { return Err(self) };
        self.is_not_ready();
        self.sockets.shutdown().await;
        Ok(HandedLife {
            pid,
            uptime: self.begun.elapsed(),
            ready_for: match self.readiness {
                Readiness::Was(ready_for) => Some(ready_for),
                _ => None,
            },
            folder: self.private.leave(),
            user: self.user,
            bounds: self.bounds,
            vitals: self.vitals.hand_over().await,
            output: self.output.hand_over().await,
            started_as,
        })
    }

    /// The next thing that happens. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> LifeEvent {
        loop {
            tokio::select! {
                biased;
                exit = self.process.exited() => return LifeEvent::Exited(exit),
                event = self.folder.next(), if !self.disconnected => match event {
                    FolderEvent::Appeared(path) => {
                        let Some(name) = type_name(&path) else {
                            return LifeEvent::Refused(nameless(&path));
                        };
                        self.any_socket = true;
                        let (plugin, name) = (self.plugin.clone(), name.into());
                        let (seat, user, health) = (self.seat, self.user, self.health);
                        self.held.push(Socket { plugin, seat, path, name, user, health });
                        self.look_at_sockets();
                    }
                    FolderEvent::Removed(path) => {
                        self.held.retain(|socket| socket.path != path);
                        self.sockets.removed(&path);
                    }
                    FolderEvent::Refused { path, reason } => {
                        return LifeEvent::Refused(format!("{}: {reason}", path.display()));
                    }
                    FolderEvent::Gone => {
                        return LifeEvent::Refused("its socket folder is gone".to_owned());
                    }
                },
                event = self.sockets.next() => return LifeEvent::Socket(event),
                sign = self.vitals.next() => {
                    self.look_at_sockets();
                    return LifeEvent::Sign(sign);
                }
            }
        }
    }

    /// Has sockets connected that wait for the plugin to say that it is ready, if it has.
    fn look_at_sockets(&mut self) {
        if self.vitals.admits() && !self.disconnected {
            self.held.drain(..).for_each(|socket| self.sockets.appeared(socket));
        }
    }

    /// What is still waited for before its sockets are looked at.
    pub(super) fn awaited(&self) -> Option<&'static str> {
        self.vitals.awaited()
    }

    /// Whether it has made a socket at all.
    pub(super) fn has_sockets(&self) -> bool {
        self.any_socket
    }

    /// How many of its sockets serve.
    pub(super) fn served(&self) -> usize {
        self.sockets.served()
    }

    /// From now on it is usable.
    pub(super) fn is_ready(&mut self) {
        if !matches!(self.readiness, Readiness::Since(_)) {
            self.readiness = Readiness::Since(Instant::now());
        }
        self.vitals.is_ready();
    }

    /// From now on it is not.
    pub(super) fn is_not_ready(&mut self) {
        if let Readiness::Since(since) = self.readiness {
            self.readiness = Readiness::Was(since.elapsed());
        }
    }

    /// Ends the connections to its sockets, but for calls that are under way: nothing of this life
    /// reaches the registry afterwards.
    pub(super) async fn disconnect(&mut self) {
        self.disconnected = true;
        self.vitals.end().await;
        self.sockets.shutdown().await;
    }

    /// Sends a signal to the whole group.
    pub(super) fn signal(&self, signal: Signal) {
        self.process.signal_group(signal);
    }

    /// Waits for the end of the process and its group. Dropping the future loses nothing.
    pub(super) async fn exited(&mut self) -> Exit {
        self.process.exited().await
    }

    /// The plugin's name.
    pub(super) fn plugin(&self) -> &str {
        &self.plugin
    }

    /// How the process is called that it is a life of.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// The process's id.
    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Which of the plugin's lives this is.
    pub(super) fn generation(&self) -> u64 {
        self.seat.generation
    }

    /// Asks the whole group to end. A stopped process is woken, since it could not hear it.
    pub(super) fn ask_to_end(&self, signal: Signal) {
        self.process.signal_group(signal);
        self.process.signal_group(Signal::SIGCONT);
    }

    /// Kills the whole group.
    pub(super) fn kill(&self) {
        self.process.kill_group();
    }

    /// Clears everything away, the process having ended. Nothing of this life reaches the registry
    /// afterwards.
    pub(super) async fn end(mut self) -> Ended {
        self.is_not_ready();
        self.vitals.end().await;
        self.sockets.shutdown().await;
        Ended {
            ready_for: match self.readiness {
                Readiness::Was(ready_for) => Some(ready_for),
                _ => None,
            },
            output: self.output,
            left: Left { watched: self.folder, private: self.private },
        }
    }
}

/// What is said of a socket that no component type can be named after.
pub(crate) fn nameless(path: &Path) -> String {
    format!("{}: a component type cannot be called so", path.display())
}
