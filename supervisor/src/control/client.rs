//! The control API's calling side.

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

    /// Stops a plugin and starts its next generation; returns when that is ready.
    pub async fn restart(&self, plugin: &str) -> Result<pb::Plugin, ClientError> {
        let request = pb::RestartRequest { plugin: plugin.to_owned() };
        let answer = self.0.clone().restart(request).await.map_err(refused)?;
        Ok(answer.into_inner().plugin.unwrap_or_default())
    }

    /// Starts a plugin that is stopped; returns when it is ready.
    pub async fn start(&self, plugin: &str) -> Result<pb::Plugin, ClientError> {
        let request = pb::StartRequest { plugin: plugin.to_owned() };
        let answer = self.0.clone().start(request).await.map_err(refused)?;
        Ok(answer.into_inner().plugin.unwrap_or_default())
    }

    /// Stops a plugin; returns when its process is gone.
    pub async fn stop(&self, plugin: &str) -> Result<pb::Plugin, ClientError> {
        let request = pb::StopRequest { plugin: plugin.to_owned() };
        let answer = self.0.clone().stop(request).await.map_err(refused)?;
        Ok(answer.into_inner().plugin.unwrap_or_default())
    }

    /// Waits until a plugin is in a state, for as long as the future is polled.
    pub async fn wait(
        &self,
        plugin: &str,
        state: pb::plugin::State,
    ) -> Result<pb::Plugin, ClientError> {
        let request = pb::WaitRequest { plugin: plugin.to_owned(), state: state.into() };
        let answer = self.0.clone().wait(request).await.map_err(refused)?;
        Ok(answer.into_inner().plugin.unwrap_or_default())
    }
}

fn refused(status: Status) -> ClientError {
    ClientError::Refused(match (status.code(), status.message()) {
        (_, "") => format!("replug answered {:?}", status.code()),
        (_, message) => message.to_owned(),
    })
}
