//! replug's end of the warden: keeps one running and telling it what is alive.
//!
//! Used by the spawner's thread alone, so that what the warden is told is in the order in which it
//! happens. What a warden is and what the lines mean: [`super::warden`].

use std::collections::BTreeSet;
use std::future;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep_until, timeout};

use super::pidfd::Pidfd;
use super::pre_exec;
use super::reap::reap;
use super::succession::Heritage;
use super::warden::{WARDEN_NAME, WardenCommand};

/// A warden that ended sooner than this after its start is not replaced sooner than this after
/// its end, so that one that cannot run does not become a loop.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);

/// How long a warden that was dismissed may take for its leave before it is killed.
const LEAVE: Duration = Duration::from_secs(1);

/// The warden in office and what it has to know.
pub(super) struct Ward {
    command: WardenCommand,
    /// Lines that every warden is told first.
    standing_orders: Vec<u8>,
    warden: Option<Warden>,
    /// When the next one is started, while there is none.
    due: Option<Instant>,
    groups: BTreeSet<u32>,
    folders: BTreeSet<PathBuf>,
}

struct Warden {
    /// A child that is not reaped before its [`Warden`] is dropped: the number is its own.
    pid: u32,
    exit: Pidfd,
    lines: UnixStream,
    since: Instant,
}

impl Ward {
    /// Starts the first warden. `standing_orders` are lines that hold for as long as replug lives.
    pub(super) fn start(command: WardenCommand, standing_orders: Vec<u8>) -> io::Result<Self> {
        let mut ward = Self {
            command,
            standing_orders,
            warden: None,
            due: None,
            groups: BTreeSet::new(),
            folders: BTreeSet::new(),
        };
        ward.replace()?;
        Ok(ward)
    }

    /// Goes on with what the program before this one knew. Its warden is still there, and goes when
    /// another one, of this program, knows everything: at no time is there none.
    ///
    /// An error is that the old one is gone and no other can be started.
    pub(super) fn take_over(
        command: WardenCommand,
        standing_orders: Vec<u8>,
        heritage: Heritage,
    ) -> io::Result<Self> {
        let Heritage { warden, lines, processes, folders } = heritage;
        let mut ward = Self {
            command,
            standing_orders,
            warden: None,
            due: None,
            groups: processes.into_iter().collect(),
            folders: folders.into_iter().collect(),
        };
        let old = Pidfd::of(warden).map(|exit| Warden {
            pid: warden,
            exit,
            lines: lines.into(),
            since: Instant::now(),
        });
        match (Warden::start(&ward.command, &ward.all()), old) {
            (Ok(new), old) => {
                if let Ok(old) = old {
                    old.kill();
                }
                ward.warden = Some(new);
            }
            (Err(error), Ok(old)) => {
                tracing::warn!("the warden stays the one of the program before: {error}");
                ward.warden = Some(old);
            }
            (Err(error), Err(_)) => return Err(error),
        }
        Ok(ward)
    }

    /// What the next program needs to go on. The warden stays in office until then.
    pub(super) fn heritage(&mut self) -> io::Result<Heritage> {
        self.descriptor()?;
        let Some(warden) = &self.warden else { return Err(io::ErrorKind::BrokenPipe.into()) };
        Ok(Heritage {
            warden: warden.pid,
            lines: warden.lines.as_fd().try_clone_to_owned()?,
            processes: self.groups.iter().copied().collect(),
            folders: self.folders.iter().cloned().collect(),
        })
    }

