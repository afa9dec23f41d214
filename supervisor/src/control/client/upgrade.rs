//! `Upgrade` and `AwaitUpgrade`.

use std::path::Path;
use std::time::Duration;

use replug_proto::replug::control::v1 as pb;

use tonic::Code;

use super::{Client, ClientError, refused};

impl Client {
    /// Has another program take over; none is the one that is now where the running one was. Returns
    /// when it has been asked whether it can, before it does.
    pub async fn upgrade(
        &self,
        binary: Option<&Path>,
        drain: Option<Duration>,
    ) -> Result<pb::UpgradeResponse, ClientError> {
        let binary = binary.map(|binary| binary.to_string_lossy().into_owned());
        let request = pb::UpgradeRequest {
            binary: binary.unwrap_or_default(),
            // One that is too long for the wire is longer than any call.
            drain: drain.and_then(|drain| drain.try_into().ok()),
        };
        Ok(self.0.clone().upgrade(request).await.map_err(refused)?.into_inner())
    }

    /// Returns when that upgrade is over, or when this connection is. None: it is under way, and
    /// whoever answers on the control socket next knows more.
    pub async fn await_upgrade(
        &self,
        attempt: u64,
    ) -> Result<Option<pb::AwaitUpgradeResponse>, ClientError> {
        let request = pb::AwaitUpgradeRequest { attempt };
        match self.0.clone().await_upgrade(request).await.map_err(refused) {
            Ok(answer) => Ok(Some(answer.into_inner())),
            Err(ClientError::Lost(_) | ClientError::Refused { code: Code::Unavailable, .. }) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
