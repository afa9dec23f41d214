//! YAML as Dapr reads it: a tree whose every value knows its line.
//!
//! The parser is `saphyr-parser`, which is kept up and gives positions with every event. A tree is
//! built here, not by a serde crate over it, for three things that Dapr's users rely on: fields that
//! match in any case, values of any type, and plain scalars that mean what they mean in Go's YAML
//! (`yes` is true, `0777` is octal). It also bounds what a file can make of memory: how deep it
//! nests, and how much its aliases repeat.

mod scalar;

use std::collections::HashMap;
use std::fmt;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::Number;

/// How deep values may nest.
const MOST_DEEP: usize = 100;

/// How many values a document may have, those that its aliases repeat included.
const MOST_VALUES: usize = 100_000;

/// A value, and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The line of the file, counted from 1.
    pub line: usize,
    /// What it is.
    pub value: Value,
}

/// What a YAML value is.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing: empty, `~` or `null`.
    Null,
    /// A yes or no.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Fields, in the order of the file, each name once.
    Map(Vec<(String, Node)>),
}

/// What is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct YamlError {
    /// The line of the file, counted from 1.
    pub line: usize,
    /// What is wrong, with the field it is about.
    pub message: String,
}

/// A document that is being read.
struct Builder<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    /// The line of the file that stands before the document's first.
    before: usize,
    anchors: HashMap<usize, Node>,
    values: usize,
}

/// The first document of `text`, which begins after line `before` of its file; nothing where it is
/// empty.
pub(super) fn read(text: &str, before: usize) -> Result<Node, YamlError> {
    let parser = Parser::new_from_str(text);
    let mut builder = Builder { parser, before, anchors: HashMap::new(), values: 0 };
    loop {
        let (event, line) = builder.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            Event::StreamEnd | Event::DocumentEnd => return Ok(Node::null(line)),
            event => {
                let node = builder.node(event, line, 0)?;
                // What is left of the document has to be well-formed as well.
                while !matches!(builder.next()?.0, Event::DocumentEnd | Event::StreamEnd) {}
                return Ok(node);
            }
        }
    }
}

// === impl Builder ===

impl<'t> Builder<'t> {
    fn next(&mut self) -> Result<(Event<'t>, usize), YamlError> {
        match self.parser.next_event() {
            None => Ok((Event::StreamEnd, self.before + 1)),
            Some(Ok((event, span))) => Ok((event, self.before + span.start.line())),
            Some(Err(error)) => Err(YamlError {
                line: self.before + error.marker().line(),
                message: error.info().to_owned(),
            }),
        }
    }

    fn node(&mut self, event: Event<'t>, line: usize, depth: usize) -> Result<Node, YamlError> {
        let wrong = |message: String| YamlError { line, message };
        if depth > MOST_DEEP {
            return Err(wrong(format!("values nest deeper than {MOST_DEEP}")));
        }
        self.count(1, line)?;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                (scalar::read(&text, plain, tag.as_deref().and_then(core_tag)), anchor)
            }
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, line) => items.push(self.node(event, line, depth + 1)?),
                    }
                }
                (Value::List(items), anchor)
            }
            Event::MappingStart(anchor, _) => (Value::Map(self.fields(depth)?), anchor),
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).cloned();
                let mut node =
                    known.ok_or_else(|| wrong("an alias of what is not there yet".to_owned()))?;
                self.count(node.values(), line)?;
                node.line = line;
                return Ok(node);
            }
            _ => return Err(wrong("a value is missing".to_owned())),
        };
        let node = Node { line, value };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn fields(&mut self, depth: usize) -> Result<Vec<(String, Node)>, YamlError> {
        let mut fields: Vec<(String, Node)> = Vec::new();
        let mut merged: Vec<(String, Node)> = Vec::new();
        loop {
            let (event, line) = self.next()?;
            let is_merge = match &event {
                Event::MappingEnd => break,
                Event::Scalar(text, ScalarStyle::Plain, _, None) => text == "<<",
                _ => false,
            };
            let key = self.node(event, line, depth + 1)?;
            let (event, at) = self.next()?;
            let value = self.node(event, at, depth + 1)?;
            let wrong = |message: String| YamlError { line, message };
            if is_merge {
                for map in value.into_merged().map_err(wrong)? {
                    merged.extend(map);
                }
                continue;
            }
            let Some(key) = key.scalar_text() else {
                return Err(wrong("a field's name is a list or a table".to_owned()));
            };
            // As in Dapr.
            if let Some((_, known)) = fields.iter_mut().find(|(name, _)| *name == key) {
                tracing::warn!("line {line}: field `{key}` is there twice, and the last counts");
                *known = value;
            } else {
                fields.push((key, value));
            }
        }
        // What is written counts before what is merged in, and the first that is merged in.
        for (name, value) in merged {
            if !fields.iter().any(|(known, _)| *known == name) {
                fields.push((name, value));
            }
        }
        Ok(fields)
    }

    fn count(&mut self, more: usize, line: usize) -> Result<(), YamlError> {
        self.values += more;
        if self.values > MOST_VALUES {
            let message = format!("there are more than {MOST_VALUES} values, aliases included");
            return Err(YamlError { line, message });
        }
        Ok(())
    }
}

