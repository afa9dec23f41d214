//! Calls to the gRPC port, frame by frame, one connection each; streams of topics; and what an
//! application over gRPC is called with.

mod application;
mod call;
mod cases;
mod deliveries;
mod shown;
mod stream;
mod wire;

use std::path::Path;

pub(super) use self::application::Application;
use self::call::{Call, Group};
use super::ApiArgs;
use super::comparison::{Comparison, Expected, Said};
use super::http::series;
use super::sidecar::{Pair, Sidecar};
use crate::Failure;
use crate::report::Report;

/// Parts that differ in every call for one reason, which the pages give: they are told once, and not
/// compared. A status stands in the trailers wherever something else is in the head.
const LEFT_OUT: [&str; 2] = ["head grpc-trace-bin", "ends in"];

/// Makes every call of every group, and compares.
pub(super) async fn compare(replug: &Path, args: &ApiArgs) -> Result<Report, Failure> {
    let mut report = Report::new("compare grpc");
    let mut comparison = Comparison::default();
    for group in cases::all() {
        if args.wants(group.setup.name) {
            ask(replug, &args.daprd, group, &mut comparison).await?;
        }
    }
    comparison.report(&mut report, args.whole);
    report.note("left out: daprd has grpc-trace-bin in the head of every answer");
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
    }
    if group.measured {
        let (mut daprd, mut replug) =
            tokio::try_join!(series::of(pair.daprd.metrics), series::of(pair.replug.metrics))?;
        for said in [&mut daprd, &mut replug] {
            // daprd counts no latency of less than a millisecond.
            said.retain(|(name, _)| {
                !name.starts_with("dapr_component_") || !name.contains("_latenc")
            });
        }
        comparison.add(name, "metrics", Expected::Same, &daprd, &replug);
    }
    if group.ends {
        pair.compare_ends(name, comparison).await?;
    }
    Ok(())
}

/// What a sidecar says to a call. An etag that it tells is kept.
async fn said(sidecar: &Sidecar, call: &Call, etag: &mut String) -> Said {
    match wire::ask(sidecar.grpc, call, etag).await {
        Ok(heard) => {
            shown::keep_etag(call.method(), &heard, etag);
            let mut parts = shown::parts(&sidecar.mask, call.method(), &heard);
            parts.retain(|(name, _)| !LEFT_OUT.contains(&name.as_str()));
            parts
        }
        Err(error) => vec![("code".to_owned(), format!("none: {error}"))],
    }
}
