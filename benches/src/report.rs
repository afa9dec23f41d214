//! What a benchmark ends in: tables, requirements and notes, for eyes or for programs.

mod table;

use std::fmt;

use serde_json::{Value, json};

pub(crate) use self::table::{Cell, Table};

/// What came of a benchmark.
#[derive(Debug)]
pub(crate) struct Report {
    benchmark: &'static str,
    settings: Vec<(&'static str, String)>,
    tables: Vec<Table>,
    requirements: Vec<Requirement>,
    notes: Vec<String>,
}

/// A number that has to be met, and how it was.
#[derive(Debug)]
struct Requirement {
    what: String,
    limit: String,
    measured: String,
    held: bool,
}

// === impl Report ===

impl Report {
    /// A report that says nothing yet but where it was made.
    pub(crate) fn new(benchmark: &'static str) -> Self {
        let mut report = Self {
            benchmark,
            settings: Vec::new(),
            tables: Vec::new(),
            requirements: Vec::new(),
            notes: Vec::new(),
        };
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        report.setting("cores", cores);
        report
    }

    /// What the figures depend on.
    pub(crate) fn setting(&mut self, name: &'static str, value: impl fmt::Display) {
        self.settings.push((name, value.to_string()));
    }

    pub(crate) fn table(&mut self, table: Table) {
        self.tables.push(table);
    }

    /// A number that has to be met.
    pub(crate) fn require(
        &mut self,
        what: impl Into<String>,
        limit: impl fmt::Display,
        measured: impl fmt::Display,
        held: bool,
    ) {
        self.requirements.push(Requirement {
            what: what.into(),
            limit: limit.to_string(),
            measured: measured.to_string(),
            held,
        });
    }

    /// A count that has to be zero.
    pub(crate) fn require_none(&mut self, what: impl Into<String>, count: usize) {
        self.require(what, "none", count, count == 0);
    }

    /// Something that a reader of the figures should know.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Whether every requirement held.
    pub(crate) fn held(&self) -> bool {
        self.requirements.iter().all(|requirement| requirement.held)
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let settings: serde_json::Map<_, _> =
            self.settings.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let tables: serde_json::Map<_, _> =
            self.tables.iter().map(|table| (table.title().to_owned(), table.json())).collect();
        let requirements: Vec<_> = self.requirements.iter().map(Requirement::json).collect();
        json!({
            "benchmark": self.benchmark,
            "held": self.held(),
            "settings": settings,
            "tables": tables,
            "requirements": requirements,
            "notes": self.notes,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings: Vec<_> =
            self.settings.iter().map(|(name, value)| format!("{name} {value}")).collect();
        writeln!(f, "{}: {}", self.benchmark, settings.join(", "))?;
        for table in &self.tables {
            writeln!(f, "\n{table}")?;
        }
        if !self.requirements.is_empty() {
            writeln!(f)?;
        }
        for requirement in &self.requirements {
            writeln!(f, "{requirement}")?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        Ok(())
    }
}

// === impl Requirement ===

impl Requirement {
    fn json(&self) -> Value {
        json!({
            "what": self.what,
            "limit": self.limit,
            "measured": self.measured,
            "held": self.held,
        })
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.held { "held  " } else { "MISSED" };
        write!(f, "{word} {}: {} (limit: {})", self.what, self.measured, self.limit)
    }
}
