//! The series that a sidecar's metrics have, and what they count.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::exchange;
use crate::Failure;
use crate::compare::comparison::Said;

/// What is said of each series: how often, but not how long or how much.
const COUNTED: &[&str] = &["_count", "_total", "_loaded"];

/// The application is asked for its health as often as the time allows.
const BY_TIME: &str = "dapr_http_healthprobes_";

/// Every series of Dapr's, by its name and labels.
#[derive(Debug, Clone, Default)]
pub(in crate::compare) struct Series {
    counts: BTreeMap<String, f64>,
    /// The upper bounds of each histogram.
    bounds: BTreeMap<String, BTreeSet<String>>,
}

// === impl Series ===

impl Series {
    pub(in crate::compare) async fn of(address: SocketAddr) -> Result<Self, Failure> {
        let answer =
            exchange::ask(address, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
        Ok(Self::parsed(&String::from_utf8_lossy(&answer.body)))
    }

    fn parsed(text: &str) -> Self {
        let mut series = Self::default();
        for line in text.lines().filter(|line| line.starts_with("dapr_")) {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let Some(family) = bare(name).strip_suffix("_bucket") else {
                series.counts.insert(name.to_owned(), value.parse().unwrap_or_default());
                continue;
            };
            let bound = name.rsplit_once("le=\"").map_or("", |(_, bound)| bound);
            let bound = bound.split('"').next().unwrap_or_default();
            let bounds = series.bounds.entry(family.to_owned()).or_default();
            bounds.insert(bound.to_owned());
        }
        series
    }

    /// How many times something has happened, by the name of the metric.
    pub(super) fn total(&self, metric: &str) -> usize {
        let counts = self.counts.iter().filter(|(name, _)| bare(name) == metric);
        let total: f64 = counts.map(|(_, count)| count).sum();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // They are counts.
        let total = total as usize;
        total
    }

    /// What is counted of requests that came over HTTP.
    pub(super) fn of_calls(mut self) -> Self {
        self.counts.retain(|name, _| name.starts_with("dapr_http_server_"));
        self
    }

    /// What has been counted since `before`.
    pub(super) fn since(mut self, before: &Self) -> Self {
        self.leave_out(before);
        self
    }

    /// Takes out what was counted of others, and the series that have counted nothing else.
    pub(super) fn leave_out(&mut self, others: &Self) {
        for (name, count) in &others.counts {
            if let Some(all) = self.counts.get_mut(name) {
                *all -= count;
            }
        }
        let counts = &self.counts;
        let nothing = |name: &str| counts.get(name).is_some_and(|count| *count == 0.0);
        let empty: Vec<_> =
            counts.keys().filter(|name| nothing(&counted_by(name))).cloned().collect();
        for name in empty {
            self.counts.remove(&name);
        }
    }

    /// Adds what was counted elsewhere.
    pub(super) fn add(&mut self, more: &Self) {
        for (name, count) in &more.counts {
            *self.counts.entry(name.clone()).or_default() += count;
        }
    }

    /// Leaves out the latencies of components that the other has not: daprd counts none of less than a
    /// millisecond.
    pub(in crate::compare) fn leave_out_short(&mut self, daprd: &Self) {
        let lasts =
            |name: &str| !name.starts_with("dapr_component_") || !name.contains("_latencies");
        self.counts.retain(|name, _| lasts(name) || daprd.counts.contains_key(name));
        self.bounds.retain(|name, _| lasts(name) || daprd.bounds.contains_key(name));
    }

    /// All of them as they are compared.
    pub(in crate::compare) fn said(&self) -> Said {
        let mut said = Vec::new();
        for (name, count) in &self.counts {
            let metric = bare(name);
            let counted = COUNTED.iter().any(|end| metric.ends_with(end));
            let counted =
                counted && !metric.contains("_latencies_") && !metric.starts_with(BY_TIME);
            said.push((name.clone(), if counted { count.to_string() } else { "some".to_owned() }));
        }
        for (family, bounds) in &self.bounds {
            let bounds: Vec<_> = bounds.iter().map(String::as_str).collect();
            said.push((format!("{family} by"), bounds.join(" ")));
        }
        said
    }

    /// The same in one text, without sums.
    pub(super) fn told(&self) -> String {
        let counts = self.counts.iter().filter(|(name, _)| !bare(name).ends_with("_sum"));
        let lines: Vec<_> = counts.map(|(name, count)| format!("{name} +{count}")).collect();
        lines.join("\n")
    }
}

/// The name without labels.
fn bare(name: &str) -> &str {
    name.split('{').next().unwrap_or(name)
}

/// The series that says how often there was something for this one: of a sum, that of its count.
fn counted_by(name: &str) -> String {
    match bare(name).strip_suffix("_sum") {
        Some(family) => format!("{family}_count{}", &name[bare(name).len()..]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_leaves_no_series_behind() {
        let mut all = Series::parsed(
            "dapr_a_count{x=\"1\"} 3\ndapr_b_count{} 2\ndapr_b_sum{} 1.5\n\
             dapr_b_bucket{le=\"1\"} 2\ndapr_b_bucket{le=\"+Inf\"} 2\ngo_c 1",
        );
        let apart = Series::parsed("dapr_a_count{x=\"1\"} 1\ndapr_b_count{} 2\ndapr_b_sum{} 1.5");
        assert_eq!(all.total("dapr_a_count"), 3);
        assert_eq!(apart.told(), "dapr_a_count{x=\"1\"} +1\ndapr_b_count{} +2");
        all.leave_out(&apart);
        let said: Vec<_> =
            all.said().into_iter().map(|(name, value)| format!("{name} {value}")).collect();
        assert_eq!(said, ["dapr_a_count{x=\"1\"} 2", "dapr_b by +Inf 1"]);
    }
}
