//! What happens, as it happens; and a look at the components alone.

use replug_proto::replug::control::v1 as pb;
use replug_proto::replug::control::v1::watch_response::What;

use super::{Client, ClientError, refused};

/// A stream of events; ended by dropping it.
#[derive(Debug)]
pub struct Events(tonic::Streaming<pb::WatchResponse>);

impl Client {
    /// Watches what happens.
    pub async fn watch(&self, request: pb::WatchRequest) -> Result<Events, ClientError> {
        let answer = self.0.clone().watch(request).await.map_err(refused)?;
        Ok(Events(answer.into_inner()))
    }

    /// The components as they stand.
    pub async fn components(&self) -> Result<Vec<pb::Component>, ClientError> {
        let request = pb::ComponentsRequest {};
        let answer = self.0.clone().components(request).await.map_err(refused)?;
        Ok(answer.into_inner().components)
    }
}

impl Events {
    /// The next thing that happens; none once replug has ended. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<What>, ClientError> {
        loop {
            match self.0.message().await.map_err(refused)? {
                None => return Ok(None),
                // Something of a newer replug that this client does not know.
                Some(pb::WatchResponse { what: None }) => {}
                Some(pb::WatchResponse { what }) => return Ok(what),
            }
        }
    }
}
