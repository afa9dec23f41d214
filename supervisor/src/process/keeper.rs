//! The thread that starts every plugin's process, sees it end, and reaps it.
//!
//! One thread for all of it, for three reasons. The kernel ties a child's death signal to the
//! *thread* that forked it, so that thread has to live as long as replug. A process id is a
//! process's own until it is reaped, so whoever reaps has to be the one who signals: what goes
//! through this thread never hits a stranger. And the warden has to learn of beginnings and ends in
//! their order. The thread runs a small event loop of its own, and blocks for as long as a start
//! takes; nobody else waits for that.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::act::{Act, Failed};
use super::cgroup::Cgroup;
use super::child::{Child, Nursery};
use super::escapees::Escapees;
use super::lives::Lives;
use super::mark;
use super::orphans::Orphans;
use super::pidfd::Pidfd;
use super::prepare::Prepared;
use super::reap::{kill_group, reap};
use super::succession::{Heritage, Successor};
use super::ward::Ward;
use super::{Bounds, Exit, Launch, SpawnError};

/// What the rest of replug asks of the thread.
pub(super) enum Request {
    /// Start a process, once something else has been done.
    Spawn(Box<Launch>, First, oneshot::Sender<Result<Started, SpawnError>>),
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

/// What is to be done before a start. An error is a text for people.
pub(super) type First = Box<dyn FnOnce() -> Result<(), String> + Send>;

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
    pub(super) bounds: Bounds,
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
    lives: Lives,
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
    /// What may have left its group and outlive its life.
    escapees: Escapees,
    /// Where children are born.
    nursery: Nursery,
    /// Whether a child of the thread's own was reaped, which may have hidden orphans.
    reaped: bool,
}

struct Living {
    /// The process's id and its group's.
    pid: u32,
    exit: oneshot::Sender<Exit>,
    cgroup: Option<Cgroup>,
    /// The bytes that it may use, where its cgroup says so.
    memory: Option<u64>,
}

impl Keeper {
    pub(super) fn new(
        requests: mpsc::UnboundedReceiver<Request>,
        ward: Ward,
        orphans: Orphans,
        lives: Lives,
        nursery: Nursery,
        unclaimed: Vec<u32>,
    ) -> Self {
        // The numbers of lives go on where the program before left off.
        let last = unclaimed.iter().filter_map(|pid| lives.life_of(*pid)).max().unwrap_or(0);
        Self {
            requests,
            ward,
            orphans,
            lives,
            living: HashMap::new(),
            unclaimed: unclaimed.into_iter().collect(),
            exits: JoinSet::new(),
            last,
            asked: true,
            finishing: false,
            finished: Vec::new(),
            escapees: Escapees::default(),
            nursery,
            reaped: false,
        }
    }

    /// Serves until it is told to finish, or until nobody is left who could ask for anything; then
    /// until the last process is reaped and the warden is dismissed.
    pub(super) async fn run(mut self) {
        while !(self.finishing && self.living.is_empty() && !self.escapees.are_dying()) {
            tokio::select! {
                biased;
                Some(ended) = self.exits.join_next() => match ended {
                    Ok(serial) => self.ended(serial),
                    Err(error) => tracing::error!(%error, "a process is watched no longer"),
                },
                () = self.ward.gone() => {
                    self.reaped = true;
                    if let Err(error) = self.ward.replace() {
                        tracing::error!(%error, "the warden cannot be started");
                    }
                }
                () = self.orphans.may_have_ended() => self.reaped = true,
                () = self.lives.removed() => {}
                () = self.escapees.may_be_known() => self.end_escapees(),
                request = self.requests.recv(), if self.asked => {
                    if let Some(request) = request {
                        self.serve(request);
                    } else {
                        self.asked = false;
                        self.finish();
                    }
                }
            }
            // Looking takes the longer the more children there are.
            if std::mem::take(&mut self.reaped) {
                self.orphans.reap(|pid| self.is_own(pid));
            }
            if self.escapees.are_dying() {
                self.end_escapees();
            }
        }
        self.lives.finish().await;
        self.ward.dismiss().await;
        for waiting in self.finished {
            // Whoever asked may have stopped waiting.
            let _ = waiting.send(());
        }
    }

    fn serve(&mut self, request: Request) {
        match request {
            Request::Spawn(launch, first, answer) => {
                if answer.is_closed() {
                    return;
                }
                let started = if self.finishing {
                    Err(SpawnError::Stopping)
                } else {
                    first().map_err(SpawnError::Before).and_then(|()| self.spawn(&launch))
                };
                self.reaped |= started.is_err();
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
        // The one by which what it has started is known, if it tells.
        let known = self.lives.life_of(pid).map(Serial);
        let serial = match known.filter(|serial| !self.living.contains_key(serial)) {
            Some(serial) => serial,
            None => self.next_serial(),
        };
        let exit = self.attend(serial, pid, self.lives.cgroup_of(pid), exited);
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
                self.reaped = true;
            }
        }
    }

