//! The socket file: made in one step, and removed at the end.
//!
//! The runtime dials as soon as it sees the file, so the file may not be there before somebody
//! listens. The socket is therefore made in a folder of its own, which watchers of sockets pass
//! over, and linked to its name when it is ready. A link takes no name that is taken: of two
//! processes that start at once, one gets it.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use crate::Error;

/// `sun_path` of `sockaddr_un` has 108 bytes on Linux, the last of them zero.
const PATH_LIMIT: usize = 107;

/// The name of the socket in the folder in which it is made. With that folder's name of
/// [`NURSERY_PREFIX`] and [`NURSERY_RANDOM`] it is no longer than `a.sock`, so whatever final path
/// fits, this one does.
const NEWBORN: &str = "s";
const NURSERY_PREFIX: &str = ".";
const NURSERY_RANDOM: usize = 3;

/// A socket that was made at `path`, and its file.
///
/// The calls on the folder are made right here, not on threads for blocking calls: they are few, as
/// short as the bind among them, and a plugin's start does not wait for threads. A caller that gives
/// up leaves no half-made socket behind.
pub(crate) async fn listen(path: PathBuf) -> Result<(UnixListener, SocketFile), Error> {
    let bytes = path.as_os_str().as_bytes().len();
    if bytes > PATH_LIMIT {
        return Err(Error::PathTooLong { path, bytes, limit: PATH_LIMIT });
    }
    let folder = path.parent().unwrap_or(Path::new(".")).to_path_buf();
    if let Err(source) = fs::create_dir_all(&folder) {
        return Err(Error::Folder { folder, source });
    }
    remove_stale(&path).await?;

    let listening = make(&folder, &path).and_then(|(listener, file)| {
        listener.set_nonblocking(true)?;
        Ok((UnixListener::from_std(listener)?, file))
    });
    listening.map_err(|source| match source.kind() {
        ErrorKind::AlreadyExists => Error::InUse(path),
        _ => Error::Listen { path, source },
    })
}

/// Removes a socket that nobody listens on; fails on anything else of that name.
async fn remove_stale(path: &Path) -> Result<(), Error> {
    let unclear = |source| Error::Unclear { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unclear(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(Error::InTheWay(path.to_owned()));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Ok(_) => return Err(Error::InUse(path.to_owned())),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        // Somebody listens and does not keep up.
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            return Err(Error::InUse(path.to_owned()));
        }
        Err(error) => return Err(unclear(error)),
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(unclear(error)),
        _ => Ok(()),
    }
}

/// Listens in a folder of its own inside `folder`, then links the socket to `path`.
fn make(folder: &Path, path: &Path) -> io::Result<(StdListener, SocketFile)> {
    let nursery = tempfile::Builder::new()
        .prefix(NURSERY_PREFIX)
        .rand_bytes(NURSERY_RANDOM)
        .tempdir_in(folder)?;
    let newborn = nursery.path().join(NEWBORN);
    let listener = StdListener::bind(&newborn)?;
    fs::hard_link(&newborn, path)?;
    let file = SocketFile { identity: identity(&newborn)?, path: path.to_owned() };
    Ok((listener, file))
}

/// The file of a socket. Dropped, it is removed, unless its name belongs to another socket by now.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

impl Drop for SocketFile {
    /// Two calls on a folder that holds sockets and nothing else: short enough for any thread.
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!("cannot remove the socket {}: {error}", self.path.display());
        }
    }
}
