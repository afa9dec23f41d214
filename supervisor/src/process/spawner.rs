//! The handle by which the rest of replug starts processes. The work is the keeper's.

use std::io;
use std::path::PathBuf;
use std::thread;

use nix::sys::signal::Signal;
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};

use super::keeper::{Keeper, Request, Serial, Started};
use super::orphans::Orphans;
use super::ward::Ward;
use super::warden::WardenCommand;
use super::{Launch, Process, SpawnError};

/// Starts processes. One for the whole of replug; a clone is the same spawner.
///
/// Behind it is a thread, which lives until [`Spawner::finish`], or until the last clone and the
/// last [`Process`] are dropped. When the thread ends, by whatever cause, the kernel kills the
/// processes that it started.
#[derive(Debug, Clone)]
pub struct Spawner {
    requests: mpsc::UnboundedSender<Request>,
}

impl Spawner {
    /// Starts the thread and the warden.
    ///
    /// Fails where either cannot be started: without a warden no promise is kept about children
    /// that outlive replug.
    ///
    /// In a process to which the kernel gives orphans (the first of its container, or a subreaper)
    /// the thread reaps every child that it has not started itself: nothing else there may start
    /// and wait for any.
    pub async fn start(warden: WardenCommand) -> io::Result<Self> {
        let (requests, receiver) = mpsc::unbounded_channel();
        let (up, is_up) = oneshot::channel();
        // Nobody joins the thread: it ends by itself, see above, and `finish` waits for it.
        thread::Builder::new().name("replug-spawner".into()).spawn(move || {
            let prepared =
                runtime::Builder::new_current_thread().enable_all().build().and_then(|runtime| {
                    let entered = runtime.enter();
                    let orphans = Orphans::listen()?;
                    let ward = Ward::start(warden)?;
                    drop(entered);
                    Ok((runtime, ward, orphans))
                });
            match prepared {
                // If nobody waits any more, the requests have no sender and the run is over at once.
                Ok((runtime, ward, orphans)) => {
                    let _ = up.send(Ok(()));
                    runtime.block_on(Keeper::new(receiver, ward, orphans).run());
                }
                Err(error) => {
                    let _ = up.send(Err(error));
                }
            }
        })?;
        is_up.await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self { requests })
    }

    /// Starts a process and returns when it runs its program.
    ///
    /// When the future is dropped before it is done, a process that was started nevertheless is
    /// killed.
    pub async fn spawn(&self, launch: Launch) -> Result<Process, SpawnError> {
        let (answer, started) = oneshot::channel();
        self.send(Request::Spawn(Box::new(launch), answer));
        // Without an answer the thread is gone.
        let Started { serial, pid, exit, stdout, stderr } =
            started.await.map_err(|_| SpawnError::Stopping)??;
        Ok(Process::new(self.clone(), serial, pid, exit, (stdout, stderr)))
    }

    /// Has `folder` removed with all that is in it when replug is gone, however it went. The path
    /// has to be whole, and should be one that no other replug ever uses.
    pub fn remove_on_death(&self, folder: impl Into<PathBuf>) {
        self.send(Request::RemoveOnDeath(folder.into()));
    }

    /// Whether the thread does its work: returns when it has served everything that was asked of
    /// it before. False: it has ended.
    pub async fn answers(&self) -> bool {
        let (asked, answered) = oneshot::channel();
        self.send(Request::Answer(asked));
        answered.await.is_ok()
    }

    /// Kills every process that is left, with its group, and returns when all are reaped and the
    /// warden has ended. From then on nothing can be started.
    pub async fn finish(&self) {
        let (finished, is_finished) = oneshot::channel();
        self.send(Request::Finish(finished));
        // An error is an answer too: the thread has ended before.
        let _ = is_finished.await;
    }

    pub(super) fn signal(&self, serial: Serial, signal: Signal) {
        self.send(Request::Signal(serial, signal));
    }

    /// A request to a thread that has ended has no one left to concern: its processes are dead.
    fn send(&self, request: Request) {
        let _ = self.requests.send(request);
    }
}
