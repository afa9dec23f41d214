//! Calls to the gRPC port, frame by frame, one connection each; streams of topics; and what an
//! application over gRPC is called with.

mod application;
mod call;
mod cases;
mod deliveries;
mod marks;
mod metadata;
mod shown;
mod stream;
mod wire;

use std::path::Path;

pub(super) use self::application::Application;
use self::call::{Call, Group};
use self::marks::MARKS;
use super::ApiArgs;
use super::comparison::{Comparison, Expected, Said};
use super::http::series::Series;
use super::sidecar::{Pair, Sidecar};
use crate::Failure;
use crate::report::Report;

/// Makes every call of every group, and compares.
pub(super) async fn compare(replug: &Path, args: &ApiArgs) -> Result<Report, Failure> {
    let mut report = Report::new("compare grpc");
    let mut comparison = Comparison::with_marks(MARKS);
    for group in cases::all() {
        if args.wants(group.setup.name) {
            ask(replug, &args.daprd, group, &mut comparison).await?;
        }
    }
    comparison.report(&mut report, args.whole);
    Ok(report)
}

/// Makes the calls of one group, at a fresh pair.
async fn ask(
    replug: &Path,
    daprd: &Path,
    group: Group,
    comparison: &mut Comparison,
) -> Result<(), Failure> {
    let name = group.setup.name;
    let mut pair = Pair::start(daprd, replug, &group.setup).await?;
    let (mut daprd_etag, mut replug_etag) = (String::new(), String::new());
    for call in &group.calls {
        let (daprd, replug) = tokio::join!(
            said(&pair.daprd, call, &mut daprd_etag),
            said(&pair.replug, call, &mut replug_etag),
        );
        comparison.add(name, &call.shown(), call.expected, &daprd, &replug);
    }
    for script in &group.scripts {
        let (daprd, replug) =
            tokio::join!(stream::play(&pair.daprd, script), stream::play(&pair.replug, script));
        comparison.add(name, script.name, Expected::Same, &daprd, &replug);
    }
    if pair.daprd.called.is_some() {
        let (daprd, replug) =
            tokio::join!(deliveries::first(&pair.daprd), deliveries::first(&pair.replug));
        comparison.add(name, "what is asked at the start", Expected::Same, &daprd, &replug);
        for sent in &group.deliveries {
            let (daprd, replug) =
                tokio::join!(deliveries::of(&pair.daprd, sent), deliveries::of(&pair.replug, sent));
            let call = format!("delivery: {}", sent.shown());
            comparison.add(name, &call, sent.expected, &daprd, &replug);
        }
        let (daprd, replug) = (deliveries::by_time(&pair.daprd), deliveries::by_time(&pair.replug));
        comparison.add(name, "what comes by time", Expected::Same, &daprd, &replug);
    }
    if group.measured {
        let (daprd, mut replug) =
            tokio::try_join!(Series::of(pair.daprd.metrics), Series::of(pair.replug.metrics))?;
        replug.leave_out_short(&daprd);
        let mut daprd = daprd.said();
        daprd.retain(|(series, _)| !is_counted_elsewhere(series));
        comparison.add(name, "metrics", Expected::Same, &daprd, &replug.said());
    }
    if group.ends {
        pair.compare_ends(name, comparison).await?;
    }
    Ok(())
}

/// Whether this is a latency of what replug counts under other labels, which the marks tell. daprd has
/// it in some runs alone: it counts none of less than a millisecond.
fn is_counted_elsewhere(series: &str) -> bool {
    let of_batch = series.contains("component=\"pubsubName\"");
    let of_unimplemented = series.contains("status=\"drop\",topic=\"failing\"");
    series.contains("_latencies") && (of_batch || of_unimplemented)
}

/// What a sidecar says to a call. An etag that it tells is kept.
async fn said(sidecar: &Sidecar, call: &Call, etag: &mut String) -> Said {
    match wire::ask(sidecar.grpc, call, etag).await {
        Ok(heard) => {
            shown::keep_etag(call.method(), &heard, etag);
            shown::parts(&sidecar.mask, call.method(), &heard)
        }
        Err(error) => vec![("code".to_owned(), format!("none: {error}"))],
    }
}
