//! Where the APIs listen: TCP addresses and Unix sockets.
//!
//! Binding is apart from serving, so that everything that is in the way of a start is known before
//! anything is started. A socket that somebody else has bound and passed on is as good as one that
//! is bound here.

mod given;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};

pub(super) use self::given::Pool;
pub use self::given::{Given, GivenBy};
use crate::QuietUnixStream;

/// What an address of a Unix socket begins with.
const UNIX: &str = "unix:";

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// `HOST:PORT`. An empty host is every interface; port 0 is one that is free.
    Tcp(String),
    /// `unix:/PATH`.
    Unix(PathBuf),
}

/// Why a text is no address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no address to listen on: write HOST:PORT, such as `127.0.0.1:3500`, or unix:/PATH"
)]
pub struct ListenAddressError(String);

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ListenAddressError(text.to_owned());
        if let Some(path) = text.strip_prefix(UNIX) {
            // `unix:///path` is the same in URL form.
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.starts_with('/') { Ok(Self::Unix(path.into())) } else { Err(wrong()) };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        port.parse::<u16>().map_err(|_| wrong())?;
        let host = if host.is_empty() { "0.0.0.0" } else { host };
        Ok(Self::Tcp(format!("{host}:{port}")))
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address.to_string())
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for {purpose}: {cause}")]
pub struct BindError {
    /// What is to be served there.
    pub purpose: &'static str,
    /// The address.
    pub address: ListenAddress,
    /// What is in the way.
    #[source]
    pub cause: BindCause,
}

/// What is in the way of listening.
#[derive(Debug, thiserror::Error)]
pub enum BindCause {
    /// Another process listens on the port.
    #[error("the port is in use")]
    PortInUse,
    /// Another process listens on the socket.
    #[error("a process that runs listens on this socket")]
    SocketInUse,
    /// There is a file of this name that is no socket.
    #[error("the file is there and is no socket")]
    NotASocket,
    /// Anything else.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Every address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct BindErrors(pub Vec<BindError>);

/// A bound address. Connections queue up from now on. Dropping it ends that, and takes away the
/// file of a Unix socket that was bound here.
#[derive(Debug)]
pub(super) struct Listener {
    socket: Socket,
    /// The address as it is, the port found.
    address: ListenAddress,
    /// By whom the socket is given to the next program.
    origin: GivenBy,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        /// Goes with the listener. None where the file is somebody else's.
        _file: Option<SocketFile>,
    },
}

/// A connection, of either kind.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

// === impl Listener ===

impl Listener {
    /// Binds `address`. A socket file whose process is gone is replaced.
    pub(super) async fn bind(
        purpose: &'static str,
        address: &ListenAddress,
    ) -> Result<Self, BindError> {
        let bound = match address {
            ListenAddress::Tcp(address) => bind_tcp(address).await,
            ListenAddress::Unix(path) => bind_unix(path).await,
        };
        match bound {
            Ok((socket, bound)) => {
                let origin =
                    GivenBy::Predecessor { purpose: purpose.to_owned(), wanted: address.clone() };
                Ok(Self { socket, address: bound, origin })
            }
            Err(cause) => Err(BindError { purpose, address: address.clone(), cause }),
        }
    }

    pub(super) fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// The next connection. Dropping the future loses none.
    pub(super) async fn accept(&self) -> io::Result<Box<dyn Io>> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Answers are small and wait for nothing.
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Socket::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                Ok(Box::new(QuietUnixStream::new(stream)?))
            }
        }
    }
}

async fn bind_tcp(address: &str) -> Result<(Socket, ListenAddress), BindCause> {
    let listener = TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => BindCause::PortInUse,
        _ => error.into(),
    })?;
    let bound: SocketAddr = listener.local_addr()?;
    Ok((Socket::Tcp(listener), ListenAddress::Tcp(bound.to_string())))
}

async fn bind_unix(path: &Path) -> Result<(Socket, ListenAddress), BindCause> {
    match tokio::fs::symlink_metadata(path).await {
        Ok(there) if !there.file_type().is_socket() => return Err(BindCause::NotASocket),
        Ok(_) => match UnixStream::connect(path).await {
            Ok(_) => return Err(BindCause::SocketInUse),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                tokio::fs::remove_file(path).await?;
            }
            Err(error) => return Err(error.into()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    let listener = UnixListener::bind(path)?;
    let socket = Socket::Unix { listener, _file: Some(SocketFile::of(path)?) };
    Ok((socket, ListenAddress::Unix(path.to_owned())))
}

/// The file of a bound Unix socket; removed when dropped, unless somebody replaced it meanwhile.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), inode: std::fs::symlink_metadata(path)?.ino() })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let still_ours = std::fs::symlink_metadata(&self.path)
            .is_ok_and(|there| there.ino() == self.inode && there.file_type().is_socket());
        if still_ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn bind(address: &str) -> Result<Listener, BindError> {
        Listener::bind("Dapr over gRPC", &address.parse().unwrap()).await
    }

    #[test]
    fn addresses_are_hosts_with_ports_and_socket_paths() {
        let shown = |text: &str| text.parse::<ListenAddress>().map(|a| a.to_string());
        assert_eq!(shown("127.0.0.1:3500").unwrap(), "127.0.0.1:3500");
        assert_eq!(shown("[::1]:3500").unwrap(), "[::1]:3500");
        assert_eq!(shown(":3500").unwrap(), "0.0.0.0:3500");
        assert_eq!(shown("unix:/run/a.sock").unwrap(), "unix:/run/a.sock");
        assert_eq!(shown("unix:///run/a.sock").unwrap(), "unix:/run/a.sock");
        for wrong in ["", "3500", "localhost", "localhost:http", "unix:a.sock", "host:70000"] {
            assert!(shown(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_port_in_use_is_named() {
        let first = bind("127.0.0.1:0").await.unwrap();
        let address = first.address().to_string();
        let error = bind(&address).await.unwrap_err();
        assert!(matches!(error.cause, BindCause::PortInUse));
        assert_eq!(
            error.to_string(),
            format!("cannot listen on {address} for Dapr over gRPC: the port is in use")
        );
    }

    #[tokio::test]
    async fn a_socket_of_a_dead_process_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.sock");
        let address = format!("unix:{}", path.display());
        // A listener of the standard library leaves its file behind, as a killed process does.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());

        let live = bind(&address).await.unwrap();
        let error = bind(&address).await.unwrap_err();
        assert!(matches!(error.cause, BindCause::SocketInUse), "{error}");
        drop(live);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("precious");
        std::fs::write(&path, "data").unwrap();
        let error = bind(&format!("unix:{}", path.display())).await.unwrap_err();
        assert!(matches!(error.cause, BindCause::NotASocket), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"data");
    }
}
