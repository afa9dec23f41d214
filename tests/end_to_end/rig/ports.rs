//! Ports that a program is told to listen on.

use std::net::{Ipv4Addr, SocketAddr};

use crate::servers::free_port;

/// Ports that nobody else is given while the tests run. daprd takes no port 0, so they cannot be found
/// by it.
pub(crate) struct Ports {
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    pub(crate) metrics: SocketAddr,
    pub(crate) app: SocketAddr,
}

impl Ports {
    pub(crate) fn free() -> Self {
        let free = |()| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let [http, grpc, metrics, app] = [(); 4].map(free);
        Self { http, grpc, metrics, app }
    }
}
