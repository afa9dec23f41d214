//! `Status`: everything as it stands.

use prost_types::Timestamp;
use replug_proto::replug::control::v1 as pb;

use super::Desk;
use crate::control::convert;

pub(super) fn status(desk: &Desk) -> pb::StatusResponse {
    pb::StatusResponse {
        version: desk.about.version.clone(),
        pid: std::process::id(),
        started_at: Some(Timestamp::from(desk.started)),
        app_id: desk.about.app_id.clone(),
        plugins: desk.supervisor.status().iter().map(convert::plugin).collect(),
        components: desk.registry.components().into_iter().map(convert::component).collect(),
        listeners: desk.about.listeners.clone(),
    }
}
