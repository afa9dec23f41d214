//! One table of a report.

use std::fmt;

use comfy_table::{Cell as Shown, CellAlignment, ContentArrangement, presets};
use serde_json::Value;

/// Rows under named columns. A unit is part of its column's name.
#[derive(Debug)]
pub(crate) struct Table {
    title: &'static str,
    columns: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// What a column has in a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// Words.
    Text(String),
    /// A whole number.
    Count(u64),
    /// A number that is shown with two decimals.
    Number(f64),
    /// There is nothing to say.
    Nothing,
}

// === impl Table ===

impl Table {
    pub(crate) fn new(
        title: &'static str,
        columns: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        Self { title, columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let row: Vec<_> = cells.into_iter().collect();
        assert_eq!(row.len(), self.columns.len(), "a row of {:?} has another length", self.title);
        self.rows.push(row);
    }

    pub(crate) fn title(&self) -> &str {
        self.title
    }

    /// A list with an object per row.
    pub(crate) fn json(&self) -> Value {
        let object = |row: &Vec<Cell>| {
            let fields = self.columns.iter().zip(row);
            fields.map(|(column, cell)| ((*column).to_owned(), cell.json())).collect()
        };
        Value::Array(self.rows.iter().map(|row| Value::Object(object(row))).collect())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = comfy_table::Table::new();
        shown.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        shown.set_header(&self.columns);
        for row in &self.rows {
            shown.add_row(row.iter().map(Cell::shown));
        }
        writeln!(f, "{}", self.title)?;
        write!(f, "{}", shown.trim_fmt())
    }
}

// === impl Cell ===

impl Cell {
    fn json(&self) -> Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Count(count) => (*count).into(),
            Self::Number(number) => (*number).into(),
            Self::Nothing => Value::Null,
        }
    }

    fn shown(&self) -> Shown {
        match self {
            Self::Text(text) => Shown::new(text),
            Self::Count(count) => Shown::new(count).set_alignment(CellAlignment::Right),
            Self::Number(number) => {
                Shown::new(format!("{number:.2}")).set_alignment(CellAlignment::Right)
            }
            Self::Nothing => Shown::new("–").set_alignment(CellAlignment::Right),
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Cell {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(cell: Option<T>) -> Self {
        cell.map_or(Self::Nothing, Into::into)
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_program_reads_numbers_and_eyes_read_two_decimals() {
        let mut table = Table::new("starts", ["plugin", "median ms", "rounds"]);
        table.row(["sqlite".into(), 1.23456.into(), 30_usize.into()]);
        assert_eq!(
            table.json(),
            json!([{ "plugin": "sqlite", "median ms": 1.23456, "rounds": 30 }])
        );
        let text = table.to_string();
        assert!(text.starts_with("starts\n") && text.contains(" 1.23 "), "{text}");
    }
}
