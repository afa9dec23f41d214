//! Sockets that listen already when replug starts, because a service manager opened them: which of
//! them serves what.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;

use tokio::net::{TcpListener, UnixListener};

use super::{ListenAddress, Listener, Socket};

/// A listening socket that was passed to this process.
#[derive(Debug)]
pub struct Given {
    /// What the service manager calls it.
    pub name: String,
    /// The socket.
    pub socket: OwnedFd,
}

/// Passed sockets that nothing has taken yet.
#[derive(Debug)]
pub(in crate::api) struct Pool(Vec<(String, Listener)>);

// === impl Pool ===

impl Pool {
    /// Takes what was passed. What is no listening socket is told of and closed. To be called inside
    /// a runtime.
    pub(in crate::api) fn new(given: Vec<Given>) -> Self {
        let usable =
            given.into_iter().filter_map(|Given { name, socket }| match Listener::from_descriptor(
                socket,
            ) {
                Ok(listener) => Some((name, listener)),
                Err(error) => {
                    tracing::warn!("the passed socket `{name}` cannot be listened on: {error}");
                    None
                }
            });
        Self(usable.collect())
    }

    /// The sockets of that name.
    pub(in crate::api) fn named(&mut self, wanted: &str) -> Vec<Listener> {
        self.0.extract_if(.., |(name, _)| name == wanted).map(|(_, listener)| listener).collect()
    }

    /// A socket that listens where `address` says.
    pub(in crate::api) fn at(&mut self, address: &ListenAddress) -> Option<Listener> {
        let place = self.0.iter().position(|(_, listener)| listener.is_at(address))?;
        Some(self.0.swap_remove(place).1)
    }

    /// Tells of what nothing has taken, and closes it.
    pub(in crate::api) fn close(self) {
        for (name, listener) in self.0 {
            tracing::warn!(
                "the passed socket `{name}` on {} serves nothing: call it `grpc` or `http`, or let \
                 plugins.toml name its address",
                listener.address
            );
        }
    }
}

// === impl Listener ===

impl Listener {
    /// A listener on a socket that listens already, of whichever kind it is.
    fn from_descriptor(socket: OwnedFd) -> io::Result<Self> {
        let socket = socket2::Socket::from(socket);
        if !socket.is_listener()? {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it does not listen"));
        }
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let path = address.as_pathname().map(Path::to_owned);
        match (address.as_socket(), path) {
            (Some(address), _) => Ok(Self {
                socket: Socket::Tcp(TcpListener::from_std(socket.into())?),
                address: ListenAddress::Tcp(address.to_string()),
            }),
            (None, Some(path)) => Ok(Self {
                socket: Socket::Unix {
                    listener: UnixListener::from_std(OwnedFd::from(socket).into())?,
                    _file: None,
                },
                address: ListenAddress::Unix(path),
            }),
            (None, None) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "its address is no TCP address and no path",
            )),
        }
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
