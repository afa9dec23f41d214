//! The control socket: bound, kept to those who may ask, served.

use std::future::Future;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use nix::unistd::Uid;
use replug_proto::replug::control::v1::control_server::ControlServer;
use replug_runtime::registry::Registry;
use tokio::net::{UnixListener, UnixStream};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnixListenerStream;

use super::desk::{About, Desk};
use crate::supervisor::Supervisor;

/// Why the control socket cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody answers there already.
    #[error("another replug answers on {} already", .0.display())]
    InUse(PathBuf),
    /// Something that is no socket is there.
    #[error("{} is in the way: it is no socket", .0.display())]
    NotASocket(PathBuf),
    /// The system refused.
    #[error("cannot listen on {}: {cause}", path.display())]
    Io {
        /// The socket's path.
        path: PathBuf,
        /// The system's reason.
        cause: io::Error,
    },
}

/// The control socket, listening; its file is removed when this is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    path: PathBuf,
    listener: UnixListener,
}

impl ControlSocket {
    /// Listens on `path`, mode 0600. The socket of a replug that is dead is replaced.
    pub async fn bind(path: &Path) -> Result<Self, BindError> {
        let failed = |cause| BindError::Io { path: path.to_owned(), cause };
        match std::fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(BindError::NotASocket(path.to_owned()));
            }
            Ok(_) if UnixStream::connect(path).await.is_ok() => {
                return Err(BindError::InUse(path.to_owned()));
            }
            Ok(_) => std::fs::remove_file(path).map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        let bound = Self { path: path.to_owned(), listener };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(bound)
    }

    /// Serves until `end` resolves.
    pub async fn serve(
        self,
        about: About,
        supervisor: Arc<Supervisor>,
        registry: Arc<Registry>,
        end: impl Future<Output = ()> + Send,
    ) -> Result<(), tonic::transport::Error> {
        let Self { path, listener } = self;
        let _removed = RemovedAtTheEnd(path);
        let desk = Desk { about, started: SystemTime::now(), supervisor, registry };
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(replug_proto::CONTROL_FILE_DESCRIPTOR_SET)
            .with_service_name("replug.control.v1.Control")
            .build_v1()
            .expect("the descriptors of this build are well formed");
        // The mode of the file keeps others out; this holds on file systems without modes as well.
        let own = UnixListenerStream::new(listener).filter(|stream| match stream {
            Ok(stream) => stream.peer_cred().is_ok_and(|peer| is_permitted(peer.uid())),
            Err(_) => true,
        });
        tonic::transport::Server::builder()
            .add_service(ControlServer::new(desk))
            .add_service(reflection)
            .serve_with_incoming_shutdown(own, end)
            .await
    }
}

/// Who may ask: root, and the user that replug runs as.
fn is_permitted(uid: u32) -> bool {
    uid == 0 || uid == Uid::effective().as_raw()
}

struct RemovedAtTheEnd(PathBuf);

impl Drop for RemovedAtTheEnd {
    fn drop(&mut self) {
        // It may be gone with its folder already.
        let _ = std::fs::remove_file(&self.0);
    }
}
