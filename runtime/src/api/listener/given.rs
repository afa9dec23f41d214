//! Sockets that listen already when replug starts, because a service manager opened them or the
//! program that this one follows: which of them serves what.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use tokio::net::{TcpListener, UnixListener};

use super::{ListenAddress, Listener, Socket, SocketFile};

/// A listening socket that was passed to this process.
#[derive(Debug)]
pub struct Given {
    /// By whom, and what for.
    pub by: GivenBy,
    /// The socket.
    pub socket: OwnedFd,
}

/// Who passed a listening socket, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GivenBy {
    /// A service manager, which calls it so. The file of a Unix socket is the manager's.
    Manager {
        /// Its name.
        name: String,
    },
    /// The program that this one follows, which had bound it. The file of a Unix socket is replug's.
    Predecessor {
        /// What was served there.
        purpose: String,
        /// Where it was to be bound.
        wanted: ListenAddress,
    },
}

impl fmt::Display for GivenBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manager { name } => write!(f, "the passed socket `{name}`"),
            Self::Predecessor { purpose, wanted } => {
                write!(f, "the socket of {purpose} on {wanted}")
            }
        }
    }
}

/// Passed sockets that nothing has taken yet.
#[derive(Debug)]
pub(in crate::api) struct Pool(Vec<Listener>);

// === impl Pool ===

impl Pool {
    /// Takes what was passed. What is no listening socket is told of and closed. To be called inside
    /// a runtime.
    pub(in crate::api) fn new(given: Vec<Given>) -> Self {
        let usable = given.into_iter().filter_map(|Given { by, socket }| {
            let listener = Listener::from_descriptor(socket, by.clone());
            listener.inspect_err(|error| tracing::warn!("{by} cannot be listened on: {error}")).ok()
        });
        Self(usable.collect())
    }

    /// The sockets that a service manager calls so.
    pub(in crate::api) fn named(&mut self, wanted: &str) -> Vec<Listener> {
        let is_wanted = |listener: &mut Listener| matches!(&listener.origin, GivenBy::Manager { name } if name == wanted);
        self.0.extract_if(.., is_wanted).collect()
    }

    /// The socket that the program before had bound for this.
    pub(in crate::api) fn bound_for(
        &mut self,
        for_what: &str,
        address: &ListenAddress,
    ) -> Option<Listener> {
        let is_it = |listener: &Listener| {
            matches!(&listener.origin, GivenBy::Predecessor { purpose, wanted }
                if purpose == for_what && wanted == address)
        };
        let place = self.0.iter().position(is_it)?;
        Some(self.0.swap_remove(place))
    }

    /// A socket of a service manager that listens where `address` says.
    pub(in crate::api) fn at(&mut self, address: &ListenAddress) -> Option<Listener> {
        let is_it = |listener: &Listener| {
            matches!(listener.origin, GivenBy::Manager { .. }) && listener.is_at(address)
        };
        let place = self.0.iter().position(is_it)?;
        Some(self.0.swap_remove(place))
    }

    /// Tells of what nothing has taken, and closes it.
    pub(in crate::api) fn close(self) {
        for Listener { address, origin, .. } in self.0 {
            match origin {
                GivenBy::Manager { .. } => tracing::warn!(
                    "{origin} on {address} serves nothing: call it `grpc` or `http`, or let \
                     plugins.toml name its address"
                ),
                GivenBy::Predecessor { purpose, .. } => {
                    tracing::info!("{purpose} is not served on {address} any more");
                }
            }
        }
    }
}

// === impl Listener ===

impl Listener {
    /// A listener on a socket that listens already, of whichever kind it is.
    fn from_descriptor(socket: OwnedFd, origin: GivenBy) -> io::Result<Self> {
        let socket = socket2::Socket::from(socket);
        if !socket.is_listener()? {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it does not listen"));
        }
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        if let Some(address) = address.as_socket() {
            let listener = TcpListener::from_std(socket.into())?;
            let address = ListenAddress::Tcp(address.to_string());
            return Ok(Self { socket: Socket::Tcp(listener), address, origin });
        }
        let Some(path) = address.as_pathname().map(Path::to_owned) else {
            let why = "its address is no TCP address and no path";
            return Err(io::Error::new(io::ErrorKind::Unsupported, why));
        };
        let file = match origin {
            GivenBy::Manager { .. } => None,
            GivenBy::Predecessor { .. } => Some(SocketFile::of(&path)?),
        };
        let listener = UnixListener::from_std(OwnedFd::from(socket).into())?;
        let socket = Socket::Unix { listener, _file: file };
        Ok(Self { socket, address: ListenAddress::Unix(path), origin })
    }

    /// The socket for the next program, open here too.
    pub(in crate::api) fn passed_on(&self) -> io::Result<Given> {
        let socket = match &self.socket {
            Socket::Tcp(listener) => listener.as_fd(),
            Socket::Unix { listener, .. } => listener.as_fd(),
        };
        Ok(Given { by: self.origin.clone(), socket: socket.try_clone_to_owned()? })
    }

    /// Whether it listens where `wanted` says. Every interface of IPv6 includes IPv4's, which is what
    /// service managers open where only a port is named.
    fn is_at(&self, wanted: &ListenAddress) -> bool {
        let (ListenAddress::Tcp(here), ListenAddress::Tcp(wanted)) = (&self.address, wanted) else {
            return self.address == *wanted;
        };
        match (here.parse::<SocketAddr>(), wanted.parse::<SocketAddr>()) {
            (Ok(here), Ok(wanted)) => {
                let every = here.ip().is_unspecified() && wanted.ip().is_unspecified();
                here == wanted || every && here.port() == wanted.port()
            }
            _ => here == wanted,
        }
    }
}
