//! Places in a plan's texts, and the findings that gather at them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use super::diagnostic::{At, Diagnostic, Related, Severity};
use super::resources::quoted;

/// A key and where it, or what it is set to, stands in the text.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Such as `plugins.settings.restart`.
    pub(super) key: String,
    /// In bytes. None for a setting that is not written in the file.
    pub(super) span: Option<Range<usize>>,
    /// Which of the plan's texts it stands in.
    pub(super) text: TextId,
}

/// One of the texts that make a plan, counted from 0, the plan's own file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TextId(usize);

/// What is wrong with a value, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Has the key as its subject: `is an integer`.
    pub(super) message: String,
    pub(super) help: Option<String>,
}

/// The diagnostics of a plan's texts, as they are found.
pub(super) struct Findings<'s> {
    texts: Vec<Text<'s>>,
    list: Vec<(TextId, Diagnostic)>,
    /// Whether a part of some text could not be understood, so that what seems to be missing may
    /// just not have been seen.
    partial: bool,
}

/// One text that makes a plan.
struct Text<'s> {
    file: String,
    source: Cow<'s, str>,
    /// How much of the text is there before the space at its end.
    written: usize,
    /// Where each line begins.
    lines: Vec<usize>,
    /// Where the syntax is broken: whatever is found there besides only follows from that.
    broken: Vec<Range<usize>>,
}

// === impl Place ===

impl Place {
    pub(super) fn new(text: TextId, key: impl Into<String>, span: Range<usize>) -> Self {
        Self { key: key.into(), span: Some(span), text }
    }

    /// A setting that is not written in the file.
    pub(super) fn unwritten(text: TextId, key: impl Into<String>) -> Self {
        Self { key: key.into(), span: None, text }
    }
}

/// `path` with one more key, quoted where TOML asks for it.
pub(super) fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty()
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let dot = if path.is_empty() { "" } else { "." };
    if bare { format!("{path}{dot}{key}") } else { format!("{path}{dot}{key:?}") }
}

// === impl TextId ===

impl TextId {
    /// The plan's own file.
    pub(super) const PLAN: Self = Self(0);
}

// === impl Fault ===

impl Fault {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: Some(help.into()) }
    }
}

// === impl Findings ===

impl<'s> Findings<'s> {
    /// Those of a plan whose own file is called `file` and has this in it.
    pub(super) fn new(source: &'s str, file: String) -> Self {
        let texts = vec![Text::new(Cow::Borrowed(source), file)];
        Self { texts, list: Vec::new(), partial: false }
    }

    /// Takes in one more text that belongs to the plan.
    pub(super) fn include(&mut self, source: String, file: String) -> TextId {
        self.texts.push(Text::new(Cow::Owned(source), file));
        TextId(self.texts.len() - 1)
    }

    /// What is wrong with a text as a whole, so that nothing in it was seen.
    pub(super) fn unreadable(&mut self, text: TextId, diagnostic: Diagnostic) {
        self.list.push((text, diagnostic));
        self.partial = true;
    }

    pub(super) fn error(&mut self, place: &Place, fault: Fault) {
        self.push(Severity::Error, place, fault, Vec::new());
    }

    pub(super) fn warning(&mut self, place: &Place, fault: Fault) {
        self.push(Severity::Warning, place, fault, Vec::new());
    }

    /// An error that another place has to do with. That place is left out where it is not written.
    pub(super) fn conflict(&mut self, place: &Place, fault: Fault, other: &Place, says: &str) {
        let related = other.span.as_ref().map(|span| {
            let file = (other.text != place.text).then(|| self.text(other.text).file.clone());
            Related { file, at: self.text(other.text).at(span), message: says.to_owned() }
        });
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

    /// Whether all of every text was understood.
    pub(super) fn is_whole(&self) -> bool {
        !self.partial
    }

    /// What is wrong with a file that is no text of the plan.
    pub(super) fn elsewhere(
        &mut self,
        file: &Path,
        line: Option<usize>,
        severity: Severity,
        message: String,
        help: Option<&str>,
    ) {
        let name = file.display().to_string();
        let known = self.texts.iter().position(|text| text.file == name);
        let text = known.map_or_else(|| self.include(quoted(file), name), TextId);
        let within = self.text(text);
        let at = line.and_then(|line| {
            let start = *within.lines.get(line.checked_sub(1)?)?;
            let end = within.lines.get(line).copied().unwrap_or(within.source.len());
            let written = within.source[start..end].trim_end().len();
            Some(At { line, column: 1, bytes: start..start + written })
        });
        let file = within.file.clone();
        let help = help.map(str::to_owned);
        let diagnostic =
            Diagnostic { severity, file, at, key: None, message, help, related: Vec::new() };
        self.list.push((text, diagnostic));
    }

    /// An error in the syntax. `lost` says that a part of the text could not be understood.
    pub(super) fn syntax(
        &mut self,
        text: TextId,
        span: Range<usize>,
        fault: Fault,
        first: Option<Range<usize>>,
        lost: bool,
    ) {
        let within = self.text(text);
        let related = first.map(|span| Related {
            file: None,
            at: within.at(&span),
            message: "first given here".to_owned(),
        });
        let diagnostic = Diagnostic {
            severity: Severity::Error,
            file: within.file.clone(),
            at: Some(within.at(&span)),
            key: None,
            message: fault.message,
            help: fault.help,
            related: related.into_iter().collect(),
        };
        self.list.push((text, diagnostic));
        self.texts[text.0].broken.push(span);
        self.partial |= lost;
    }

    /// Everything found, in the order of the texts, and the texts that were included, by the names
    /// that diagnostics call them.
    pub(super) fn into_diagnostics(mut self) -> (Vec<Diagnostic>, BTreeMap<String, String>) {
        self.list.sort_by_key(|(text, it)| {
            (*text, it.at.as_ref().map(|at| at.bytes.start), it.severity)
        });
        let list = self.list.into_iter().map(|(_, diagnostic)| diagnostic).collect();
        let included = self.texts.into_iter().skip(1);
        (list, included.map(|text| (text.file, text.source.into_owned())).collect())
    }

    fn push(&mut self, severity: Severity, place: &Place, fault: Fault, related: Vec<Related>) {
        let text = self.text(place.text);
        if place.span.as_ref().is_some_and(|span| text.follows_from_syntax(span)) {
            return;
        }
        let diagnostic = Diagnostic {
            severity,
            file: text.file.clone(),
            at: place.span.as_ref().map(|span| text.at(span)),
            key: Some(place.key.clone()),
            message: fault.message,
            help: fault.help,
            related,
        };
        self.list.push((place.text, diagnostic));
    }

    fn text(&self, text: TextId) -> &Text<'s> {
        // The only way to an id is `include`, and no text is taken out.
        &self.texts[text.0]
    }
}

// === impl Text ===

impl<'s> Text<'s> {
    fn new(source: Cow<'s, str>, file: String) -> Self {
        let ends = source.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        let written = source.trim_end().len();
        Self { file, source, written, lines, broken: Vec::new() }
    }

    fn follows_from_syntax(&self, span: &Range<usize>) -> bool {
        self.broken.iter().any(|broken| span.start <= broken.end && broken.start <= span.end)
    }

    fn at(&self, span: &Range<usize>) -> At {
        // What is missing at the end is missing on the last line, not on the one after it.
        let last = if span.start < self.source.len() { span.start } else { self.written };
        let start = boundary(&self.source, last);
        let end = boundary(&self.source, span.end).max(start);
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
