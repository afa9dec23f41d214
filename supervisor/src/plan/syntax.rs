//! From a file to a tree of TOML: what is no text, and what is no TOML.
//!
//! The parser goes on after an error, but after some it has lost its way: an array that is not
//! closed swallows the tables below it. Such a place is reported, the text is cut there, and what
//! stands before it is read as usual; so a broken line does not hide what is wrong elsewhere, nor
//! is anything reported that only follows from it.

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostic, Severity};
use super::place::{Fault, Findings, TextId};

/// A plan's file may be this long, in bytes. Whatever is longer is no plan, and is not read whole.
const FILE_LIMIT: u64 = 1 << 20;

/// How often a text is cut and read again before the rest of it is given up. An array that is not
/// closed takes one for each of its lines.
const CUTS: usize = 64;

/// For how many keys that are given twice the first place is looked up; each takes a reading.
const FIRST_PLACES: usize = 32;

/// What the parser's messages begin with after which it has not lost its way. Any other error is
/// taken as one after which the tree cannot be trusted.
const LOCAL: [&str; 12] = [
    "string values must be quoted",
    "duplicate key",
    "cannot extend value",
    "unexpected leading zero",
    "unexpected sign",
    "redundant",
    "radix must be",
    "integers with a radix",
    "`_` may only",
    "too few unicode",
    "missing escaped value",
    "invalid unquoted key",
];

/// What the parser's messages begin with, and what would be right where they do not say it.
const HELP: [(&str, &str); 8] = [
    ("missing comma between array elements", "write a comma, or close the array before this"),
    ("missing comma between key-value pairs", "write a comma, or close the braces before this"),
    ("unclosed", "close it where it ends"),
    ("unexpected key or value", "begin a new line for the next key"),
    ("unexpected leading zero", "write the number without it"),
    ("invalid unquoted key", "put the key in quotes"),
    ("invalid multi-line", "close the text with three quotes, as it began"),
    ("missing escaped value", "write `\\\\` for a backslash, or put the text in single quotes"),
];

/// The content of the file, or what stands against it with as much of the content as can be shown.
pub(super) fn read_file(path: &Path) -> Result<String, (String, Box<Diagnostic>)> {
    let whole = |message: String, help: Option<&str>| {
        let diagnostic = Diagnostic {
            severity: Severity::Error,
            file: path.display().to_string(),
            at: None,
            key: None,
            message,
            help: help.map(str::to_owned),
            related: Vec::new(),
        };
        (String::new(), Box::new(diagnostic))
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_LIMIT + 1).read_to_end(&mut bytes))
        .map_err(|error| unreadable(&error))
        .map_err(|(message, help)| whole(message, help))?;
    if bytes.len() as u64 > FILE_LIMIT {
        let message = format!("the file is longer than {FILE_LIMIT} bytes");
        return Err(whole(message, Some("name the plugins.toml to read")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let start = error.utf8_error().valid_up_to();
        let byte = error.as_bytes()[start];
        let source = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let mut findings = Findings::new(&source, path.display().to_string());
        let fault = Fault::new(
            format!("the file is not UTF-8: byte 0x{byte:02x} at offset {start} is no text"),
            "save it as UTF-8",
        );
        // The first bad byte became the replacement character, and all before it stayed in place.
        let span = start..start + char::REPLACEMENT_CHARACTER.len_utf8();
        findings.syntax(TextId::PLAN, span, fault, None, true);
        let (mut found, _) = findings.into_diagnostics();
        (source, Box::new(found.remove(0)))
    })
}

fn unreadable(error: &io::Error) -> (String, Option<&'static str>) {
    match error.kind() {
        io::ErrorKind::NotFound => (
            "there is no such file".to_owned(),
            Some("write it, or name another one with --config FILE"),
        ),
        io::ErrorKind::IsADirectory => {
            ("this is a folder".to_owned(), Some("name the file in it with --config FILE"))
        }
        io::ErrorKind::PermissionDenied => (
            "the file may not be read: permission denied".to_owned(),
            Some("let the user that replug runs as read it"),
        ),
        io::ErrorKind::NotADirectory => {
            ("there is no such file: a part of its path is no folder".to_owned(), None)
        }
        _ => (format!("the file cannot be read: {error}"), None),
    }
}

/// Reads the text into a tree as far as it can be understood. `cut` is a copy of the text that
/// the tree borrows from, in which what was not understood is blank.
pub(super) fn parse<'t>(
    cut: &'t mut String,
    text: TextId,
    findings: &mut Findings<'_>,
) -> DeTable<'t> {
    let mut shortened = false;
    for _ in 0..CUTS {
        let (_, errors) = DeTable::parse_recoverable(cut);
        let errors = errors.iter().map(Wrong::new).filter(|wrong| !wrong.local);
        let Some(lost) = errors.min_by_key(|wrong| wrong.span.start) else { break };
        let written = cut.trim_end().len();
        // A shortened text may end within an array: that only says that its start goes too.
        if !(shortened && lost.span.start >= written) {
            findings.syntax(text, lost.span.clone(), lost.fault(cut), None, true);
        }
        let line = line_of(cut, lost.span.start.min(written));
        let blank = if lost.alone { line } else { line.start..cut.len() };
        shortened |= !lost.alone;
        blank_out(cut, blank);
    }
    let cut: &'t str = cut;
    let (tree, errors) = DeTable::parse_recoverable(cut);
    let errors: Vec<_> = errors.iter().map(Wrong::new).collect();
    if errors.iter().any(|wrong| !wrong.local) {
        return DeTable::new();
    }
    for (count, wrong) in errors.iter().enumerate() {
        let twice = wrong.message.starts_with("duplicate key");
        let first =
            if twice && count < FIRST_PLACES { first_place(cut, &wrong.span) } else { None };
        findings.syntax(text, wrong.span.clone(), wrong.fault(cut), first, false);
    }
    tree.into_inner()
}

