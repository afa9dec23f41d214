//! plugins.toml, read again.

use replug_proto::replug::control::v1 as pb;

use super::{Client, ClientError, refused};

impl Client {
    /// Has plugins.toml read again and what differs changed, or only said what that would be;
    /// returns when it is done. `colour` is for terminals.
    pub async fn reload(
        &self,
        dry_run: bool,
        colour: bool,
    ) -> Result<pb::ReloadResponse, ClientError> {
        let request = pb::ReloadRequest { dry_run, colour };
        let answer = self.0.clone().reload(request).await.map_err(refused)?;
        Ok(answer.into_inner())
    }
}
