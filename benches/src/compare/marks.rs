//! Differences on purpose, that are known before the calls are made: which parts of which calls, and
//! why.

use std::collections::{BTreeSet, HashSet};

/// The part of a call that its own series of the metrics make, where they are known to differ.
pub(super) const METRICS: &str = "metrics";

/// Parts that differ for one reason. In calls and parts, a star stands for any text, also for none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    /// The groups of the calls.
    pub(super) groups: &'static [&'static str],
    /// The calls as the report shows them.
    pub(super) calls: &'static [&'static str],
    /// The parts that differ in at least one of these calls.
    pub(super) parts: &'static [&'static str],
    pub(super) reason: &'static str,
}

/// All marks of a comparison, and what has been found of them.
#[derive(Debug, Default)]
pub(super) struct Marks {
    marks: &'static [Mark],
    /// Mark and call, and mark and part, by their places, in which something differed.
    calls: HashSet<(usize, usize)>,
    parts: HashSet<(usize, usize)>,
    groups: BTreeSet<String>,
}

// === impl Marks ===

impl Marks {
    pub(super) fn new(marks: &'static [Mark]) -> Self {
        Self { marks, ..Self::default() }
    }

    /// Whether the series of this call's metrics are known to differ.
    pub(super) fn set_metrics_apart(&self, group: &str, call: &str) -> bool {
        self.of(group, call).any(|(_, _, mark)| mark.parts.contains(&METRICS))
    }

    /// Calls of this group have been made.
    pub(super) fn made(&mut self, group: &str) {
        if !self.groups.contains(group) {
            self.groups.insert(group.to_owned());
        }
    }

    /// Why a part that differs does so on purpose; none: it is not known to.
    pub(super) fn reason(&mut self, group: &str, call: &str, part: &str) -> Option<&'static str> {
        let found = self.of(group, call).find_map(|(mark, call, it)| {
            let part = it.parts.iter().position(|pattern| fits(pattern, part))?;
            Some((mark, call, part, it.reason))
        });
        let (mark, call, part, reason) = found?;
        self.calls.insert((mark, call));
        self.parts.insert((mark, part));
        Some(reason)
    }

    /// What is marked, of groups whose calls have been made, and does not differ.
    pub(super) fn stale(&self) -> Vec<String> {
        let made = |mark: &Mark| mark.groups.iter().all(|group| self.groups.contains(*group));
        let mut stale = Vec::new();
        for (at, mark) in self.marks.iter().enumerate().filter(|(_, mark)| made(mark)) {
            let groups = mark.groups.join(", ");
            for (call, pattern) in mark.calls.iter().enumerate() {
                if !self.calls.contains(&(at, call)) {
                    stale.push(format!("{groups}: {pattern}"));
                }
            }
            for (part, pattern) in mark.parts.iter().enumerate() {
                if !self.parts.contains(&(at, part)) {
                    stale.push(format!("{groups}: {}: {pattern}", mark.calls.join(", ")));
                }
            }
        }
        stale
    }

    /// The marks of a call, each with its place and that of the pattern which the call fits.
    fn of(&self, group: &str, call: &str) -> impl Iterator<Item = (usize, usize, &'static Mark)> {
        let marks = self.marks.iter().enumerate();
        marks.filter(move |(_, mark)| mark.groups.contains(&group)).filter_map(move |(at, mark)| {
            let pattern = mark.calls.iter().position(|pattern| fits(pattern, call))?;
            Some((at, pattern, mark))
        })
    }
}

/// Whether a text is what a pattern with stars stands for.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((beginning, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(beginning) else { return false };
    let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    ends.into_iter().any(|at| fits(rest, &text[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: &[Mark] = &[
        Mark {
            groups: &["g"],
            calls: &["GET /a*", "GET /b"],
            parts: &["body", "X-*"],
            reason: "r",
        },
        Mark { groups: &["other"], calls: &["*"], parts: &["body"], reason: "s" },
    ];

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, does) in [
            ("a*", "abc", true),
            ("a*", "a", true),
            ("*c", "abc", true),
            ("a*b*c", "a1b2c", true),
            ("a", "ab", false),
            ("a*b", "ac", false),
            ("*", "ü", true),
        ] {
            assert_eq!(fits(pattern, text), does, "{pattern} {text}");
        }
    }

    #[test]
    fn a_mark_whose_call_or_part_does_not_differ_is_stale_once_its_group_has_run() {
        let mut marks = Marks::new(MARKS);
        marks.made("g");
        assert_eq!(marks.reason("g", "GET /ab", "body"), Some("r"));
        assert_eq!(marks.reason("g", "GET /ab", "status"), None);
        assert_eq!(marks.reason("h", "GET /ab", "body"), None);
        assert_eq!(marks.stale(), ["g: GET /b", "g: GET /a*, GET /b: X-*"]);
        assert_eq!(marks.reason("g", "GET /b", "X-Y"), Some("r"));
        assert!(marks.stale().is_empty());
    }
}
