//! Ports that a program is told to listen on.

use std::net::{SocketAddr, TcpListener};

/// Ports that nobody listened on a moment ago. daprd takes no port 0, so they cannot be found by it.
pub(crate) struct Ports {
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    pub(crate) metrics: SocketAddr,
    pub(crate) app: SocketAddr,
}

impl Ports {
    pub(crate) fn free() -> Self {
        // Held together, so that no two are the same.
        let held = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [http, grpc, metrics, app] = held.map(|held| held.local_addr().unwrap());
        Self { http, grpc, metrics, app }
    }
}
