//! `Upgrade` and `AwaitUpgrade`: another program of replug takes over, in the same process.

use std::path::PathBuf;
use std::time::Duration;

use replug_proto::replug::control::v1 as pb;
use tokio::sync::{mpsc, oneshot};
use tonic::Status;

use super::Desk;
use crate::upgrade::{Accepted, Request};

/// Upgrades, past and to come.
#[derive(Debug, Clone)]
pub struct UpgradeDesk {
    /// How often another program has taken over since replug was started.
    pub upgrades: u64,
    /// How often that was tried; what came of all of them is known.
    pub attempts: u64,
    /// Why the last try failed; empty where it did not.
    pub failure: String,
    /// Where the next one is asked for.
    pub requests: mpsc::Sender<Request>,
}

pub(super) async fn upgrade(
    desk: &Desk,
    request: pb::UpgradeRequest,
) -> Result<pb::UpgradeResponse, Status> {
    let drain = request.drain.map(Duration::try_from).transpose();
    let drain = drain.map_err(|_| Status::invalid_argument("`drain` is no time to wait"))?;
    let binary = (!request.binary.is_empty()).then(|| PathBuf::from(request.binary));
    if binary.as_ref().is_some_and(|binary| !binary.is_absolute()) {
        return Err(Status::invalid_argument("`binary` has to be a whole path"));
    }
    let (answer, answered) = oneshot::channel();
    let stopping = || Status::unavailable("replug is being stopped or upgraded");
    let sent = desk.about.upgrade.requests.send(Request { binary, drain, answer }).await;
    sent.map_err(|_| stopping())?;
    let Accepted { attempt, version } =
        answered.await.map_err(|_| stopping())?.map_err(Status::failed_precondition)?;
    Ok(pb::UpgradeResponse { attempt, from: desk.about.version.clone(), to: version })
}

pub(super) async fn await_upgrade(
    desk: &Desk,
    request: pb::AwaitUpgradeRequest,
) -> Result<pb::AwaitUpgradeResponse, Status> {
    let about = &desk.about.upgrade;
    if about.attempts < request.attempt {
        // Whoever serves the control socket next knows.
        let _ = desk.ended.clone().wait_for(|ended| *ended).await;
        return Err(Status::unavailable("the upgrade is under way"));
    }
    if about.attempts == request.attempt && !about.failure.is_empty() {
        return Err(Status::failed_precondition(about.failure.clone()));
    }
    let version = desk.about.version.clone();
    Ok(pb::AwaitUpgradeResponse { version, pid: std::process::id() })
}
