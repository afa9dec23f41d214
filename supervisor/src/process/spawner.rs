//! The handle by which the rest of replug starts processes. The work is the keeper's.

use std::io;
use std::path::PathBuf;
use std::thread;

use nix::sys::signal::Signal;
use tokio::sync::{mpsc, oneshot};

use super::keeper::{Claimed, Request, Serial, Started};
use super::seat::Seat;
use super::succession::{Heritage, Successor};
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
    /// Starts a thread of its own and the warden. For what never becomes another program: see
    /// [`Seat`].
    ///
    /// Fails where either cannot be started: without a warden no promise is kept about children
    /// that outlive replug.
    ///
    /// In a process to which the kernel gives orphans (the first of its container, or a subreaper)
    /// the thread reaps every child that it has not started itself: nothing else there may start
    /// and wait for any.
    pub async fn start(warden: WardenCommand) -> io::Result<Self> {
        let (seat, summons) = Seat::new();
        // Nobody joins the thread: it ends by itself, see above, and `finish` waits for it.
        thread::Builder::new().name("replug-spawner".into()).spawn(move || seat.serve())?;
        summons.call(warden, None).await
    }

    pub(super) fn new(requests: mpsc::UnboundedSender<Request>) -> Self {
        Self { requests }
    }

    /// Starts a process and returns when it runs its program.
    ///
    /// When the future is dropped before it is done, a process that was started nevertheless is
    /// killed.
    pub async fn spawn(&self, launch: Launch) -> Result<Process, SpawnError> {
        let (process, ()) = self.spawn_after(launch, || Ok(())).await?;
        Ok(process)
    }

    /// As [`Spawner::spawn`], once `first` has been done, in the thread that starts processes. What
    /// takes long there is what every other start waits for. An error of it, a text for people, is
    /// [`SpawnError::Before`]; then nothing is started.
    pub async fn spawn_after<T: Send + 'static>(
        &self,
        launch: Launch,
        first: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<(Process, T), SpawnError> {
        let (answer, started) = oneshot::channel();
        let (made, had) = oneshot::channel();
        let first = move || {
            // Nobody to take it: what is made goes again.
            let _ = made.send(first()?);
            Ok(())
        };
        self.send(Request::Spawn(Box::new(launch), Box::new(first), answer));
        // Without an answer the thread is gone.
        let Started { serial, pid, exit, stdout, stderr, bounds } =
            started.await.map_err(|_| SpawnError::Stopping)??;
        let process = Process::new(self.clone(), serial, pid, exit, (stdout, stderr), bounds);
        Ok((process, had.await.map_err(|_| SpawnError::Stopping)?))
    }

    /// Takes a process that somebody has let go of ([`Process::release`]), in this program or the one
    /// before it. One that has ended meanwhile is as good as any other: its exit is told.
    pub async fn claim(&self, pid: u32) -> io::Result<Process> {
        let (answer, claimed) = oneshot::channel();
        self.send(Request::Claim(pid, answer));
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        let Claimed { serial, exit } = claimed.await.map_err(gone)??;
        Ok(Process::claimed(self.clone(), serial, pid, exit))
    }

    /// Kills every process that somebody has let go of and nobody has claimed.
    pub fn end_unclaimed(&self) {
        self.send(Request::EndUnclaimed);
    }

    /// What the next program needs to go on with the processes: all of them have to be released.
    pub async fn heritage(&self) -> io::Result<Heritage> {
        let (answer, heritage) = oneshot::channel();
        self.send(Request::Heritage(answer));
        heritage.await.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?
    }

    /// Becomes the next program, in the thread that starts processes. Returns only where that fails.
    pub async fn succeed(&self, successor: Successor) -> io::Error {
        let (failed, error) = oneshot::channel();
        self.send(Request::Succeed(Box::new(successor), failed));
        error.await.unwrap_or_else(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Whether the process was let go of; false where it has ended already.
    pub(super) async fn release(&self, serial: Serial) -> bool {
        let (answer, released) = oneshot::channel();
        self.send(Request::Release(serial, answer));
        released.await.unwrap_or(false)
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
