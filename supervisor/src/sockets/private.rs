//! Private socket folders: one for each generation of a declared plugin, fresh, mode 0700, and gone
//! with it.
//!
//! They lie in a folder that is this replug's alone, under the run folder that several may share.
//! Each replug holds a lock on its own; what is not locked was left by a replug that was killed, and
//! is cleared away.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use tokio::task::spawn_blocking;

/// What the folder of one replug is called, before some letters that are its own.
const OWN: &str = "p-";

/// How many letters these are. Few, because a socket's path is short.
const LETTERS: usize = 6;

/// The longest path of a socket, in bytes: `sun_path` without the NUL byte at its end.
const LONGEST_SOCKET: usize = 107;

/// What Dapr, Layotto and replug call the folder in which a plugin is to make its sockets.
const FOLDER_VARIABLES: [&str; 5] = [
    "REPLUG_SOCKET_FOLDER",
    "DAPR_COMPONENTS_SOCKETS_FOLDER",
    "DAPR_COMPONENT_SOCKETS_FOLDER",
    "DAPR_COMPONENT_SOCKET_FOLDER",
    "LAYOTTO_COMPONENTS_SOCKETS_FOLDER",
];

/// What a plugin with a single socket is told: the socket's whole path.
const FILE_VARIABLE: &str = "DAPR_COMPONENT_SOCKET_PATH";

/// Why a run folder or a private folder cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RunFolderError {
    /// It cannot be made.
    #[error("cannot make {}: {cause}", .folder.display())]
    Make {
        /// The folder.
        folder: PathBuf,
        /// The system's words.
        cause: io::Error,
    },
    /// It cannot be made another user's.
    #[error("cannot give {} to uid {uid}: {cause}", .folder.display())]
    Give {
        /// The folder.
        folder: PathBuf,
        /// The user.
        uid: u32,
        /// The system's words.
        cause: io::Error,
    },
    /// A socket in it would have a path that no socket can have.
    #[error(
        "the socket {} would have a path of {} bytes, and {LONGEST_SOCKET} is the most that a \
         socket can have: choose a shorter run folder or a shorter name for the plugin",
        .socket.display(), .socket.as_os_str().len()
    )]
    TooLong {
        /// The socket.
        socket: PathBuf,
    },
    /// A name that is no file name.
    #[error("`{0}` cannot be part of a file's name")]
    BadName(String),
}

/// Where this replug makes private folders. Removed with all that is in it when dropped.
#[derive(Debug)]
pub struct RunFolder {
    own: PathBuf,
    /// Locked for as long as it is open, which is as long as this process lives.
    lock: File,
}

impl RunFolder {
    /// Makes this replug's own folder under `run_dir`, which is made too if it is missing, and
    /// removes what replugs left there that were killed. Several may use one run folder.
    pub async fn open(run_dir: impl Into<PathBuf>) -> Result<Self, RunFolderError> {
        let run_dir = run_dir.into();
        let folder = run_dir.clone();
        let opened = spawn_blocking(move || Self::open_blocking(&run_dir)).await;
        opened
            .unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()))
            .map_err(|cause| RunFolderError::Make { folder, cause })
    }

    fn open_blocking(run_dir: &Path) -> io::Result<Self> {
        let run_dir = std::path::absolute(run_dir)?;
        if let Some(parent) = run_dir.parent() {
            // The control socket is here, which has a mode of its own.
            DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&run_dir)?;
        // One at a time: a folder that was made and is not locked yet looks like one left behind.
        let turn = File::open(&run_dir)?;
        flock(&turn, FlockOperation::LockExclusive)?;
        clean_stale(&run_dir);
        // Made with mode 0700, whatever the umask.
        let own = tempfile::Builder::new().prefix(OWN).rand_bytes(LETTERS).tempdir_in(&run_dir)?;
        let lock = File::open(own.path())?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self { own: own.keep(), lock })
    }

    /// Goes on with the folder of the program before this one.
    #[must_use]
    pub fn adopt(own: PathBuf, lock: OwnedFd) -> Self {
        Self { own, lock: lock.into() }
    }

    /// The lock for the next program. The folder is locked as long as either has it open.
    pub fn lock(&self) -> io::Result<OwnedFd> {
        Ok(self.lock.try_clone()?.into())
    }

    /// The folder of this replug alone. It should be told to
    /// [`crate::process::Spawner::remove_on_death`].
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.own
    }

    /// How long, in bytes, the path of a socket is that a plugin makes in the life of this name and
    /// calls after itself, where `run_dir` is what [`RunFolder::open`] is told.
    #[must_use]
    pub fn socket_length(run_dir: &Path, plugin: &str, life: &str) -> usize {
        let own = run_dir.join(format!("{OWN}{:LETTERS$}", ""));
        socket_path(&own, plugin, life).as_os_str().len()
    }

    /// Where the private folder of one generation of a plugin is to be, `life` by name. Nothing is
    /// made yet.
    pub fn place(&self, plugin: &str, life: &str) -> Result<Place, RunFolderError> {
        for name in [plugin, life] {
            if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
                return Err(RunFolderError::BadName(name.to_owned()));
            }
        }
        let socket = socket_path(&self.own, plugin, life);
        let path = self.own.join(life);
        if socket.as_os_str().len() > LONGEST_SOCKET {
            return Err(RunFolderError::TooLong { socket });
        }
        Ok(Place { path, socket })
    }
}

