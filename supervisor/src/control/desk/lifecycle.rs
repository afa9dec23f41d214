//! `Start`, `Stop`, `Restart` and `Wait`: what becomes of one plugin.

use replug_proto::replug::control::v1 as pb;
use replug_proto::replug::control::v1::plugin::State;
use tonic::Status;

use super::{Desk, refusal};
use crate::control::convert;
use crate::status::Phase;

pub(super) async fn restart(
    desk: &Desk,
    request: pb::RestartRequest,
) -> Result<pb::RestartResponse, Status> {
    if request.rolling {
        let replaced = desk.supervisor.replace(&request.plugin).await.map_err(refusal)?;
        let plugin = Some(convert::plugin(&replaced.status));
        let plainly = replaced.plainly.unwrap_or_default().to_owned();
        return Ok(pb::RestartResponse { plugin, plainly });
    }
    let status = desk.supervisor.restart(&request.plugin).await.map_err(refusal)?;
    Ok(pb::RestartResponse { plugin: Some(convert::plugin(&status)), plainly: String::new() })
}

pub(super) async fn start(
    desk: &Desk,
    request: pb::StartRequest,
) -> Result<pb::StartResponse, Status> {
    let status = desk.supervisor.start_plugin(&request.plugin).await.map_err(refusal)?;
    Ok(pb::StartResponse { plugin: Some(convert::plugin(&status)) })
}

pub(super) async fn stop(
    desk: &Desk,
    request: pb::StopRequest,
) -> Result<pb::StopResponse, Status> {
    let status = desk.supervisor.stop_plugin(&request.plugin).await.map_err(refusal)?;
    Ok(pb::StopResponse { plugin: Some(convert::plugin(&status)) })
}

pub(super) async fn wait(
    desk: &Desk,
    request: pb::WaitRequest,
) -> Result<pb::WaitResponse, Status> {
    let phase = match request.state() {
        State::Ready => Phase::Ready,
        State::Stopped => Phase::Stopped,
        State::Failed => Phase::Failed,
        _ => return Err(Status::invalid_argument("wait for READY, STOPPED or FAILED")),
    };
    let status = desk.supervisor.reaches(&request.plugin, phase).await.map_err(refusal)?;
    Ok(pb::WaitResponse { plugin: Some(convert::plugin(&status)) })
}
