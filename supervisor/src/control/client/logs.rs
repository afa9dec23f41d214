//! What plugins have printed.

use replug_proto::replug::control::v1 as pb;
use tonic::Streaming;

use super::{Client, ClientError, refused};

/// Lines that plugins have printed, as they come.
#[derive(Debug)]
pub struct LogLines(Streaming<pb::LogLine>);

impl Client {
    /// What plugins have printed, and print from now on where the request says so.
    pub async fn logs(&self, request: pb::LogsRequest) -> Result<LogLines, ClientError> {
        let answer = self.0.clone().logs(request).await.map_err(refused)?;
        Ok(LogLines(answer.into_inner()))
    }
}

impl LogLines {
    /// The next line; none when there is no more.
    pub async fn next(&mut self) -> Result<Option<pb::LogLine>, ClientError> {
        self.0.message().await.map_err(refused)
    }
}
