//! What is wrong with a plan, said so that a person or a program can act on it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

use serde::Serialize;

use super::{Plan, render};

/// What came of reading a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The plan; none where one diagnostic or more is an error.
    pub plan: Option<Plan>,
    /// The control socket, as far as the file says where it is: there also where the file is wrong
    /// elsewhere, and none where it is no TOML or cannot be read.
    pub control: Option<PathBuf>,
    /// Everything that is wrong, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    /// The text that was read, for [`Checked::render`] to quote; empty where none could be.
    pub source: String,
    /// The texts of the files that it includes, by the names that diagnostics call them.
    pub included: BTreeMap<String, String>,
}

/// One thing that is wrong with a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Whether there is a plan in spite of it.
    pub severity: Severity,
    /// The file, as it was named by whoever had it read.
    pub file: String,
    /// Where in the file; none where it is about the file as a whole.
    #[serde(flatten)]
    pub at: Option<At>,
    /// The key that it is about, such as `plugins.settings.restart`. None where the file as a whole
    /// or its syntax is wrong.
    pub key: Option<String>,
    /// What is wrong. Where there is a key, the sentence has it as its subject: `is an integer`.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
    /// Other places that have to do with it.
    pub related: Vec<Related>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// There is no plan until the file is edited, or the environment that it names.
    Error,
    /// There is a plan, and a part of it will not work until something besides the file changes.
    Warning,
}

/// A place in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct At {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// In bytes, within the source.
    #[serde(skip)]
    pub bytes: Range<usize>,
}

/// A place that has to do with a diagnostic, and what it has to do with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Related {
    /// The file, where it is another than the diagnostic's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Where.
    #[serde(flatten)]
    pub at: At,
    /// What is there.
    pub message: String,
}

// === impl Checked ===

impl Checked {
    /// How many diagnostics are errors.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|it| it.severity == Severity::Error).count()
    }

    /// How many diagnostics are warnings.
    #[must_use]
    pub fn warnings(&self) -> usize {
        self.diagnostics.len() - self.errors()
    }

    /// The text of a file that a diagnostic names.
    pub(super) fn text_of(&self, file: &str) -> &str {
        self.included.get(file).unwrap_or(&self.source)
    }

    /// Writes every diagnostic for eyes, with the line of the file that it is about, and a line
    /// that counts them. Nothing where there is none. `colour` is for terminals.
    pub fn render(&self, colour: bool, out: &mut dyn io::Write) -> io::Result<()> {
        render::render(self, colour, out)
    }
}

// === impl Diagnostic ===

impl Diagnostic {
    /// The sentence of what is wrong, with its subject: `` `runtime.http` is an integer ``.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.key {
            Some(key) => format!("`{key}` {}", self.message),
            None => self.message.clone(),
        }
    }
}

/// One line, as compilers write it: `plugins.toml:3:8: error: … ; …`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(at) = &self.at {
            write!(f, ":{}:{}", at.line, at.column)?;
        }
        write!(f, ": {}: {}", self.severity, self.title())?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

// === impl Severity ===

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}
