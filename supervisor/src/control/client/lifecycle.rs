//! What becomes of one plugin.

use replug_proto::replug::control::v1 as pb;

use super::{Client, ClientError, refused};

impl Client {
    /// Has the next generation of a plugin run; returns when that is ready. `rolling`: beside the
    /// present one, which serves until then.
    pub async fn restart(
        &self,
        plugin: &str,
        rolling: bool,
    ) -> Result<pb::RestartResponse, ClientError> {
        let request = pb::RestartRequest { plugin: plugin.to_owned(), rolling };
        Ok(self.0.clone().restart(request).await.map_err(refused)?.into_inner())
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

    /// Sends a signal, by name or number, to a plugin's process group; gives the signal's name.
    pub async fn signal(&self, plugin: &str, signal: &str) -> Result<String, ClientError> {
        let request = pb::SignalRequest { plugin: plugin.to_owned(), signal: signal.to_owned() };
        let answer = self.0.clone().signal(request).await.map_err(refused)?;
        Ok(answer.into_inner().signal)
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
