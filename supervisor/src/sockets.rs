//! The folders in which plugins make their sockets: watched, looked through, and made.
//!
//! [`SocketWatch`] tells which sockets are in a folder and how that changes; [`RunFolder`] makes the
//! private folder that each generation of a declared plugin gets. This module knows paths and
//! files; it connects to nothing and knows no plugin's state.

pub(crate) mod bell;
mod folder;
mod private;
mod scan;

use std::io;
use std::path::{Path, PathBuf};

pub use self::bell::SocketWatch;
pub use self::folder::{Folder, FolderEvent};
pub use self::private::{Place, PrivateFolder, RunFolder, RunFolderError};
pub use self::scan::Refusal;

/// The name part of the component types that a socket serves: the file's name without its last
/// extension, in lower case. None where nothing is left, or where it is not UTF-8.
#[must_use]
pub fn type_name(socket: &Path) -> Option<String> {
    let file = socket.file_name()?.to_str()?;
    let name = file.rsplit_once('.').map_or(file, |(name, _)| name);
    (!name.is_empty()).then(|| name.to_lowercase())
}

/// Why a folder cannot be watched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// replug's user may not have one more inotify instance.
    #[error(
        "no inotify instance is left for replug's user: raise fs.inotify.max_user_instances (in a \
         user namespace, user.max_inotify_instances too), or end programs that watch files"
    )]
    NoInstance,
    /// replug's user may not watch one more folder.
    #[error(
        "no inotify watch is left for {}: raise fs.inotify.max_user_watches (in a user namespace, \
         user.max_inotify_watches too)", .folder.display()
    )]
    NoWatch {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder is not there, and was not to be made or could not be.
    #[error("the socket folder {} does not exist: {why}", .folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// Why it was not made.
        why: String,
    },
    /// There is something else of that name.
    #[error("{} is no folder, and is to be one for sockets", .path.display())]
    NoFolder {
        /// What is there.
        path: PathBuf,
    },
    /// Anything else.
    #[error("the socket folder {} cannot be watched: {reason}", .folder.display())]
    Other {
        /// The folder.
        folder: PathBuf,
        /// The system's words.
        reason: String,
    },
}

impl WatchError {
    /// Whether it is the machine's limits that are reached: the folder is as it should be, and may
    /// be watched later.
    pub(crate) fn is_limit(&self) -> bool {
        matches!(self, Self::NoInstance | Self::NoWatch { .. })
    }

    fn from_notify(folder: &Path, error: &notify::Error) -> Self {
        let folder = folder.to_owned();
        match &error.kind {
            notify::ErrorKind::MaxFilesWatch => Self::NoWatch { folder },
            notify::ErrorKind::PathNotFound => Self::Missing { folder, why: "gone".into() },
            notify::ErrorKind::Io(cause) if cause.kind() == io::ErrorKind::NotFound => {
                Self::Missing { folder, why: "gone".into() }
            }
            notify::ErrorKind::Io(cause)
                if cause.raw_os_error() == Some(nix::errno::Errno::EMFILE as i32) =>
            {
                Self::NoInstance
            }
            notify::ErrorKind::Io(cause) => Self::Other { folder, reason: cause.to_string() },
            _ => Self::Other { folder, reason: error.to_string() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_name_is_the_file_name_without_its_last_extension_in_lower_case() {
        let name = |path: &str| type_name(Path::new(path));
        assert_eq!(name("/s/pg-State.sock").as_deref(), Some("pg-state"));
        assert_eq!(name("/s/a.b.sock").as_deref(), Some("a.b"));
        assert_eq!(name("/s/plain").as_deref(), Some("plain"));
        assert_eq!(name("/s/.sock"), None);
        assert_eq!(name("/"), None);
    }
}
