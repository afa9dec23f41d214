//! A plugin under test: it serves on a socket of its own until the test ends.

// Every test is a crate of its own and uses its part of this.
#![allow(dead_code, unused_imports)]

mod shelf;

use std::path::{Path, PathBuf};

use replug_sdk::{Error, Plugin};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::Request;
use tonic::transport::{Channel, Endpoint};

pub use shelf::{GreeterType, ShelfType};

/// A plugin that serves.
pub struct Serving {
    pub socket: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<Result<(), Error>>,
    _folder: TempDir,
}

impl Serving {
    /// Starts `plugin` on a socket in a folder of its own.
    pub fn start(plugin: Plugin) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("shelf.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(plugin.serve_on(listener, async {
            let _ = stopped.await;
        }));
        Self { socket, stop: Some(stop), ended, _folder: folder }
    }

    /// A new connection.
    pub async fn channel(&self) -> Channel {
        connect(&self.socket).await.unwrap()
    }

    /// Asks it to stop.
    pub fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    /// Waits until it has.
    pub async fn ended(self) {
        self.ended.await.unwrap().unwrap();
    }
}

/// A connection to a socket.
pub async fn connect(socket: &Path) -> Result<Channel, tonic::transport::Error> {
    Endpoint::try_from(format!("unix://{}", socket.display()))?.connect().await
}

/// A request for the component `instance`.
pub fn to<T>(instance: &'static str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("x-component-instance", instance.parse().unwrap());
    request
}
