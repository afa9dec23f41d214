//! The series that a sidecar's metrics have, and what they count.

use std::net::SocketAddr;

use super::exchange;
use crate::Failure;
use crate::compare::comparison::Said;

/// What is said of each series: how often, but not how long or how much.
const COUNTED: &[&str] = &["_count", "_total", "_loaded"];

/// Every series of Dapr's, by its name and labels. Latencies and sizes have no number.
pub(in crate::compare) async fn of(address: SocketAddr) -> Result<Said, Failure> {
    let answer =
        exchange::ask(address, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let mut series = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("dapr_")) {
        let Some((name, value)) = line.rsplit_once(' ') else { continue };
        let bare = name.split('{').next().unwrap_or(name);
        // daprd leaves out what took less than a millisecond.
        if bare.ends_with("_bucket") || bare.contains("_latencies_") {
            continue;
        }
        let counted = COUNTED.iter().any(|end| bare.ends_with(end));
        series.push((name.to_owned(), if counted { value } else { "some" }.to_owned()));
    }
    series.sort();
    Ok(series)
}
