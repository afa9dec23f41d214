//! The control API's calling side. A family of rpcs has a file of its own.

mod check;
mod lifecycle;
mod logs;
mod reload;
mod upgrade;
mod watch;

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};

use hyper_util::rt::TokioIo;
use replug_proto::replug::control::v1 as pb;
use replug_proto::replug::control::v1::control_client::ControlClient;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

pub use logs::LogLines;
pub use watch::Events;

/// The longest answer that is taken, in bytes: the status of some ten thousand plugins.
const MAX_ANSWER: usize = 64 << 20;

/// Asks a running replug, over one connection: when that is lost, every call fails with
/// [`ClientError::Lost`]. Clones share it.
#[derive(Debug, Clone)]
pub struct Client(ControlClient<Channel>);

/// Why a running replug gave no answer, or not the wanted one.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there.
    #[error("no replug answers on {}: {cause}", path.display())]
    NotRunning {
        /// The control socket.
        path: PathBuf,
        /// The system's reason.
        cause: String,
    },
    /// The control socket is not this user's to use.
    #[error(
        "permission denied: {} is for root, for replug's own user, and for the group that \
         `control_group` in [runtime] names",
        path.display()
    )]
    Denied {
        /// The control socket.
        path: PathBuf,
    },
    /// It answered that it cannot be done, with this reason.
    #[error("{message}")]
    Refused {
        /// gRPC's word for the kind of reason; control.proto says which rpc gives which.
        code: Code,
        /// The reason, for people.
        message: String,
    },
    /// The connection ended before the answer came: replug was stopped, or does not serve this user.
    #[error("replug ended the connection: {0}")]
    Lost(String),
}

impl Client {
    /// Connects to the replug that listens on `path`.
    pub async fn connect(path: &Path) -> Result<Self, ClientError> {
        let failed = |cause: String| ClientError::NotRunning { path: path.to_owned(), cause };
        let stream = UnixStream::connect(path).await.map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => ClientError::Denied { path: path.to_owned() },
            _ => failed(error.to_string()),
        })?;
        let mut stream = Some(TokioIo::new(stream));
        let only = tower::service_fn(move |_| {
            let stream = stream.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected));
            std::future::ready(stream)
        });
        // The name is nobody's: the connection is there already.
        let endpoint = Endpoint::from_static("http://replug");
        let channel = endpoint.connect_with_connector(only).await;
        let channel = channel.map_err(|error| failed(error.to_string()))?;
        Ok(Self(ControlClient::new(channel).max_decoding_message_size(MAX_ANSWER)))
    }

    /// The state of everything, with what plugins use of the machine.
    pub async fn status(&self) -> Result<pb::StatusResponse, ClientError> {
        let answer =
            self.0.clone().status(pb::StatusRequest { usage: true }).await.map_err(refused)?;
        Ok(answer.into_inner())
    }
}

/// What a call's failure says, of a stream's next message too.
fn refused(status: Status) -> ClientError {
    // Only what was made on this side has a source: replug's own answers come over the wire.
    if let Some(source) = status.source() {
        let mut cause = source;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        return ClientError::Lost(cause.to_string());
    }
    let message = match status.message() {
        "" => format!("replug answered {:?}", status.code()),
        message => message.to_owned(),
    };
    ClientError::Refused { code: status.code(), message }
}