/// Where a private folder is, or is to be.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    socket: PathBuf,
}

impl Place {
    /// Makes the folder, and gives it to `user`, if one is named. Blocks for a moment.
    ///
    /// The folders above one that is given away can be passed through by others from then on, though
    /// not looked into.
    pub fn make(self, user: Option<u32>) -> Result<PrivateFolder, RunFolderError> {
        if let Err(cause) = DirBuilder::new().mode(0o700).create(&self.path) {
            return Err(RunFolderError::Make { folder: self.path, cause });
        }
        let made = PrivateFolder { place: self, left: false };
        match user.map(|uid| (uid, give(made.path(), uid))) {
            Some((uid, Err(cause))) => {
                Err(RunFolderError::Give { folder: made.path().to_owned(), uid, cause })
            }
            _ => Ok(made),
        }
    }

    /// The folder, by its whole path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name in the folder of this replug: no two have one at a time.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// The variables that tell a plugin of it, whatever contract it was written for.
    #[must_use]
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        let folder = FOLDER_VARIABLES.map(|name| (name.into(), self.path.clone().into()));
        let file = (FILE_VARIABLE.into(), self.socket.clone().into());
        folder.into_iter().chain([file]).collect()
    }
}

fn socket_path(own: &Path, plugin: &str, life: &str) -> PathBuf {
    own.join(life).join(format!("{plugin}.sock"))
}

impl Drop for RunFolder {
    /// What cannot be removed is left for the next replug's start, or the warden.
    fn drop(&mut self) {
        remove(&self.own);
    }
}

/// The private folder of one generation. Removed with all that is in it when dropped.
#[derive(Debug)]
pub struct PrivateFolder {
    place: Place,
    /// Somebody else goes on with it: it stays.
    left: bool,
}

impl PrivateFolder {
    /// Goes on with the folder of a generation that the program before this one started.
    #[must_use]
    pub fn adopt(path: PathBuf, plugin: &str) -> Self {
        let socket = path.join(format!("{plugin}.sock"));
        Self { place: Place { path, socket }, left: false }
    }

    /// Leaves the folder to somebody else.
    #[must_use]
    pub fn leave(mut self) -> PathBuf {
        self.left = true;
        self.path().to_owned()
    }

    /// The folder, by its whole path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.place.path()
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }
}

impl Drop for PrivateFolder {
    /// A handful of files in memory, as a rule, so it is done where it falls. What cannot be
    /// removed is left for the next replug's start, or the warden.
    fn drop(&mut self) {
        if !self.left {
            remove(self.path());
        }
    }
}

/// Makes `folder` the user's own, and lets it be reached: through the folder of this replug, and
/// those above it that are replug's and closed.
fn give(folder: &Path, uid: u32) -> io::Result<()> {
    /// The folder of this replug, the one of all, and the run folder.
    const ABOVE: usize = 3;
    std::os::unix::fs::chown(folder, Some(uid), None)?;
    let replug = nix::unistd::geteuid().as_raw();
    for above in folder.ancestors().skip(1).take(ABOVE) {
        let found = fs::metadata(above)?;
        let mode = found.permissions().mode() & 0o7777;
        if found.uid() == replug && mode & 0o001 == 0 {
            fs::set_permissions(above, Permissions::from_mode(mode | 0o011))?;
        }
    }
    Ok(())
}

fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(folder = %folder.display(), %error, "cannot remove a socket folder");
    }
}

/// Removes the folders of replugs that are no more: those that nobody has locked.
fn clean_stale(run_dir: &Path) {
    let Ok(entries) = fs::read_dir(run_dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let is_own = entry.file_name().to_str().is_some_and(|name| {
            name.strip_prefix(OWN).is_some_and(|letters| letters.len() == LETTERS)
        });
        if !is_own || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let Ok(folder) = File::open(&path) else { continue };
        if flock(&folder, FlockOperation::NonBlockingLockExclusive).is_err() {
            continue;
        }
        if let Err(error) = fs::remove_dir_all(&path) {
            tracing::warn!(folder = %path.display(), %error, "cannot remove a stale socket folder");
        }
    }
}
