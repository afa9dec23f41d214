//! Requests over raw connections to the HTTP port, byte for byte, one connection each.

mod call;
mod cases;
mod exchange;
mod marks;
pub(super) mod series;

use std::path::Path;

use self::call::Group;
use self::exchange::Answer;
use self::marks::MARKS;
use self::series::Series;
use super::ApiArgs;
use super::app::App;
use super::comparison::{Comparison, Expected, Said};
use super::marks::METRICS;
use super::sidecar::{Pair, Sidecar};
use crate::Failure;
use crate::report::Report;

/// Fields of answers that tell the time, or how long the body is, which is compared itself.
const LEFT_OUT: &[&str] = &["Date", "Content-Length", "Transfer-Encoding"];

/// Fields of requests to the application that tell who sends them, and what it can unpack.
const OF_SENDER: &[&str] = &["content-length", "user-agent", "accept-encoding"];

/// Counts the messages that the application has been sent.
const INGRESS: &str = "dapr_component_pubsub_ingress_count";

/// Makes every call of every group, and compares.
pub(super) async fn compare(replug: &Path, args: &ApiArgs) -> Result<Report, Failure> {
    let mut report = Report::new("compare http");
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
    if pair.daprd.app.is_some() {
        tokio::try_join!(healthy(&pair.daprd), healthy(&pair.replug))?;
    }
    let (mut daprd_etag, mut replug_etag) = (String::new(), String::new());
    // Until they were ready they were asked more or less often.
    let mut apart = metrics(&pair).await?.map(Series::of_calls);
    let mut messages = 0;
    for call in group.calls {
        let shown = call.shown();
        let later = matches!(call.expected, Expected::Later(_));
        let sets_apart = later || comparison.sets_metrics_apart(name, &shown);
        let sets_apart = sets_apart && group.measured;
        let before = if sets_apart { Some(metrics(&pair).await?) } else { None };
        let (mut daprd, mut replug) = tokio::join!(
            said(&pair.daprd, call.bytes(&daprd_etag), &mut daprd_etag),
            said(&pair.replug, call.bytes(&replug_etag), &mut replug_etag),
        );
        if call.delivered {
            messages += 1;
            tokio::try_join!(delivered(&pair.daprd, messages), delivered(&pair.replug, messages),)?;
        }
        if let Some(before) = before {
            let after = metrics(&pair).await?;
            let sides = [&mut daprd, &mut replug].into_iter().zip(&mut apart);
            for ((said, apart), (before, after)) in sides.zip(before.iter().zip(after)) {
                let own = after.since(before);
                said.push((METRICS.to_owned(), own.told()));
                apart.add(&own);
            }
        }
        comparison.add(name, &shown, call.expected, &daprd, &replug);
    }
    let (mut daprd, mut replug) = (heard(&pair.daprd), heard(&pair.replug));
    if group.heard_by_time {
        for said in [&mut daprd, &mut replug] {
            said.sort();
            said.dedup();
        }
    }
    let expected = group.heard;
    comparison.add(name, "what the application was sent", expected, &daprd, &replug);
    if group.measured {
        let [mut daprd, mut replug] = metrics(&pair).await?;
        daprd.leave_out(&apart[0]);
        replug.leave_out(&apart[1]);
        replug.leave_out_short(&daprd);
        let expected = Expected::Same;
        comparison.add(name, "all metrics", expected, &daprd.said(), &replug.said());
    }
    if group.ends {
        pair.compare_ends(name, comparison).await?;
    }
    Ok(())
}

/// The metrics of daprd and of replug.
async fn metrics(pair: &Pair) -> Result<[Series; 2], Failure> {
    let both = tokio::try_join!(Series::of(pair.daprd.metrics), Series::of(pair.replug.metrics))?;
    Ok(both.into())
}

/// Waits until that many messages have been delivered and counted, of which nothing tells.
async fn delivered(sidecar: &Sidecar, messages: usize) -> Result<(), Failure> {
    let counted = async {
        while Series::of(sidecar.metrics).await?.total(INGRESS) < messages {}
        Ok::<_, Failure>(())
    };
    tokio::time::timeout(crate::PATIENCE, counted).await?
}

/// Asks a sidecar until it has seen its application, which it tells nobody.
async fn healthy(sidecar: &Sidecar) -> Result<(), Failure> {
    let request =
        b"GET /v1.0/healthz HTTP/1.1\r\nHost: localhost\r\ndapr-api-token: sesame\r\n\r\n";
    let asked = async {
        while !exchange::ask(sidecar.http, request).await?.status.contains(" 204 ") {}
        Ok::<_, std::io::Error>(())
    };
    Ok(tokio::time::timeout(crate::PATIENCE, asked).await??)
}

/// What a sidecar says to a request. An etag that it tells is kept.
async fn said(sidecar: &Sidecar, request: Vec<u8>, etag: &mut String) -> Said {
    let answer = match exchange::ask(sidecar.http, &request).await {
        Ok(answer) => answer,
        Err(error) => return vec![("status".to_owned(), format!("none: {error}"))],
    };
    if let Some(told) = answer.field("etag") {
        told.clone_into(etag);
    }
    parts(sidecar, &answer)
}

/// The parts of an answer that are compared: status line, fields, body.
fn parts(sidecar: &Sidecar, answer: &Answer) -> Said {
    let mut parts = vec![("status".to_owned(), answer.status.clone())];
    let mut fields: Vec<_> = answer.fields.clone();
    fields.retain(|(name, _)| !LEFT_OUT.contains(&name.as_str()));
    fields.sort();
    for (name, value) in fields {
        parts.push((name, sidecar.mask.hide(&value)));
    }
    parts.push(("body".to_owned(), sidecar.mask.hide(&readable(&answer.body))));
    parts
}

/// What the application was sent, in the order of the requests.
fn heard(sidecar: &Sidecar) -> Said {
    let received = sidecar.app.as_ref().map(App::take).unwrap_or_default();
    let mut said = Vec::new();
    for request in received {
        let what = sidecar.mask.hide(&request.what);
        for (name, value) in request.headers {
            if !OF_SENDER.contains(&name.as_str()) {
                said.push((format!("{what} {name}"), sidecar.mask.hide(&value)));
            }
        }
        said.push((format!("{what} body"), sidecar.mask.hide(&readable(&request.body))));
    }
    said
}

/// Bytes as text; what is no UTF-8 is escaped.
fn readable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.escape_ascii().to_string(),
    }
}
