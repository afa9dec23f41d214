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
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::pidfd::Pidfd;
use super::pre_exec;
use super::warden::{WARDEN_NAME, WardenCommand};

/// A warden that ended sooner than this after its start is not replaced sooner than this after
/// its end, so that one that cannot run does not become a loop.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);

/// How long a warden that was dismissed may take for its leave before it is killed.
const LEAVE: Duration = Duration::from_secs(1);

/// The warden in office and what it has to know.
pub(super) struct Ward {
    command: WardenCommand,
    warden: Option<Warden>,
    /// When the next one is started, while there is none.
    due: Option<Instant>,
    groups: BTreeSet<u32>,
    folders: BTreeSet<PathBuf>,
}

struct Warden {
    child: Child,
    exit: Pidfd,
    lines: UnixStream,
    since: Instant,
}

impl Ward {
    /// Starts the first warden.
    pub(super) fn start(command: WardenCommand) -> io::Result<Self> {
        let mut ward = Self {
            command,
            warden: None,
            due: None,
            groups: BTreeSet::new(),
            folders: BTreeSet::new(),
        };
        ward.replace()?;
        Ok(ward)
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

    /// Whether the process is the warden in office.
    pub(super) fn is_warden(&self, pid: u32) -> bool {
        self.warden.as_ref().is_some_and(|warden| warden.child.id() == pid)
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
        let mut knows = Vec::new();
        for group in &self.groups {
            knows.extend_from_slice(format!("+{group}\n=\n").as_bytes());
        }
        for folder in &self.folders {
            knows.extend(folder_line(folder));
        }
        self.warden = Some(Warden::start(&self.command, &knows)?);
        self.due = None;
        Ok(())
    }

    /// Lets the warden end and waits until it has.
    pub(super) async fn dismiss(mut self) {
        if let Some(warden) = self.warden.take() {
            let Warden { mut child, exit, lines, .. } = warden;
            drop(lines);
            if timeout(LEAVE, exit.ended()).await.is_err() {
                // It is unreaped, so the number is its own.
                let _ = child.kill();
            }
            let _ = child.wait();
        }
    }

    /// Says `line` to the warden. One that does not take it is stuck or gone, and is killed; its
    /// exit brings the next, which learns everything anew.
    fn tell(&mut self, line: &[u8]) {
        if let Some(warden) = &mut self.warden
            && warden.lines.write_all(line).is_err()
        {
            let _ = warden.child.kill();
        }
    }
}

impl Drop for Ward {
    /// Reached with a warden only where the spawner's thread panics: the warden must not outlive
    /// it as a zombie, and does its work because its input ends.
    fn drop(&mut self) {
        if let Some(Warden { mut child, lines, .. }) = self.warden.take() {
            drop(lines);
            let _ = child.wait();
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
        let mut child = start.spawn()?;
        // The command still holds the warden's own end of the socket.
        drop(start);
        match Self::brief(&child, &mut lines, knows) {
            Ok(exit) => Ok(Self { child, exit, lines, since: Instant::now() }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// Tells a fresh warden what it has to know, and what tells of its exit.
    fn brief(child: &Child, lines: &mut UnixStream, knows: &[u8]) -> io::Result<Pidfd> {
        // Blocking here, and not later: it reads while it is told, however much that is.
        lines.write_all(knows)?;
        lines.set_nonblocking(true)?;
        Pidfd::of(child)
    }

    /// Ends it and leaves no zombie.
    fn kill(mut self) {
        // Unreaped, so its number is its own.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn folder_line(folder: &Path) -> Vec<u8> {
    [b"~", folder.as_os_str().as_bytes(), b"\n"].concat()
}
