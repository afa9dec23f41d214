//! What came of all calls: how many were answered alike, and each difference.

use super::marks::{Mark, Marks};
use crate::report::{Cell, Report, Table};

/// How much of a text the table shows, in characters. `--json` has all.
const SHOWN: usize = 160;

/// What a sidecar said to one call: its parts, by name, in their order.
pub(super) type Said = Vec<(String, String)>;

/// What is known of a call before it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// Both say the same.
    Same,
    /// replug does not have this yet, and says so.
    Later(&'static str),
}

/// The answers to all calls.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    marks: Marks,
    calls: usize,
    same: usize,
    /// Calls that are answered otherwise in parts that are known to differ, and in no others.
    meant_calls: usize,
    /// Calls of what replug has not yet.
    later: Vec<(String, &'static str)>,
    /// Differences on purpose, with their reasons.
    meant: Vec<(Difference, &'static str)>,
    differing: Vec<Difference>,
    differing_calls: usize,
}

/// One part of an answer that is not alike.
#[derive(Debug)]
struct Difference {
    group: String,
    call: String,
    part: String,
    daprd: Option<String>,
    replug: Option<String>,
}

// === impl Comparison ===

impl Comparison {
    /// Nothing compared yet; these parts are known to differ.
    pub(super) fn with_marks(marks: &'static [Mark]) -> Self {
        Self { marks: Marks::new(marks), ..Self::default() }
    }

    /// Whether the series of a call's metrics are known to differ.
    pub(super) fn sets_metrics_apart(&self, group: &str, call: &str) -> bool {
        self.marks.set_metrics_apart(group, call)
    }

    /// Adds the answers to one call.
    pub(super) fn add(
        &mut self,
        group: &str,
        call: &str,
        expected: Expected,
        daprd: &Said,
        replug: &Said,
    ) {
        self.calls += 1;
        if let Expected::Later(what) = expected {
            self.later.push((call.to_owned(), what));
            return;
        }
        let differences = differences(daprd, replug).map(|(part, daprd, replug)| Difference {
            group: group.to_owned(),
            call: call.to_owned(),
            part,
            daprd,
            replug,
        });
        self.marks.made(group);
        let (mut meant, mut differing) = (0, 0);
        for difference in differences {
            if let Some(reason) = self.marks.reason(group, call, &difference.part) {
                meant += 1;
                self.meant.push((difference, reason));
            } else {
                differing += 1;
                self.differing.push(difference);
            }
        }
        match (meant, differing) {
            (0, 0) => self.same += 1,
            (_, 0) => self.meant_calls += 1,
            _ => self.differing_calls += 1,
        }
    }

    /// Writes it down.
    pub(super) fn report(self, report: &mut Report, whole: bool) {
        let cut = |text: String| if whole { text } else { short(&text) };
        let columns = ["part", "daprd", "replug", "calls", "the first"];
        let mut table = Table::new("differences", columns);
        for (it, calls) in alike(self.differing) {
            let first = format!("{}: {}", it.group, it.call);
            table.row([
                cut(it.part).into(),
                it.daprd.map(cut).into(),
                it.replug.map(cut).into(),
                calls.into(),
                cut(first).into(),
            ] as [Cell; 5]);
        }
        report.table(table);
        let columns = ["part", "daprd", "replug", "calls", "the first", "reason"];
        let mut table = Table::new("differences on purpose", columns);
        for ((it, reason), calls) in alike(self.meant) {
            let first = format!("{}: {}", it.group, it.call);
            table.row([
                cut(it.part).into(),
                it.daprd.map(cut).into(),
                it.replug.map(cut).into(),
                calls.into(),
                cut(first).into(),
                reason.into(),
            ] as [Cell; 6]);
        }
        report.table(table);
        let mut table = Table::new("not there yet", ["call", "what"]);
        let later = self.later.len();
        for (call, what) in self.later {
            table.row([cut(call).into(), Cell::from(what)]);
        }
        report.table(table);
        report.setting("calls", self.calls);
        report.setting("answered alike", self.same);
        report.setting("otherwise on purpose", self.meant_calls);
        report.setting("not there yet", later);
        report.require_none("calls that are answered otherwise", self.differing_calls);
        let stale = self.marks.stale();
        report.require_none("calls said to differ that do not", stale.len());
        for call in stale {
            report.note(format!("does not differ: {call}"));
        }
    }
}

/// Each kind of difference once, with how many calls have it.
fn alike<D: Kind>(differences: Vec<D>) -> Vec<(D, usize)> {
    let mut kinds: Vec<(D, usize)> = Vec::new();
    for it in differences {
        match kinds.iter_mut().find(|(known, _)| known.kind() == it.kind()) {
            Some((_, calls)) => *calls += 1,
            None => kinds.push((it, 1)),
        }
    }
    kinds
}

/// What makes a difference the same as another.
trait Kind {
    fn kind(&self) -> (&str, Option<&str>, Option<&str>, &str);
}

impl Kind for Difference {
    fn kind(&self) -> (&str, Option<&str>, Option<&str>, &str) {
        (&self.part, self.daprd.as_deref(), self.replug.as_deref(), "")
    }
}

impl Kind for (Difference, &'static str) {
    fn kind(&self) -> (&str, Option<&str>, Option<&str>, &str) {
        let (part, daprd, replug, _) = self.0.kind();
        (part, daprd, replug, self.1)
    }
}

/// The parts that are not alike.
fn differences<'s>(
    daprd: &'s Said,
    replug: &'s Said,
) -> impl Iterator<Item = (String, Option<String>, Option<String>)> + 's {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in daprd.iter().chain(replug) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names.into_iter().filter_map(|name| {
        let (daprd, replug) = (part(daprd, name), part(replug, name));
        (daprd != replug).then(|| (name.to_owned(), daprd, replug))
    })
}

/// Every value of a part; none: it is not there.
fn part(said: &Said, name: &str) -> Option<String> {
    let values: Vec<_> =
        said.iter().filter(|(it, _)| it == name).map(|(_, value)| value.as_str()).collect();
    (!values.is_empty()).then(|| values.join("\n"))
}

/// One line of a bounded length.
fn short(text: &str) -> String {
    let line = text.replace('\r', "\\r").replace('\n', "\\n");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(parts: &[(&str, &str)]) -> Said {
        parts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    const MARKS: &[Mark] =
        &[Mark { groups: &["g"], calls: &["mark*"], parts: &["body"], reason: "a rule" }];

    #[test]
    fn only_what_is_not_alike_is_a_difference() {
        let mut comparison = Comparison::with_marks(MARKS);
        let (one, other) =
            (said(&[("status", "200"), ("body", "a")]), said(&[("status", "200"), ("body", "b")]));
        comparison.add("g", "same", Expected::Same, &one, &one);
        comparison.add("g", "differs", Expected::Same, &one, &other);
        comparison.add("g", "later", Expected::Later("what"), &one, &other);
        comparison.add("g", "marked", Expected::Same, &one, &other);
        let mut report = Report::new("compare");
        comparison.report(&mut report, false);
        let json = report.json();
        assert_eq!(json["settings"]["answered alike"], "1");
        assert_eq!(json["settings"]["otherwise on purpose"], "1");
        assert_eq!(json["tables"]["differences"][0]["daprd"], "a");
        assert_eq!(json["tables"]["differences on purpose"][0]["reason"], "a rule");
        assert_eq!(json["tables"]["not there yet"][0]["what"], "what");
        assert_eq!(json["held"], false);
    }
}