/// An error of the parser.
struct Wrong {
    message: String,
    span: Range<usize>,
    /// The tree around it can be trusted.
    local: bool,
    /// Nothing but its own line is lost.
    alone: bool,
}

impl Wrong {
    fn new(error: &toml::de::Error) -> Self {
        let message = error.message().to_owned();
        let local = LOCAL.iter().any(|begin| message.starts_with(begin));
        let alone = message.starts_with("key with no value");
        Self { span: error.span().unwrap_or_default(), message, local, alone }
    }

    fn fault(&self, text: &str) -> Fault {
        let written = text.get(self.span.clone()).unwrap_or_default();
        if self.message.starts_with("string values must be quoted") {
            return if written.is_empty() {
                Fault::new("a value is missing after `=`", "write one, or take the key out")
            } else {
                let help = format!("write {written:?}, or a number, true or false");
                Fault::new(format!("`{written}` is text without quotes"), help)
            };
        }
        if self.message.starts_with("duplicate key") {
            let help = "keep one of the two; every key and every table is written once";
            return Fault::new(format!("`{written}` is given twice"), help);
        }
        if self.message.starts_with("key with no value") {
            return Fault::new("a key stands alone on its line", "write KEY = VALUE");
        }
        let help = HELP.iter().find(|(begin, _)| self.message.starts_with(begin));
        Fault { message: self.message.clone(), help: help.map(|(_, help)| (*help).to_owned()) }
    }
}

/// The line around `at`, without its end.
fn line_of(text: &str, at: usize) -> Range<usize> {
    let (before, after) = text.split_at(at);
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let end = after.find('\n').map_or(text.len(), |len| at + len);
    start..end
}

/// Puts spaces in place of everything in the range but line ends, so that places stay places.
fn blank_out(text: &mut String, range: Range<usize>) {
    let blank: String =
        text[range.clone()].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
    text.replace_range(range, &blank);
}

/// Where the key that is given for the second time at `second` was given first, if that is found.
fn first_place(text: &str, second: &Range<usize>) -> Option<Range<usize>> {
    let line = line_of(text, second.start);
    let key = text.get(second.clone())?;
    let (until, _) = DeTable::parse_recoverable(&text[..line.end]);
    if let Some(path) = path_of(until.get_ref(), second) {
        // A table: its second header took the place of the first in the tree.
        let (before, _) = DeTable::parse_recoverable(&text[..line.start]);
        return place_of(before.get_ref(), &path);
    }
    let table = innermost(&text[..line.end], until.get_ref(), second.start);
    latest(table, key, second.start)
}

/// The keys that lead to the one at `span`.
fn path_of(table: &DeTable<'_>, span: &Range<usize>) -> Option<Vec<String>> {
    table.iter().find_map(|(key, value)| {
        let own = key.get_ref().to_string();
        if key.span() == *span {
            return Some(vec![own]);
        }
        let mut path = path_of(value.get_ref().as_table()?, span)?;
        path.insert(0, own);
        Some(path)
    })
}

fn place_of(table: &DeTable<'_>, path: &[String]) -> Option<Range<usize>> {
    let (first, rest) = path.split_first()?;
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == first)?;
    if rest.is_empty() { Some(key.span()) } else { place_of(value.get_ref().as_table()?, rest) }
}

/// The table that a key at `at` belongs to: the one whose braces are around it, else the one with
/// the last header before it.
fn innermost<'t, 'i>(text: &str, root: &'t DeTable<'i>, at: usize) -> &'t DeTable<'i> {
    let mut tables = Vec::new();
    let mut open = vec![root];
    while let Some(table) = open.pop() {
        for value in table.values() {
            gather(value, &mut tables, &mut open);
        }
    }
    let around = tables.iter().filter(|(span, _)| span.contains(&at));
    let headed = |span: &Range<usize>| text[span.start..].starts_with('[') && span.end <= at;
    let before = tables.iter().filter(|(span, _)| headed(span));
    around
        .max_by_key(|(span, _)| span.start)
        .or_else(|| before.max_by_key(|(span, _)| span.start))
        .map_or(root, |(_, table)| table)
}

fn gather<'t, 'i>(
    value: &'t Spanned<DeValue<'i>>,
    tables: &mut Vec<(Range<usize>, &'t DeTable<'i>)>,
    open: &mut Vec<&'t DeTable<'i>>,
) {
    match value.get_ref() {
        DeValue::Table(table) => {
            tables.push((value.span(), table));
            open.push(table);
        }
        DeValue::Array(array) => array.iter().for_each(|item| gather(item, tables, open)),
        _ => {}
    }
}

/// The last key of that name before `at`, in the table or, where keys are dotted, below it.
fn latest(table: &DeTable<'_>, name: &str, at: usize) -> Option<Range<usize>> {
    let own = table.keys().find(|key| key.get_ref() == name.trim_matches(['"', '\'']));
    own.map(Spanned::span).filter(|span| span.start < at).or_else(|| {
        table
            .values()
            .filter_map(|value| latest(value.get_ref().as_table()?, name, at))
            .max_by_key(|span| span.start)
    })
}
