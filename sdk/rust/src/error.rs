//! Why a plugin cannot serve.

use std::io;
use std::path::PathBuf;

/// Why a plugin cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name cannot be the name of a socket file.
    #[error("`{0}` is no name for a plugin: it names the socket file, so no `/` and not nothing")]
    Name(String),
    /// Neither [`state`](crate::Plugin::state) nor [`hello`](crate::Plugin::hello) was given.
    #[error("plugin `{0}` serves nothing: give it a component type")]
    NothingToServe(String),
    /// The folder of the socket is not there and cannot be made.
    #[error("cannot make the socket folder {}: {source}", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The operating system takes no socket path of this length.
    #[error(
        "the socket path {} has {bytes} bytes, and {limit} is the most that a Unix socket can \
         have: use a shorter folder or name", .path.display()
    )]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        bytes: usize,
        /// The longest that there can be.
        limit: usize,
    },
    /// There is a file of the socket's name that is no socket. It is left alone.
    #[error("{} is in the way: it is not a socket, so it is left alone", .0.display())]
    InTheWay(PathBuf),
    /// Somebody answers on the socket: another process of this plugin, it seems.
    #[error("somebody serves on {} already", .0.display())]
    InUse(PathBuf),
    /// There is a socket of this name, and whether somebody serves on it cannot be told.
    #[error("cannot tell whether somebody serves on {}: {source}", .path.display())]
    Unclear {
        /// The socket.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The socket cannot be made.
    #[error("cannot listen on {}: {source}", .path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// SIGTERM and SIGINT cannot be caught.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] io::Error),
}