/// The name of a tag of YAML's core: `str` of `!!str`.
fn core_tag(tag: &Tag) -> Option<&str> {
    tag.is_yaml_core_schema().then_some(tag.suffix.as_str())
}

// === impl Node ===

impl Node {
    pub(super) fn null(line: usize) -> Self {
        Self { line, value: Value::Null }
    }

    /// How many values it is made of, itself included.
    fn values(&self) -> usize {
        1 + match &self.value {
            Value::List(items) => items.iter().map(Self::values).sum(),
            Value::Map(fields) => fields.iter().map(|(_, value)| value.values()).sum(),
            _ => 0,
        }
    }

    fn into_merged(self) -> Result<Vec<Vec<(String, Node)>>, String> {
        let wrong = || "`<<` takes a table or a list of tables".to_owned();
        match self.value {
            Value::Map(fields) => Ok(vec![fields]),
            Value::List(items) => items
                .into_iter()
                .map(|item| match item.value {
                    Value::Map(fields) => Ok(fields),
                    _ => Err(wrong()),
                })
                .collect(),
            _ => Err(wrong()),
        }
    }

    /// The field of this name: spelled so, else in any case. None where there is none, where it is
    /// nothing, and where this is no table.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Value::Map(fields) = &self.value else { return None };
        let exact = fields.iter().find(|(known, _)| known == name);
        let found = exact
            .or_else(|| fields.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(name)));
        found.map(|(_, value)| value).filter(|value| !value.is_null())
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// A text, a number or a yes or no as text, as Go writes it; none for lists and tables.
    #[must_use]
    pub fn scalar_text(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) => Some(text.clone()),
            Value::Bool(yes) => Some(yes.to_string()),
            Value::Number(number) => Some(scalar::number_text(number)),
            Value::Null => Some(String::new()),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The value as a component's metadata carries it: a list or a table as JSON, keys sorted.
    #[must_use]
    pub fn dynamic_text(&self) -> String {
        match self.scalar_text() {
            Some(text) => text,
            // These three occur inside strings alone, so the text stays JSON.
            None => (self.json().to_string())
                .replace('<', "\\u003c")
                .replace('>', "\\u003e")
                .replace('&', "\\u0026"),
        }
    }

    /// The value as JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(yes) => (*yes).into(),
            Value::Number(number) => scalar::json_number(number),
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::json).collect(),
            Value::Map(fields) => {
                let mut sorted: Vec<_> = fields.iter().collect();
                sorted.sort_by(|one, other| one.0.cmp(&other.0));
                let fields = sorted.into_iter().map(|(name, value)| (name.clone(), value.json()));
                serde_json::Value::Object(fields.collect())
            }
        }
    }
}

/// What kind of value it is, with its article.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a yes or no",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a table",
        })
    }
}
