//! A plugin's process: started, signalled, waited for, and gone with its whole group.
//!
//! What holds, and the failure that it survives:
//! - A process is in a group of its own, and the group is killed when the process ends, whoever
//!   ended it: a plugin's children do not outlive it. One that left the group, as a daemon does, is
//!   killed too: with its [`cgroup`] where there is one, else as an orphan that bears the process's
//!   [`mark`]. (Without a cgroup, one that also threw its environment away lives until replug ends.)
//! - No process outlives replug, kill -9 of replug included: the kernel kills the process, the
//!   [`warden`] its group.
//! - An exit is known when it happens, through a pidfd.
//! - Where replug is the first process of its container, no orphan stays a zombie.
//! - One program of replug can follow another without any of this ceasing to hold: processes are
//!   let go of by the first and claimed by the second ([`Successor`]).
//! - No signal ever reaches a stranger to whom the kernel gave the number of a dead process, and no
//!   zombie stays.
//!
//! This module knows nothing of plugins, plans, sockets or restarts.

pub mod abilities;
mod act;
mod birth;
mod cgroup;
mod child;
pub mod confinement;
mod escapees;
mod exit;
mod held;
mod keeper;
mod landlock;
mod launch;
pub mod limits;
mod lives;
mod mark;
mod mounts;
mod open_files;
mod orphans;
mod pidfd;
mod pre_exec;
mod prepare;
mod program;
mod reap;
mod seat;
mod spawn_error;
mod spawner;
mod succession;
mod ward;
pub mod warden;

use std::os::fd::OwnedFd;
use std::time::Duration;

pub use nix::sys::signal::Signal;
use tokio::sync::oneshot;
use tokio::time::timeout;

pub use self::abilities::Abilities;
pub use self::cgroup::CgroupPlace;
pub use self::confinement::Confinement;
pub use self::exit::Exit;
pub use self::held::{hold_signals, let_signals_go};
use self::keeper::Serial;
pub use self::launch::Launch;
pub use self::limits::{Bounds, Limits};
pub use self::open_files::{raise_open_files, restore_open_files};
pub use self::orphans::adopt_orphans;
pub use self::pre_exec::give_back_program;
pub use self::seat::{Seat, Summons};
pub use self::spawn_error::SpawnError;
pub use self::spawner::Spawner;
pub use self::succession::{Heritage, Successor};

/// A process that was started by a [`Spawner`]. Dropping it kills its group.
#[derive(Debug)]
pub struct Process {
    spawner: Spawner,
    serial: Serial,
    pid: u32,
    exit: oneshot::Receiver<Exit>,
    ended: Option<Exit>,
    output: Option<(OwnedFd, OwnedFd)>,
    bounds: Bounds,
}

impl Process {
    fn new(
        spawner: Spawner,
        serial: Serial,
        pid: u32,
        exit: oneshot::Receiver<Exit>,
        output: (OwnedFd, OwnedFd),
        bounds: Bounds,
    ) -> Self {
        Self { spawner, serial, pid, exit, ended: None, output: Some(output), bounds }
    }

    /// What it is held to, and what of the limits that were asked for is not had here.
    #[must_use]
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// A process whose output somebody else has.
    fn claimed(spawner: Spawner, serial: Serial, pid: u32, exit: oneshot::Receiver<Exit>) -> Self {
        Self { spawner, serial, pid, exit, ended: None, output: None, bounds: Bounds::default() }
    }

    /// Lets go of the process: it runs on, unwatched and, when it ends, unreaped, until somebody
    /// claims it by its id ([`Spawner::claim`]). None: it has ended.
    pub async fn release(&mut self) -> Option<u32> {
        if self.ended.is_none() && self.spawner.release(self.serial).await {
            // Nothing is to be killed when this is dropped. What it says nobody will ask for.
            self.ended = Some(Exit::by(Signal::SIGKILL));
            return Some(self.pid);
        }
        None
    }

    /// The process's id, which is its group's too. For people: once the process has ended, the
    /// number can be another's.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The reading ends of the process's standard output and standard error, once.
    pub fn take_output(&mut self) -> Option<(OwnedFd, OwnedFd)> {
        self.output.take()
    }

    /// Waits for the process to end. By then the rest of its group has been killed, and nothing of
    /// the process is left. Dropping the future loses nothing; asked again, it says the same.
    pub async fn exited(&mut self) -> Exit {
        if let Some(exit) = self.ended {
            return exit;
        }
        // Without an answer the spawner's thread has ended, and the kernel has killed the process.
        let exit = (&mut self.exit).await.unwrap_or(Exit::by(Signal::SIGKILL));
        *self.ended.insert(exit)
    }

    /// Sends `signal` to the process and its group; does nothing once the process has ended.
    pub fn signal_group(&self, signal: Signal) {
        self.spawner.signal(self.serial, signal);
    }

    /// Kills the process and its group.
    pub fn kill_group(&self) {
        self.signal_group(Signal::SIGKILL);
    }

    /// Asks the group to end by `signal` and, where the process has not ended after `patience`,
    /// kills the group. Returns when the process has ended.
    ///
    /// The group is woken too: a process that is stopped could not hear the signal. When the future
    /// is dropped, the process has been asked, and is not killed.
    pub async fn stop(&mut self, signal: Signal, patience: Duration) -> Exit {
        self.signal_group(signal);
        self.signal_group(Signal::SIGCONT);
        if let Ok(exit) = timeout(patience, self.exited()).await {
            return exit;
        }
        self.kill_group();
        self.exited().await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.kill_group();
        }
    }
}
