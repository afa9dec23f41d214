//! The thread that starts every plugin's process, sees it end, and reaps it.
//!
//! One thread for all of it, for three reasons. The kernel ties a child's death signal to the
//! *thread* that forked it, so that thread has to live as long as replug. A process id is a
//! process's own until it is reaped, so whoever reaps has to be the one who signals: what goes
//! through this thread never hits a stranger. And the warden has to learn of beginnings and ends in
//! their order. The thread runs a small event loop of its own, and blocks for as long as a fork
//! takes; nobody else waits for that.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::orphans::Orphans;
use super::pidfd::Pidfd;
use super::reap::{kill_group, reap};
use super::succession::{Heritage, Successor};
use super::ward::Ward;
use super::{Exit, Launch, SpawnError, pre_exec};

/// What the rest of replug asks of the thread.
pub(super) enum Request {
    /// Start a process.
    Spawn(Box<Launch>, oneshot::Sender<Result<Started, SpawnError>>),
    /// Send a signal to a process's group, unless the process has ended.
    Signal(Serial, Signal),
    /// Let go of a process, which nobody waits for until somebody claims it. False: it has ended.
    Release(Serial, oneshot::Sender<bool>),
    /// Wait for a process that was let go of, in this program or the one before.
    Claim(u32, oneshot::Sender<io::Result<Claimed>>),
    /// Kill what nobody has claimed.
    EndUnclaimed,
    /// Give what the next program needs to go on.
    Heritage(oneshot::Sender<io::Result<Heritage>>),
    /// Become the next program. There is an answer only where that fails.
    Succeed(Box<Successor>, oneshot::Sender<io::Error>),
    /// Have a folder removed when replug dies.
    RemoveOnDeath(PathBuf),
    /// Say that the thread is there and does its work.
    Answer(oneshot::Sender<()>),
    /// Kill every process, start none any more, and answer when all are reaped.
    Finish(oneshot::Sender<()>),
}

/// Tells processes apart, unlike their ids, of which the kernel makes new use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Serial(u64);

/// A process that runs its program.
pub(super) struct Started {
    pub(super) serial: Serial,
    pub(super) pid: u32,
    pub(super) exit: oneshot::Receiver<Exit>,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

/// A process that was claimed.
pub(super) struct Claimed {
    pub(super) serial: Serial,
    pub(super) exit: oneshot::Receiver<Exit>,
}

/// The thread's state.
pub(super) struct Keeper {
    requests: mpsc::UnboundedReceiver<Request>,
    ward: Ward,
    orphans: Orphans,
    living: HashMap<Serial, Living>,
    /// Processes that somebody has let go of. They are not reaped, so the numbers are their own.
    unclaimed: BTreeSet<u32>,
    /// One task per living process, which ends when the process does.
    exits: JoinSet<Serial>,
    last: u64,
    /// Whether somebody is left who could ask for anything.
    asked: bool,
    /// Whether new processes are refused.
    finishing: bool,
    finished: Vec<oneshot::Sender<()>>,
}

struct Living {
    /// The process's id and its group's.
    pid: u32,
    exit: oneshot::Sender<Exit>,
}

impl Keeper {
    pub(super) fn new(
        requests: mpsc::UnboundedReceiver<Request>,
        ward: Ward,
        orphans: Orphans,
        unclaimed: Vec<u32>,
    ) -> Self {
        Self {
            requests,
            ward,
            orphans,
            living: HashMap::new(),
            unclaimed: unclaimed.into_iter().collect(),
            exits: JoinSet::new(),
            last: 0,
            asked: true,
            finishing: false,
            finished: Vec::new(),
        }
    }

    /// Serves until it is told to finish, or until nobody is left who could ask for anything; then
    /// until the last process is reaped and the warden is dismissed.
    pub(super) async fn run(mut self) {
        while !(self.finishing && self.living.is_empty()) {
            tokio::select! {
                biased;
                Some(ended) = self.exits.join_next() => match ended {
                    Ok(serial) => self.ended(serial),
                    Err(error) => tracing::error!(%error, "a process is watched no longer"),
                },
                () = self.ward.gone() => {
                    if let Err(error) = self.ward.replace() {
                        tracing::error!(%error, "the warden cannot be started");
                    }
                }
                () = self.orphans.may_have_ended() => {}
                request = self.requests.recv(), if self.asked => {
                    if let Some(request) = request {
                        self.serve(request);
                    } else {
                        self.asked = false;
                        self.finish();
                    }
                }
            }
            // After whatever happened: a child of the thread's own that was reaped just now may
            // have hidden orphans.
            let (living, unclaimed, ward) = (&self.living, &self.unclaimed, &self.ward);
            self.orphans.reap(|pid| {
                ward.is_warden(pid)
                    || unclaimed.contains(&pid)
                    || living.values().any(|living| living.pid == pid)
            });
        }
        self.ward.dismiss().await;
        for waiting in self.finished {
            // Whoever asked may have stopped waiting.
            let _ = waiting.send(());
        }
    }

