//! `Status` and `Components`: everything as it stands.

use std::collections::HashMap;

use prost_types::Timestamp;
use replug_proto::replug::control::v1 as pb;
use tokio::task::spawn_blocking;

use super::Desk;
use crate::control::convert;
use crate::usage::{self, Usage};

pub(super) async fn status(desk: &Desk, request: pb::StatusRequest) -> pb::StatusResponse {
    let mut status = status_at(desk, desk.journal.last());
    if request.usage {
        // Without an answer it has panicked, and nothing is known.
        let groups = spawn_blocking(usage::by_group).await.unwrap_or_default();
        for plugin in &mut status.plugins {
            let used = |pid: Option<u32>| groups.get(&pid?).copied();
            for one in &mut plugin.instances {
                one.usage = used(one.pid).map(convert::usage);
            }
            let several = plugin.instances.iter().filter_map(|one| used(one.pid));
            plugin.usage = several.chain(used(plugin.pid)).reduce(Usage::and).map(convert::usage);
        }
    }
    status
}

/// Everything as it stands, with the number of the newest event of before it was looked at.
pub(super) fn status_at(desk: &Desk, sequence: u64) -> pb::StatusResponse {
    let components = components(desk).components;
    let mut plugins: Vec<_> = desk.supervisor.status().iter().map(convert::plugin).collect();
    let mut calls: HashMap<&str, pb::Calls> = HashMap::new();
    for component in &components {
        let sum = calls.entry(&component.served_by).or_default();
        let of_one = component.calls.unwrap_or_default();
        sum.ended += of_one.ended;
        sum.under_way += of_one.under_way;
        sum.held += of_one.held;
        sum.again += of_one.again;
        sum.turned_away += of_one.turned_away;
        sum.bytes += of_one.bytes;
    }
    for plugin in &mut plugins {
        plugin.calls = calls.get(plugin.name.as_str()).copied();
    }
    pb::StatusResponse {
        version: desk.about.version.clone(),
        pid: std::process::id(),
        started_at: Some(Timestamp::from(desk.about.started)),
        app_id: desk.about.app_id.clone(),
        plugins,
        components,
        listeners: desk.about.listeners.clone(),
        sequence,
        upgrades: desk.about.upgrade.upgrades,
        upgrade_failure: desk.about.upgrade.failure.clone(),
        application: desk.about.application.as_ref().map(convert::application),
    }
}

pub(super) fn components(desk: &Desk) -> pb::ComponentsResponse {
    let components = desk.registry.components().into_iter().map(convert::component).collect();
    pb::ComponentsResponse { components }
}
