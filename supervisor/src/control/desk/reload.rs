//! `Reload`: plugins.toml, read again.

use replug_proto::replug::control::v1 as pb;
use tonic::Status;

use super::Desk;
use super::findings::{diagnostics, shown};
use crate::reload::{ReloadError, Reloaded};

pub(super) async fn reload(
    desk: &Desk,
    request: pb::ReloadRequest,
) -> Result<pb::ReloadResponse, Status> {
    match desk.reload.ask(request.dry_run).await {
        Ok(reloaded) => Ok(done(&reloaded, request.colour)),
        Err(ReloadError::Wrong(checked)) => Ok(pb::ReloadResponse {
            accepted: false,
            diagnostics: diagnostics(&checked),
            shown: shown(&checked, request.colour),
            ..pb::ReloadResponse::default()
        }),
        Err(error @ ReloadError::Stopping) => Err(Status::unavailable(error.to_string())),
    }
}

fn done(reloaded: &Reloaded, colour: bool) -> pb::ReloadResponse {
    let change = &reloaded.change;
    let failed = |kind: &str, name: &str| {
        let failures = reloaded.failed.iter();
        let of_it = failures.filter(|failure| failure.kind == kind && failure.name == name);
        of_it.map(|failure| failure.reason.clone()).next().unwrap_or_default()
    };
    let entry = |kind: pb::change::Kind, name: &str, what: &str, keys: &[String], failed| {
        let (name, what, keys) = (name.to_owned(), what.to_owned(), keys.to_vec());
        pb::Change { kind: kind.into(), name, what, keys, failed }
    };
    let plugins = change.plugins.iter().map(|it| {
        let failed = failed("plugin", it.name());
        entry(pb::change::Kind::Plugin, it.name(), it.what(), it.keys(), failed)
    });
    let components = change.components.iter().map(|it| {
        let failed = failed("component", it.name());
        entry(pb::change::Kind::Component, it.name(), it.what(), it.keys(), failed)
    });
    let configured = change.configuration.iter().map(|(files, _)| {
        let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
        entry(pb::change::Kind::Configuration, &files.join(", "), "changed", &[], String::new())
    });
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    pb::ReloadResponse {
        accepted: true,
        diagnostics: diagnostics(&reloaded.checked),
        shown: shown(&reloaded.checked, colour),
        changes: plugins.chain(components).chain(configured).collect(),
        at_next_start: change.at_next_start.iter().map(|key| (*key).to_owned()).collect(),
        unchanged_plugins: count(change.unchanged_plugins),
        unchanged_components: count(change.unchanged_components),
    }
}
