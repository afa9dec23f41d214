//! What the log says of how is measured, in daprd's lines.

use std::fmt::Write as _;

use replug_runtime::resources::{Configuration, Node, Value};
use replug_runtime::telemetry::LATENCY_BOUNDS;

/// The scope of what is said.
const DIAGNOSTICS: &str = "dapr.runtime.diagnostics";

/// The fields of the metrics' part of a Configuration, in the order in which they are told.
const FIELDS: [&str; 5] =
    ["enabled", "recordErrorCodes", "http", "latencyDistributionBuckets", "rules"];

/// The same of its `http`.
const OF_HTTP: [&str; 3] = ["increasedCardinality", "pathMatching", "excludeVerbs"];

/// Tells how is measured.
pub(super) fn tell(configuration: &Configuration) {
    tracing::info!(target: DIAGNOSTICS, "metric spec: {}", of(&configuration.document));
    let (whose, buckets) = match &configuration.metrics.latency_buckets[..] {
        [] => ("default", &LATENCY_BOUNDS[..]),
        given => ("custom", given),
    };
    let bounds: Vec<_> = buckets.iter().map(ToString::to_string).collect();
    tracing::info!(
        target: DIAGNOSTICS,
        "Using {whose} latency distribution buckets: [{}]",
        bounds.join(" ")
    );
}

/// That part of the document as JSON. `metrics` counts before `metric`, field by field.
fn of(document: &Node) -> String {
    let spec = document.get("spec");
    let said = |name: &str| {
        let part = |part: &str| spec?.get(part)?.get(name).filter(|said| !said.is_null());
        part("metrics").or_else(|| part("metric"))
    };
    let told = FIELDS.into_iter().filter_map(|name| {
        let text = match (name, said(name)) {
            ("enabled", None) => "true".to_owned(),
            (_, None) => return None,
            ("http", Some(http)) => object(OF_HTTP.into_iter().filter_map(|name| {
                Some((name, http.get(name).filter(|said| !said.is_null())?.json().to_string()))
            })),
            ("rules", Some(rules)) => list(rules, |rule| {
                let labels =
                    |labels: &Node| list(labels, |label| ordered(label, &["name", "regex"], text));
                ordered(rule, &["name", "labels"], |name, part| match name {
                    "labels" => labels(part),
                    _ => text(name, part),
                })
            }),
            (_, Some(said)) => said.json().to_string(),
        };
        Some((name, text))
    });
    object(told)
}

/// A value as JSON.
fn text(_: &str, value: &Node) -> String {
    value.json().to_string()
}

/// A list as JSON, each item as `tell` tells it.
fn list(list: &Node, tell: impl Fn(&Node) -> String) -> String {
    let Value::List(items) = &list.value else { return text("", list) };
    format!("[{}]", items.iter().map(tell).collect::<Vec<_>>().join(","))
}

/// A table as JSON, its fields in this order.
fn ordered(table: &Node, names: &[&str], tell: impl Fn(&str, &Node) -> String) -> String {
    object(names.iter().filter_map(|name| Some((*name, tell(name, table.get(name)?)))))
}

fn object<'n>(fields: impl Iterator<Item = (&'n str, String)>) -> String {
    let mut text = String::from("{");
    for (at, (name, value)) in fields.enumerate() {
        let comma = if at == 0 { "" } else { "," };
        // Writing to a String does not fail.
        let _ = write!(text, "{comma}\"{name}\":{value}");
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn told(text: &str) -> String {
        let read = Configuration::default().over(text, Path::new("c.yaml")).unwrap();
        of(&read.document)
    }

    #[test]
    fn what_is_said_of_metrics_is_told_in_daprds_order() {
        assert_eq!(told(""), r#"{"enabled":true}"#);
        assert_eq!(
            told("spec: {metrics: {http: {increasedCardinality: false}}}"),
            r#"{"enabled":true,"http":{"increasedCardinality":false}}"#
        );
        assert_eq!(
            told(
                "spec: {metric: {rules: [{labels: [{regex: {b: two, a: one}, name: path}], name: some}]}}"
            ),
            r#"{"enabled":true,"rules":[{"name":"some","labels":[{"name":"path","regex":{"a":"one","b":"two"}}]}]}"#
        );
        let all = "spec:\n  metric: {enabled: false, recordErrorCodes: true}\n  metrics:\n    \
                   latencyDistributionBuckets: [5, 10]\n    enabled: true\n    http: {excludeVerbs: \
                   true, pathMatching: [/a]}\n";
        assert_eq!(
            told(all),
            r#"{"enabled":true,"recordErrorCodes":true,"http":{"pathMatching":["/a"],"excludeVerbs":true},"latencyDistributionBuckets":[5,10]}"#
        );
    }
}
