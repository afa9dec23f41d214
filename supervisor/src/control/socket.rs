//! The control socket: bound, kept to those who may ask, served.

use std::fs::File;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use replug_proto::replug::control::v1::control_server::ControlServer;
use replug_runtime::registry::Registry;
use rustix::fs::{FlockOperation, flock};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::accept;
use super::desk::{About, Desk};
use crate::output::PluginLog;
use crate::plan::ControlGroup;
use crate::reload::Reload;
use crate::supervisor::Supervisor;

/// Calls that one client may have under way.
const MAX_STREAMS: u32 = 64;

/// How long clients have to take their last answers when replug ends.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// Why the control socket cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody answers there already.
    #[error("another replug answers on {} already", .0.display())]
    InUse(PathBuf),
    /// Something that is no socket is there.
    #[error("{} is in the way: it is no socket", .0.display())]
    NotASocket(PathBuf),
    /// It cannot be given to the group that is to use it.
    #[error(
        "cannot give the control socket to the group {group}: {cause}; replug's user has to be a \
         member of it, or root"
    )]
    Group {
        /// The group's name.
        group: String,
        /// The system's reason.
        cause: io::Error,
    },
    /// The system refused.
    #[error("cannot listen on {}: {cause}", path.display())]
    Io {
        /// The socket's path.
        path: PathBuf,
        /// The system's reason.
        cause: io::Error,
    },
}

/// Why the control socket is not served any more.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Whatever serves gRPC has failed.
    #[error(transparent)]
    Transport(#[from] tonic::transport::Error),
}

/// The control socket, listening; its file is removed when this is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    path: PathBuf,
    /// Each serving has one of its own of the same socket.
    listener: OwnedFd,
    group: Option<u32>,
}

impl ControlSocket {
    /// Listens on `path`: mode 0600, or 0660 with a group that may ask too. The socket of a replug
    /// that is dead is replaced.
    pub async fn bind(path: &Path, group: Option<&ControlGroup>) -> Result<Self, BindError> {
        let failed = |cause| BindError::Io { path: path.to_owned(), cause };
        // Of several that begin in the same moment, each looks when the one before has done.
        let _turn = turn(path).await;
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
        let listener = listener.as_fd().try_clone_to_owned().map_err(failed)?;
        let bound = Self { path: path.to_owned(), listener, group: group.map(|group| group.gid) };
        let mode = if let Some(ControlGroup { name, gid }) = group {
            let given = std::os::unix::fs::chown(path, None, Some(*gid));
            given.map_err(|cause| BindError::Group { group: name.clone(), cause })?;
            0o660
        } else {
            0o600
        };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(failed)?;
        Ok(bound)
    }

    /// Goes on with the socket of the program before this one, which was bound for this group.
    #[must_use]
    pub fn adopt(path: PathBuf, listener: OwnedFd, group: Option<&ControlGroup>) -> Self {
        Self { path, listener, group: group.map(|group| group.gid) }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The socket for the next program, open here too. Who connects while nobody serves it waits.
    pub fn shared(&self) -> io::Result<OwnedFd> {
        self.listener.try_clone()
    }

    /// Serves until `end` resolves. What clients have asked by then is answered, where that takes
    /// no longer than a moment; nobody waits for a client that does not read. It can be served again
    /// afterwards.
    pub async fn serve(
        &self,
        about: About,
        supervisor: Arc<Supervisor>,
        registry: Arc<Registry>,
        log: PluginLog,
        reload: Reload,
        end: impl Future<Output = ()> + Send,
    ) -> Result<(), ServeError> {
        let listener = std::os::unix::net::UnixListener::from(self.listener.try_clone()?);
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        let group = self.group;
        let (tell, ended) = watch::channel(false);
        let journal = supervisor.journal().clone();
        let ending = ended.clone();
        let desk = Desk { about, supervisor, registry, journal, log, ended: ending, reload };
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(replug_proto::CONTROL_FILE_DESCRIPTOR_SET)
            .with_service_name("replug.control.v1.Control")
            .build_v1()
            .expect("the descriptors of this build are well formed");
        let serving = tonic::transport::Server::builder()
            .max_concurrent_streams(Some(MAX_STREAMS))
            .add_service(ControlServer::new(desk))
            .add_service(reflection)
            .serve_with_incoming_shutdown(accept::permitted(listener, group), told(ended));
        let patience = async {
            end.await;
            tell.send_replace(true);
            tokio::time::sleep(LAST_ANSWERS).await;
        };
        tokio::select! {
            served = serving => Ok(served?),
            () = patience => Ok(()),
        }
    }
}

/// Waits until nobody else looks who answers in the folder of `path`; nobody does until this is
/// dropped. None where the folder cannot be locked.
async fn turn(path: &Path) -> Option<File> {
    let folder = File::open(path.parent()?).ok()?;
    let locked = spawn_blocking(move || {
        flock(&folder, FlockOperation::LockExclusive).ok()?;
        Some(folder)
    });
    locked.await.ok()?
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // It may be gone with its folder already.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn told(mut ended: watch::Receiver<bool>) {
    // An error means that whoever would tell is gone, which is an end as well.
    let _ = ended.wait_for(|ended| *ended).await;
}
