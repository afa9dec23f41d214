//! The question whether somebody takes connections.

use tokio::net::{TcpStream, UnixStream};

use super::Address;

/// Connects, and closes the connection.
pub(super) async fn connects(address: &Address) -> Result<(), String> {
    match address {
        Address::Tcp(address) => TcpStream::connect(address).await.map(drop),
        Address::Unix(path) => UnixStream::connect(path).await.map(drop),
    }
    .map_err(|error| format!("cannot connect: {error}"))
}
