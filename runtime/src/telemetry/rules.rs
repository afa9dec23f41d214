//! `metrics.rules` of the Configuration: labels whose values are changed before they are counted.

use std::borrow::Cow;

use regex::Regex;

use crate::resources::MetricsRule;

/// All rules.
#[derive(Debug, Default)]
pub(super) struct Rules(Vec<Rule>);

/// The rule of one label of one metric.
#[derive(Debug)]
struct Rule {
    metric: String,
    label: String,
    changes: Vec<Change>,
}

/// What takes the place of what an expression finds.
#[derive(Debug, Clone)]
struct Change {
    expression: Regex,
    replacement: String,
}

/// The rules of one metric's labels, in the order of these.
#[derive(Debug)]
pub(super) struct LabelRules(Vec<Vec<Change>>);

// === impl Rules ===

impl Rules {
    /// The rules as they are written. An expression that is none is left out and told.
    pub(super) fn new(written: &[MetricsRule]) -> Self {
        let rule = |metric: &str, label: &str, changes: &[(String, String)]| Rule {
            metric: metric.to_owned(),
            label: label.to_owned(),
            changes: changes.iter().filter_map(|change| Change::new(metric, change)).collect(),
        };
        let rules = written.iter().flat_map(|written| {
            let metric = bare(&written.name);
            written.labels.iter().map(move |(label, changes)| rule(&metric, label, changes))
        });
        Self(rules.collect())
    }

    /// What is to be done with the labels of a metric; none where nothing is.
    pub(super) fn of(&self, metric: &str, labels: &[&str]) -> Option<Box<LabelRules>> {
        let of_labels: Vec<_> =
            labels.iter().map(|label| self.changes(metric, label).cloned().collect()).collect();
        let any = of_labels.iter().any(|changes: &Vec<_>| !changes.is_empty());
        any.then(|| Box::new(LabelRules(of_labels)))
    }

    /// The value of a metric's label as its rules make it.
    pub(super) fn changed(&self, metric: &str, label: &str, value: &str) -> String {
        let changed = self.changes(metric, label).fold(value.into(), Change::apply);
        changed.into_owned()
    }

    fn changes(&self, metric: &str, label: &str) -> impl Iterator<Item = &Change> {
        let metric = bare(metric);
        let found = self.0.iter().filter(move |rule| rule.metric == metric && rule.label == label);
        found.flat_map(|rule| &rule.changes)
    }
}

/// A metric's name as rules are compared by it: `dapr_` may be there, and gRPC's may have their dot,
/// which Dapr asks for in rules and does not show. Names with slashes are those that Dapr has for
/// its own.
fn bare(name: &str) -> String {
    name.strip_prefix("dapr_").unwrap_or(name).replace(['.', '/'], "_")
}

// === impl Change ===

impl Change {
    fn new(metric: &str, (replacement, expression): &(String, String)) -> Option<Self> {
        let compiled = Regex::new(expression).inspect_err(|error| {
            tracing::error!(
                "the rule of the metric {metric} with the expression {expression:?} is left out: \
                 {error}"
            );
        });
        Some(Self { expression: compiled.ok()?, replacement: replacement.clone() })
    }

    fn apply<'v>(value: Cow<'v, str>, change: &Self) -> Cow<'v, str> {
        match change.expression.replace_all(&value, &change.replacement) {
            Cow::Borrowed(_) => value,
            Cow::Owned(changed) => changed.into(),
        }
    }
}

// === impl LabelRules ===

impl LabelRules {
    /// The values as they are counted. An empty one stays empty, as in Dapr.
    pub(super) fn changed<'v>(&self, values: &[&'v str]) -> Vec<Cow<'v, str>> {
        let changed = values.iter().zip(&self.0).map(|(value, changes)| {
            let value = Cow::Borrowed(*value);
            if value.is_empty() { value } else { changes.iter().fold(value, Change::apply) }
        });
        changed.collect()
    }
}
