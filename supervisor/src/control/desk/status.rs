//! `Status` and `Components`: everything as it stands.

use prost_types::Timestamp;
use replug_proto::replug::control::v1 as pb;

use super::Desk;
use crate::control::convert;

pub(super) fn status(desk: &Desk) -> pb::StatusResponse {
    status_at(desk, desk.journal.last())
}

/// Everything as it stands, with the number of the newest event of before it was looked at.
pub(super) fn status_at(desk: &Desk, sequence: u64) -> pb::StatusResponse {
    pb::StatusResponse {
        version: desk.about.version.clone(),
        pid: std::process::id(),
        started_at: Some(Timestamp::from(desk.started)),
        app_id: desk.about.app_id.clone(),
        plugins: desk.supervisor.status().iter().map(convert::plugin).collect(),
        components: components(desk).components,
        listeners: desk.about.listeners.clone(),
        sequence,
    }
}

pub(super) fn components(desk: &Desk) -> pb::ComponentsResponse {
    let components = desk.registry.components().into_iter().map(convert::component).collect();
    pb::ComponentsResponse { components }
}
