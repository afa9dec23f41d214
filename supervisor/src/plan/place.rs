//! Places in a plan's text, and the findings that gather at them.

use std::ops::Range;

use super::diagnostic::{At, Diagnostic, Related, Severity};

/// A key and where it, or what it is set to, stands in the text.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Such as `plugins.settings.restart`.
    pub(super) key: String,
    /// In bytes. None for a setting that is not written in the file.
    pub(super) span: Option<Range<usize>>,
}

/// What is wrong with a value, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Has the key as its subject: `is an integer`.
    pub(super) message: String,
    pub(super) help: Option<String>,
}

/// The diagnostics of one text, as they are found.
pub(super) struct Findings<'s> {
    source: &'s str,
    file: String,
    /// How much of the text is there before the space at its end.
    written: usize,
    /// Where each line begins.
    lines: Vec<usize>,
    list: Vec<Diagnostic>,
    /// Where the syntax is broken: whatever is found there besides only follows from that.
    broken: Vec<Range<usize>>,
    /// Whether a part of the text could not be understood, so that what seems to be missing may
    /// just not have been seen.
    partial: bool,
}

// === impl Place ===

impl Place {
    pub(super) fn new(key: impl Into<String>, span: Range<usize>) -> Self {
        Self { key: key.into(), span: Some(span) }
    }

    /// A setting that is not written in the file.
    pub(super) fn unwritten(key: impl Into<String>) -> Self {
        Self { key: key.into(), span: None }
    }
}

/// `path` with one more key, quoted where TOML asks for it.
pub(super) fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty()
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let dot = if path.is_empty() { "" } else { "." };
    if bare { format!("{path}{dot}{key}") } else { format!("{path}{dot}{key:?}") }
}

// === impl Fault ===

impl Fault {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: Some(help.into()) }
    }
}

// === impl Findings ===

impl<'s> Findings<'s> {
    pub(super) fn new(source: &'s str, file: String) -> Self {
        let ends = source.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        let written = source.trim_end().len();
        let (list, broken) = (Vec::new(), Vec::new());
        Self { source, file, written, lines, list, broken, partial: false }
    }

    pub(super) fn error(&mut self, place: &Place, fault: Fault) {
        self.push(Severity::Error, place, fault, Vec::new());
    }

    pub(super) fn warning(&mut self, place: &Place, fault: Fault) {
        self.push(Severity::Warning, place, fault, Vec::new());
    }

    /// An error that another place has to do with. That place is left out where it is not written.
    pub(super) fn conflict(&mut self, place: &Place, fault: Fault, other: &Place, says: &str) {
        let related = other.span.clone().map(|span| (span, says.to_owned()));
        self.push(Severity::Error, place, fault, related.into_iter().collect());
    }

    /// An error that is only known if all of the text was understood: something is not there.
    pub(super) fn missing(&mut self, place: &Place, fault: Fault) {
        if !self.partial {
            self.error(place, fault);
        }
    }

    /// A warning that is only known if all of the text was understood.
    pub(super) fn missing_warning(&mut self, place: &Place, fault: Fault) {
        if !self.partial {
            self.warning(place, fault);
        }
    }

    /// An error in the syntax. `lost` says that a part of the text could not be understood.
    pub(super) fn syntax(
        &mut self,
        span: Range<usize>,
        fault: Fault,
        first: Option<Range<usize>>,
        lost: bool,
    ) {
        let related = first
            .map(|span| Related { at: self.at(&span), message: "first given here".to_owned() });
        self.list.push(Diagnostic {
            severity: Severity::Error,
            file: self.file.clone(),
            at: Some(self.at(&span)),
            key: None,
            message: fault.message,
            help: fault.help,
            related: related.into_iter().collect(),
        });
        self.broken.push(span);
        self.partial |= lost;
    }

    /// Everything found, in the order of the text.
    pub(super) fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        self.list.sort_by_key(|it| (it.at.as_ref().map(|at| at.bytes.start), it.severity));
        self.list
    }

    fn push(
        &mut self,
        severity: Severity,
        place: &Place,
        fault: Fault,
        related: Vec<(Range<usize>, String)>,
    ) {
        if place.span.as_ref().is_some_and(|span| self.follows_from_syntax(span)) {
            return;
        }
        let related = related
            .into_iter()
            .map(|(span, message)| Related { at: self.at(&span), message })
            .collect();
        self.list.push(Diagnostic {
            severity,
            file: self.file.clone(),
            at: place.span.as_ref().map(|span| self.at(span)),
            key: Some(place.key.clone()),
            message: fault.message,
            help: fault.help,
            related,
        });
    }

    fn follows_from_syntax(&self, span: &Range<usize>) -> bool {
        self.broken.iter().any(|broken| span.start <= broken.end && broken.start <= span.end)
    }

    fn at(&self, span: &Range<usize>) -> At {
        // What is missing at the end is missing on the last line, not on the one after it.
        let last = if span.start < self.source.len() { span.start } else { self.written };
        let start = boundary(self.source, last);
        let end = boundary(self.source, span.end).max(start);
        let line = self.lines.partition_point(|begin| *begin <= start);
        // There is a line that begins at 0, so at least one begins at or before `start`.
        let text = &self.source[self.lines[line - 1]..start];
        let column = text.strip_prefix('\u{feff}').unwrap_or(text).chars().count() + 1;
        At { line, column, bytes: start..end }
    }
}

/// The nearest place at or before `at` where `text` may be cut.
fn boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
