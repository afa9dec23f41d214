//! A plan, checked as the running replug would read it.

use replug_proto::replug::control::v1 as pb;

use super::{Client, ClientError, refused};

impl Client {
    /// What is wrong with a text, with a file on the side of replug, or with the file that replug
    /// runs.
    pub async fn check(&self, request: pb::CheckRequest) -> Result<pb::CheckResponse, ClientError> {
        let answer = self.0.clone().check(request).await.map_err(refused)?;
        Ok(answer.into_inner())
    }
}
