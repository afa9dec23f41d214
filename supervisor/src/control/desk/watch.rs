//! `Watch`: what happens, as it happens.

use std::collections::HashSet;

use futures_util::stream;
use replug_proto::replug::control::v1 as pb;
use replug_proto::replug::control::v1::watch_response::What;
use tokio::sync::watch;
use tonic::Status;
use tonic::codegen::BoxStream;

use super::{Desk, refusal, status};
use crate::events::{Read, Reader};
use crate::instance;

/// Asked for the next message only when the client has room for it; so a client that does not read
/// makes nothing pile up here, and falls behind in the journal instead.
struct Watching {
    snapshot: Option<pb::StatusResponse>,
    reader: Reader,
    plugins: HashSet<String>,
    ended: watch::Receiver<bool>,
}

pub(super) fn watch(
    desk: &Desk,
    request: pb::WatchRequest,
) -> Result<BoxStream<pb::WatchResponse>, Status> {
    for name in &request.plugins {
        desk.supervisor.knows(name).map_err(refusal)?;
    }
    // Before the state is looked at: what happens in between is told rather than missed.
    let newest = desk.journal.last();
    let reader = desk.journal.read_after(newest.saturating_sub(request.last.into()));
    let snapshot = (!request.events_only).then(|| status::status_at(desk, newest));
    let watching = Watching {
        snapshot,
        reader,
        plugins: request.plugins.into_iter().collect(),
        ended: desk.ended.clone(),
    };
    Ok(Box::pin(stream::unfold(watching, |mut watching| async {
        let what = watching.next().await?;
        Some((Ok(pb::WatchResponse { what: Some(what) }), watching))
    })))
}

impl Watching {
    /// None once replug ends.
    async fn next(&mut self) -> Option<What> {
        if let Some(snapshot) = self.snapshot.take() {
            return Some(What::Snapshot(snapshot));
        }
        loop {
            let read = tokio::select! {
                biased;
                read = self.reader.next() => read,
                // An error means that whoever would say so is gone, which is an end as well.
                _ = self.ended.wait_for(|ended| *ended) => return None,
            };
            match read {
                Read::Missed(missed) => return Some(What::Missed(missed)),
                Read::Event(event) if self.is_wanted(&event) => {
                    return Some(What::Event(*event));
                }
                Read::Event(_) => {}
            }
        }
    }

    fn is_wanted(&self, event: &pb::Event) -> bool {
        let one = || instance::name(&event.plugin, Some(event.instance));
        self.plugins.is_empty()
            || self.plugins.contains(&event.plugin)
            || (event.instance > 0 && self.plugins.contains(&one()))
    }
}