    /// The descriptor over which a child announces its group, of a warden that is started now if
    /// there is none.
    pub(super) fn descriptor(&mut self) -> io::Result<BorrowedFd<'_>> {
        if self.warden.is_none() {
            self.replace()?;
        }
        match &self.warden {
            Some(warden) => Ok(warden.lines.as_fd()),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// The warden in office.
    pub(super) fn pid(&self) -> Option<u32> {
        self.warden.as_ref().map(|warden| warden.pid)
    }

    /// The group that announced itself last runs its program.
    pub(super) fn begun(&mut self, group: u32) {
        self.groups.insert(group);
        self.tell(b"=\n");
    }

    /// The child that was started last has not become a program.
    pub(super) fn never_ran(&mut self) {
        self.tell(b"!\n");
    }

    /// The group is dead, and its leader is about to be reaped.
    pub(super) fn ended(&mut self, group: u32) {
        if self.groups.remove(&group) {
            self.tell(format!("-{group}\n").as_bytes());
        }
    }

    /// Lets the folder go when replug does. A path that is no line by itself is passed over.
    pub(super) fn remove_on_death(&mut self, folder: PathBuf) {
        if !folder.as_os_str().as_bytes().contains(&b'\n') {
            self.tell(&folder_line(&folder));
            self.folders.insert(folder);
        }
    }

    /// Resolves when there has to be another warden; [`Ward::replace`] is to be called then.
    /// Dropping the future loses nothing.
    pub(super) async fn gone(&self) {
        match (&self.warden, self.due) {
            (Some(warden), _) => warden.exit.ended().await,
            (None, Some(due)) => sleep_until(due).await,
            (None, None) => future::pending().await,
        }
    }

    /// Ends the warden in office, if there is one, and starts another that knows all there is to
    /// know; or says when that is to be tried, for a warden that has only just been started.
    pub(super) fn replace(&mut self) -> io::Result<()> {
        self.due = Some(Instant::now() + SHORTEST_LIFE);
        if let Some(old) = self.warden.take() {
            let life = old.since.elapsed();
            old.kill();
            tracing::warn!(lived = ?life, "the warden has ended and is replaced");
            if life < SHORTEST_LIFE {
                return Ok(());
            }
        }
        self.warden = Some(Warden::start(&self.command, &self.all())?);
        self.due = None;
        Ok(())
    }

    /// All there is to know, in lines.
    fn all(&self) -> Vec<u8> {
        let mut all = self.standing_orders.clone();
        for group in &self.groups {
            all.extend_from_slice(format!("+{group}\n=\n").as_bytes());
        }
        for folder in &self.folders {
            all.extend(folder_line(folder));
        }
        all
    }

    /// Lets the warden end and waits until it has.
    pub(super) async fn dismiss(mut self) {
        if let Some(warden) = self.warden.take() {
            let Warden { pid, exit, lines, .. } = warden;
            drop(lines);
            if timeout(LEAVE, exit.ended()).await.is_err() {
                kill_one(pid);
            }
            reap(pid);
        }
    }

    /// Says `line` to the warden. One that does not take it is stuck or gone, and is killed; its
    /// exit brings the next, which learns everything anew.
    fn tell(&mut self, line: &[u8]) {
        if let Some(warden) = &mut self.warden
            && warden.lines.write_all(line).is_err()
        {
            kill_one(warden.pid);
        }
    }
}

impl Drop for Ward {
    /// Reached with a warden only where the spawner's thread panics: the warden must not outlive
    /// it as a zombie, and does its work because its input ends.
    fn drop(&mut self) {
        if let Some(Warden { pid, lines, .. }) = self.warden.take() {
            drop(lines);
            reap(pid);
        }
    }
}

// === impl Warden ===

impl Warden {
    /// Starts a warden that reads `knows` before anything else.
    fn start(command: &WardenCommand, knows: &[u8]) -> io::Result<Self> {
        let (mut lines, input) = UnixStream::pair()?;
        let mut start = Command::new(&command.program);
        start.arg0(WARDEN_NAME).args(&command.args);
        start.stdin(OwnedFd::from(input)).stdout(Stdio::null()).stderr(Stdio::null());
        pre_exec::warden(&mut start);
        let pid = start.spawn()?.id();
        // The command still holds the warden's own end of the socket.
        drop(start);
        match Self::brief(pid, &mut lines, knows) {
            Ok(exit) => Ok(Self { pid, exit, lines, since: Instant::now() }),
            Err(error) => {
                kill_one(pid);
                reap(pid);
                Err(error)
            }
        }
    }

    /// Tells a fresh warden what it has to know, and what tells of its exit.
    fn brief(warden: u32, lines: &mut UnixStream, knows: &[u8]) -> io::Result<Pidfd> {
        // Blocking here, and not later: it reads while it is told, however much that is.
        lines.write_all(knows)?;
        lines.set_nonblocking(true)?;
        Pidfd::of(warden)
    }

    /// Ends it and leaves no zombie.
    fn kill(self) {
        kill_one(self.pid);
        reap(self.pid);
    }
}

/// Kills a child that is not reaped yet. One that has ended already is as it should be.
fn kill_one(pid: u32) {
    if let Ok(pid) = i32::try_from(pid) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

fn folder_line(folder: &Path) -> Vec<u8> {
    [b"~", folder.as_os_str().as_bytes(), b"\n"].concat()
}
