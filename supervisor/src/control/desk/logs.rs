//! `Logs`: what plugins have printed.

use std::time::SystemTime;

use futures_util::stream;
use replug_proto::replug::control::v1 as pb;
use tonic::Status;
use tonic::codegen::BoxStream;

use super::{Desk, refusal};
use crate::control::convert;
use crate::instance;
use crate::output::{Reading, Wanted};
use crate::status::Kind;
use crate::supervisor::PluginError;

/// Lines are taken as the client has room for them: nothing is gathered for one that does not read.
pub(super) fn logs(
    desk: &Desk,
    request: pb::LogsRequest,
) -> Result<BoxStream<pb::LogLine>, Status> {
    for name in &request.plugins {
        is_declared(desk, name).map_err(refusal)?;
    }
    let since = request.since.map(SystemTime::try_from).transpose();
    let wanted = Wanted {
        plugins: request.plugins,
        follow: request.follow,
        last: request.last.map(|last| usize::try_from(last).unwrap_or(usize::MAX)),
        since: since.map_err(|_| Status::invalid_argument("`since` is no time"))?,
    };
    let reading = Reading::begin(&desk.log, &wanted);
    let ended = desk.ended.clone();
    let lines = stream::unfold((reading, ended), async |(mut reading, mut ended)| {
        let shown = tokio::select! {
            // What was printed before the end is read to its end.
            biased;
            shown = reading.next() => shown,
            _ = ended.wait_for(|ended| *ended) => None,
        };
        shown.map(|shown| (Ok(convert::line(shown)), (reading, ended)))
    });
    Ok(Box::pin(lines))
}

/// That replug runs a plugin of that name, or has run one whose output it keeps.
fn is_declared(desk: &Desk, name: &str) -> Result<(), PluginError> {
    let plugin = instance::split(name).map_or(name, |(plugin, _)| plugin);
    if desk.log.printout(plugin).is_some() {
        return if plugin == name { Ok(()) } else { desk.supervisor.knows(name) };
    }
    let all = desk.supervisor.status();
    if all.iter().any(|plugin| plugin.name == name && plugin.kind == Kind::Found) {
        return Err(PluginError::Found(name.to_owned()));
    }
    let known = desk.log.plugins();
    let nearest = crate::plan::nearest(name, known.iter().map(AsRef::as_ref));
    Err(PluginError::Unknown { name: name.to_owned(), nearest: nearest.map(str::to_owned) })
}
