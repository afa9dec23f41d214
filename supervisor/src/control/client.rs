//! The control API's calling side. A family of rpcs has a file of its own.

mod lifecycle;

use std::path::{Path, PathBuf};

use replug_proto::replug::control::v1 as pb;
use replug_proto::replug::control::v1::control_client::ControlClient;
use replug_runtime::plugin::{Connection, Direct};
use tokio::net::UnixStream;
use tonic::Status;

/// Asks a running replug.
#[derive(Debug, Clone)]
pub struct Client(ControlClient<Direct>);

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
    /// It answered that it cannot be done, with this reason.
    #[error("{0}")]
    Refused(String),
}

impl Client {
    /// Connects to the replug that listens on `path`.
    pub async fn connect(path: &Path) -> Result<Self, ClientError> {
        let failed = |cause| ClientError::NotRunning { path: path.to_owned(), cause };
        let stream = UnixStream::connect(path).await.map_err(|error| failed(error.to_string()))?;
        let connection =
            Connection::open(stream).await.map_err(|error| failed(error.to_string()))?;
        Ok(Self(ControlClient::new(Direct::new(&connection))))
    }

    /// The state of everything.
    pub async fn status(&self) -> Result<pb::StatusResponse, ClientError> {
        let answer = self.0.clone().status(pb::StatusRequest {}).await.map_err(refused)?;
        Ok(answer.into_inner())
    }
}

fn refused(status: Status) -> ClientError {
    ClientError::Refused(match (status.code(), status.message()) {
        (_, "") => format!("replug answered {:?}", status.code()),
        (_, message) => message.to_owned(),
    })
}
