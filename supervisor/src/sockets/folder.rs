//! One folder that is watched: looks through it when its bell rings, and tells what changed.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::future;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until};

use super::WatchError;
use super::bell::{Bell, SocketWatch, Watched};
use super::scan::{Difference, Identity, Look, Refusal, Scope, look};
use crate::restart::{Delays, look_backoff};

/// A look through the folder is repeated when the folder was replaced meanwhile; so often, before
/// the bell has to ring once more.
const REPLACEMENTS: usize = 8;

/// What happened in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FolderEvent {
    /// A socket is there. It may take a moment until somebody accepts on it.
    Appeared(PathBuf),
    /// A socket that had appeared is gone, or is about to appear anew.
    Removed(PathBuf),
    /// There is something that is not taken for a plugin's socket; said once.
    Refused {
        /// What: a file, or the folder itself.
        path: PathBuf,
        /// Why.
        reason: Refusal,
    },
    /// The folder itself is gone; its sockets were said to be removed before. Nothing more comes
    /// from a private folder. A shared one is made again, or waited for.
    Gone,
}

/// A folder that is watched for sockets until this is dropped.
///
/// What is in it at the beginning is told as what comes later: each socket that is there is told
/// once, whenever it came.
#[derive(Debug)]
pub struct Folder {
    seat: Arc<Seat>,
    bell: Arc<Bell>,
    /// What has been told, or waits in `events`.
    known: Look,
    attached: Option<Attached>,
    /// Runs to its end even if nobody waits; aborting it would do nothing.
    looking: Option<JoinHandle<(Attached, Look)>>,
    events: VecDeque<FolderEvent>,
    /// When to look again where the kernel does not tell, and how long after that.
    look_at: Option<Instant>,
    delays: Delays,
    /// Whether the folder itself is there, as far as has been told.
    here: bool,
    /// Whether nothing more comes.
    over: bool,
}

/// What is watched, and with what.
#[derive(Debug)]
struct Seat {
    watch: SocketWatch,
    path: PathBuf,
    scope: Scope,
}

/// What the bell hangs on at present.
#[derive(Debug)]
struct Attached {
    /// The folder, or the nearest folder above it that is there.
    watched: Option<Watched>,
    /// Which folder it is; none while it is one above.
    folder: Option<Identity>,
    /// Why the bell hangs nowhere, where the machine's limits are reached: then nothing rings it.
    unwatched: Option<WatchError>,
}

impl SocketWatch {
    /// Watches a folder that replug made for one plugin: whatever socket is in it counts.
    pub async fn watch_private(&self, folder: impl Into<PathBuf>) -> Result<Folder, WatchError> {
        self.sit(folder.into(), Scope::Private).await
    }

    /// Watches a folder into which others put sockets. One that is missing is made, with mode 0700,
    /// if the folder above it is there. Sockets of users other than replug's own and root are
    /// refused.
    pub async fn watch_shared(&self, folder: impl Into<PathBuf>) -> Result<Folder, WatchError> {
        self.sit(folder.into(), Scope::Shared).await
    }

    /// Watches one path for a socket, in a folder that has to be there. Other files of the folder
    /// are not looked at.
    pub async fn watch_file(&self, socket: impl AsRef<Path>) -> Result<Folder, WatchError> {
        self.watch_file_of(socket, None).await
    }

    /// As [`Self::watch_file`], where the socket may be that user's, besides replug's own and root's.
    pub async fn watch_file_of(
        &self,
        socket: impl AsRef<Path>,
        user: Option<u32>,
    ) -> Result<Folder, WatchError> {
        let socket = socket.as_ref();
        match (socket.parent(), socket.file_name()) {
            (Some(folder), Some(name)) => {
                self.sit(folder.to_owned(), Scope::File { name: name.to_owned(), user }).await
            }
            _ => Err(WatchError::Other {
                folder: socket.to_owned(),
                reason: "not the path of a file".into(),
            }),
        }
    }

    async fn sit(&self, path: PathBuf, scope: Scope) -> Result<Folder, WatchError> {
        let (watch, folder) = (self.clone(), path.clone());
        let seated = spawn_blocking(move || watch.sit_down(&folder, scope)).await;
        seated.unwrap_or_else(|error| {
            Err(WatchError::Other { folder: path, reason: error.to_string() })
        })
    }

    fn sit_down(&self, path: &Path, scope: Scope) -> Result<Folder, WatchError> {
        // A relative path would change its meaning with the working directory, and an empty one,
        // the parent of a bare file name, has none.
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let path = std::path::absolute(path).map_err(|error| WatchError::Other {
            folder: path.to_owned(),
            reason: error.to_string(),
        })?;
        let seat = Arc::new(Seat { watch: self.clone(), path, scope });
        let bell = Arc::new(Bell::default());
        seat.make()?;
        let attached = seat.hang(&bell)?;
        bell.ring();
        Ok(Folder {
            seat,
            bell,
            known: Look::default(),
            attached: Some(attached),
            looking: None,
            events: VecDeque::new(),
            look_at: None,
            delays: look_backoff(),
            here: true,
            over: false,
        })
    }
}

// === impl Folder ===