    fn serve(&mut self, request: Request) {
        match request {
            Request::Spawn(launch, answer) => {
                if answer.is_closed() {
                    return;
                }
                let started =
                    if self.finishing { Err(SpawnError::Stopping) } else { self.spawn(&launch) };
                if let Err(Ok(unwanted)) = answer.send(started) {
                    self.signal(unwanted.serial, Signal::SIGKILL);
                }
            }
            Request::Signal(serial, signal) => self.signal(serial, signal),
            Request::Release(serial, released) => {
                let living = self.living.remove(&serial);
                self.unclaimed.extend(living.as_ref().map(|living| living.pid));
                // Whoever asked may have stopped waiting. Then it is nobody's until it is claimed.
                let _ = released.send(living.is_some());
            }
            Request::Claim(pid, answer) => {
                let claimed = self.claim(pid);
                if let Err(Ok(unwanted)) = answer.send(claimed) {
                    self.signal(unwanted.serial, Signal::SIGKILL);
                }
            }
            Request::EndUnclaimed => self.end_unclaimed(),
            // Whoever asked may have stopped waiting.
            Request::Heritage(answer) => drop(answer.send(self.ward.heritage())),
            Request::Succeed(successor, failed) => {
                let Err(error) = successor.exec();
                let _ = failed.send(error);
            }
            Request::RemoveOnDeath(folder) => self.ward.remove_on_death(folder),
            Request::Answer(asked) => {
                // Whoever asked may have stopped waiting.
                let _ = asked.send(());
            }
            Request::Finish(finished) => {
                self.finished.push(finished);
                self.finish();
            }
        }
    }

    fn claim(&mut self, pid: u32) -> io::Result<Claimed> {
        if !self.unclaimed.contains(&pid) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let exited = Pidfd::of(pid)?;
        self.unclaimed.remove(&pid);
        let (serial, exit) = self.attend(pid, exited);
        Ok(Claimed { serial, exit })
    }

    fn end_unclaimed(&mut self) {
        while let Some(pid) = self.unclaimed.first().copied() {
            kill_group(pid, Signal::SIGKILL);
            if self.claim(pid).is_err() {
                // No descriptor is left to see its end by. Killed, it takes no time.
                self.unclaimed.remove(&pid);
                self.ward.ended(pid);
                reap(pid);
            }
        }
    }

    /// Waits for the end of a process from now on.
    fn attend(&mut self, pid: u32, exited: Pidfd) -> (Serial, oneshot::Receiver<Exit>) {
        self.last += 1;
        let serial = Serial(self.last);
        self.exits.spawn(async move {
            exited.ended().await;
            serial
        });
        let (exit, receiver) = oneshot::channel();
        self.living.insert(serial, Living { pid, exit });
        (serial, receiver)
    }

    fn finish(&mut self) {
        self.finishing = true;
        self.end_unclaimed();
        for living in self.living.values() {
            kill_group(living.pid, Signal::SIGKILL);
        }
    }

    fn signal(&self, serial: Serial, signal: Signal) {
        if let Some(living) = self.living.get(&serial) {
            kill_group(living.pid, signal);
        }
    }

    fn spawn(&mut self, launch: &Launch) -> Result<Started, SpawnError> {
        let mut child = match self.try_spawn(launch)? {
            Ok(child) => child,
            // The warden was gone before this thread had heard of it. Another, and once more.
            Err(error) if error.raw_os_error() == Some(Errno::EPIPE as i32) => {
                self.ward.replace().map_err(|error| no_warden(&error))?;
                self.try_spawn(launch)?.map_err(|error| SpawnError::explain(launch, &error))?
            }
            Err(error) => return Err(SpawnError::explain(launch, &error)),
        };
        let pid = child.id();
        self.ward.begun(pid);
        match ends(&mut child) {
            Ok((exited, stdout, stderr)) => {
                let (serial, exit) = self.attend(pid, exited);
                Ok(Started { serial, pid, exit, stdout, stderr })
            }
            Err(error) => {
                kill_group(pid, Signal::SIGKILL);
                self.ward.ended(pid);
                // Killed, so this takes no longer than the kernel needs to end it.
                let _ = child.wait();
                Err(SpawnError::explain(launch, &error))
            }
        }
    }

    /// Forks and waits until the program runs or has failed to. The outer error is the warden's.
    fn try_spawn(&mut self, launch: &Launch) -> Result<io::Result<Child>, SpawnError> {
        let mut command = launch.command();
        let spawned =
            spawn_guarded(&mut command, self.ward.descriptor().map_err(|error| no_warden(&error))?);
        if spawned.is_err() {
            self.ward.never_ran();
        }
        Ok(spawned)
    }

    /// A process has ended and is a zombie: its number is still its own, and its group's. So
    /// first what is left of the group is killed, then the warden forgets the group, and only then
    /// is the process reaped.
    fn ended(&mut self, serial: Serial) {
        let Some(Living { pid, exit }) = self.living.remove(&serial) else { return };
        kill_group(pid, Signal::SIGKILL);
        self.ward.ended(pid);
        // Nobody may be waiting for it any more.
        let _ = exit.send(reap(pid));
    }
}

fn no_warden(error: &io::Error) -> SpawnError {
    SpawnError::Warden(error.to_string())
}

fn spawn_guarded(command: &mut Command, warden: BorrowedFd<'_>) -> io::Result<Child> {
    pre_exec::plugin(command, warden);
    command.spawn()
}

/// What tells of the child's exit, and the ends of its two pipes.
fn ends(child: &mut Child) -> io::Result<(Pidfd, OwnedFd, OwnedFd)> {
    let exited = Pidfd::of(child.id())?;
    match (child.stdout.take(), child.stderr.take()) {
        (Some(stdout), Some(stderr)) => Ok((exited, stdout.into(), stderr.into())),
        _ => Err(io::ErrorKind::BrokenPipe.into()),
    }
}