    /// Waits for the end of a process from now on.
    fn attend(
        &mut self,
        serial: Serial,
        pid: u32,
        (cgroup, memory): (Option<Cgroup>, Option<u64>),
        exited: Pidfd,
    ) -> oneshot::Receiver<Exit> {
        self.exits.spawn(async move {
            exited.ended().await;
            serial
        });
        let (exit, receiver) = oneshot::channel();
        self.living.insert(serial, Living { pid, exit, cgroup, memory });
        receiver
    }

    fn next_serial(&mut self) -> Serial {
        self.last += 1;
        Serial(self.last)
    }

    /// Whether a child is the thread's own, to be reaped when its exit is told.
    fn is_own(&self, pid: u32) -> bool {
        self.ward.pid() == Some(pid)
            || self.unclaimed.contains(&pid)
            || self.living.values().any(|living| living.pid == pid)
    }

    fn finish(&mut self) {
        self.finishing = true;
        // Looked for once more, whatever is left.
        self.escapees.look();
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
        let serial = self.next_serial();
        let Prepared { acts, cgroup, bounds } = self.lives.prepare(launch)?;
        let Child { pid, stdout, stderr } = match self.spawn_prepared(launch, serial, &acts) {
            Ok(child) => child,
            Err(error) => {
                if let Some(cgroup) = cgroup {
                    self.lives.remove(cgroup);
                }
                return Err(error);
            }
        };
        self.ward.begun(pid);
        match Pidfd::of(pid) {
            Ok(exited) => {
                let exit = self.attend(serial, pid, (cgroup, launch.limits.memory), exited);
                Ok(Started { serial, pid, exit, stdout, stderr, bounds })
            }
            Err(error) => {
                kill_group(pid, Signal::SIGKILL);
                self.ward.ended(pid);
                // Killed, so this takes no longer than the kernel needs to end it.
                reap(pid);
                if let Some(cgroup) = cgroup {
                    self.lives.remove(cgroup);
                }
                Err(SpawnError::explain(launch, &error))
            }
        }
    }

    fn spawn_prepared(
        &mut self,
        launch: &Launch,
        serial: Serial,
        acts: &[Act],
    ) -> Result<Child, SpawnError> {
        let explain = |error: io::Error| match Failed::decode(&error) {
            Some(Failed { at, errno }) => {
                let what = acts.get(at).map(ToString::to_string).unwrap_or_default();
                SpawnError::Act { what, errno }
            }
            None => SpawnError::explain(launch, &error),
        };
        match self.try_spawn(launch, serial, acts)? {
            // The warden was gone before this thread had heard of it. Another, and once more.
            Err(error) if error.raw_os_error() == Some(Errno::EPIPE as i32) => {
                self.ward.replace().map_err(|error| no_warden(&error))?;
                self.try_spawn(launch, serial, acts)?.map_err(explain)
            }
            spawned => spawned.map_err(explain),
        }
    }

    /// Waits until the program runs or has failed to. The outer error is the warden's.
    fn try_spawn(
        &mut self,
        launch: &Launch,
        serial: Serial,
        acts: &[Act],
    ) -> Result<io::Result<Child>, SpawnError> {
        let mark = (mark::VARIABLE, self.lives.mark_of(serial.0));
        let program = launch.program(mark).map_err(|error| SpawnError::explain(launch, &error))?;
        let warden = self.ward.descriptor().map_err(|error| no_warden(&error))?;
        let spawned = self.nursery.bear(&program, warden, acts);
        if spawned.is_err() {
            self.ward.never_ran();
        }
        Ok(spawned)
    }

    /// A process has ended and is a zombie: its number is still its own, and its group's. So
    /// first what is left of the group is killed, then the warden forgets the group, and only then
    /// is the process reaped.
    fn ended(&mut self, serial: Serial) {
        let Some(Living { pid, exit, cgroup, memory }) = self.living.remove(&serial) else {
            return;
        };
        kill_group(pid, Signal::SIGKILL);
        self.ward.ended(pid);
        let exit_status = reap(pid);
        self.reaped = true;
        // Nobody leaves a cgroup by leaving the group: with one, there is nothing to look for.
        let (ended, whole) = self.lives.end(cgroup, memory, exit_status);
        if !whole {
            self.end_escapees();
        }
        // Nobody may be waiting for it any more.
        let _ = exit.send(ended);
    }

    /// Kills what left its group and outlived its life. What these leave behind when they die is
    /// looked at when they have.
    fn end_escapees(&mut self) {
        if !self.unclaimed.is_empty() {
            // Whose they are shows when these are claimed.
            return;
        }
        let mut own: HashSet<u32> = self.living.values().map(|living| living.pid).collect();
        own.extend(self.ward.pid());
        let lives = |life| self.living.contains_key(&Serial(life));
        let all = self.finishing && self.living.is_empty();
        self.escapees.end(self.lives.mark(), &self.orphans, |pid| own.contains(&pid), lives, all);
    }
}

fn no_warden(error: &io::Error) -> SpawnError {
    SpawnError::Warden(error.to_string())
}