impl Folder {
    /// The folder, by its whole path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.seat.path
    }

    /// Ends the watch now. Blocks for a moment, which dropping does not.
    pub(crate) fn end(self) {
        if let Some(watched) = self.attached.and_then(|attached| attached.watched) {
            watched.end();
        }
    }

    /// Waits for the next thing to happen. Dropping the future loses nothing.
    pub async fn next(&mut self) -> FolderEvent {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            if self.over {
                future::pending::<()>().await;
            }
            if let Some(looking) = &mut self.looking {
                let looked = looking.await;
                self.looking = None;
                match looked {
                    Ok((attached, look)) => self.take_in(attached, look),
                    // Only when the runtime is ending, and this with it.
                    Err(_) => self.over = true,
                }
            } else {
                self.rings().await;
                let (seat, bell) = (self.seat.clone(), self.bell.clone());
                let attached = self.attached.take();
                self.looking = Some(spawn_blocking(move || seat.look_again(attached, &bell)));
            }
        }
    }

    /// Waits until it is time for another look. Dropping the future loses nothing.
    async fn rings(&mut self) {
        let blind = self.attached.as_ref().is_some_and(|it| it.unwatched.is_some());
        if !blind {
            self.bell.heard().await;
            return;
        }
        let at = *self.look_at.get_or_insert_with(|| Instant::now() + self.delays.next());
        tokio::select! {
            () = self.bell.heard() => {}
            () = sleep_until(at) => {}
        }
        self.look_at = None;
    }

    fn take_in(&mut self, attached: Attached, look: Look) {
        let path = |name: &OsStr| self.seat.path.join(name);
        let told = self.known.differences(&look).into_iter().map(|difference| match difference {
            Difference::Removed(name) => FolderEvent::Removed(path(&name)),
            Difference::Appeared(name) => FolderEvent::Appeared(path(&name)),
            Difference::Refused(name, reason) => FolderEvent::Refused { path: path(&name), reason },
        });
        self.events.extend(told);
        if let Some(reason) = &look.complaint
            && look.complaint != self.known.complaint
        {
            let (path, reason) = (self.seat.path.clone(), reason.clone());
            self.events.push_back(FolderEvent::Refused { path, reason });
        }
        let is_here = look.folder.is_some() || look.complaint.is_some();
        if self.here && !is_here {
            self.events.push_back(FolderEvent::Gone);
            self.over = self.seat.scope == Scope::Private;
        }
        self.here = is_here;
        if !self.events.is_empty() || attached.unwatched.is_none() {
            // What happens next, happens soon.
            self.delays = look_backoff();
        }
        self.attached = Some(attached);
        self.known = look;
    }
}

// === impl Seat ===

impl Seat {
    /// Makes a shared folder that is missing.
    fn make(&self) -> Result<(), WatchError> {
        if self.scope != Scope::Shared {
            return Ok(());
        }
        match DirBuilder::new().mode(0o700).create(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => {
                Err(WatchError::Missing { folder: self.path.clone(), why: error.to_string() })
            }
            Ok(()) => Ok(()),
        }
    }

    /// Hangs the bell on the folder.
    fn hang(&self, bell: &Arc<Bell>) -> Result<Attached, WatchError> {
        match fs::metadata(&self.path) {
            Ok(found) if !found.is_dir() => Err(WatchError::NoFolder { path: self.path.clone() }),
            Ok(found) => {
                // Taken before the watch: a folder that is replaced in between is noticed.
                let folder = Some(Identity::of(&found));
                match self.watch.add(&self.path, bell.clone()) {
                    Ok(watched) => Ok(Attached { watched: Some(watched), folder, unwatched: None }),
                    Err(limit) if limit.is_limit() => {
                        Ok(Attached { watched: None, folder, unwatched: Some(limit) })
                    }
                    Err(error) => Err(error),
                }
            }
            Err(error) => {
                Err(WatchError::Missing { folder: self.path.clone(), why: error.to_string() })
            }
        }
    }

    /// Hangs the bell on the nearest folder above that is there, so that it rings when something
    /// happens on the way down.
    fn hang_above(&self, bell: &Arc<Bell>) -> Attached {
        let mut unwatched = None;
        for above in self.path.ancestors().skip(1) {
            match self.watch.add(above, bell.clone()) {
                Ok(watched) => {
                    return Attached { watched: Some(watched), folder: None, unwatched: None };
                }
                Err(error) => unwatched = Some(error),
            }
        }
        Attached { watched: None, folder: None, unwatched }
    }

    /// Looks through the folder. If it is not the one that the bell hangs on, or its watch may be
    /// lost, the bell is hung on it first: what appears after the look always rings it.
    fn look_again(&self, attached: Option<Attached>, bell: &Arc<Bell>) -> (Attached, Look) {
        let none = Attached { watched: None, folder: None, unwatched: None };
        let mut attached = attached.unwrap_or(none);
        // A limit may have been raised, or a watch become free; if so, what came before is seen below.
        if attached.unwatched.is_some()
            && let Ok(again) = self.hang(bell)
        {
            attached = again;
        }
        let mut seen = look(&self.path, &self.scope);
        for _ in 0..REPLACEMENTS {
            let in_place = attached.folder.is_some() && attached.folder == seen.folder;
            if (in_place && !bell.take_lost()) || self.scope == Scope::Private {
                break;
            }
            if let Some(old) = attached.watched.take() {
                old.end();
            }
            // Failing leaves the folder missing, which the next lines meet.
            let _ = self.make();
            let hung = self.hang(bell);
            let failed = hung.as_ref().err().map(ToString::to_string);
            let missing = matches!(hung, Err(WatchError::Missing { .. }));
            attached = hung.unwrap_or_else(|_| self.hang_above(bell));
            seen = look(&self.path, &self.scope);
            match (failed, &seen.folder) {
                (Some(_), None) if missing => break,
                (Some(reason), _) if !missing => {
                    seen.complaint = Some(Refusal::Unreadable(reason));
                    break;
                }
                _ => {}
            }
        }
        if let (Some(limit), Some(_), None) = (&attached.unwatched, &seen.folder, &seen.complaint) {
            seen.complaint = Some(Refusal::Unwatched(limit.to_string()));
        }
        (attached, seen)
    }
}
