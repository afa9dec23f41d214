//! Typed fields of a document, each fault with its line and the path of its field.

use super::yaml::{Node, Value, YamlError};

/// A field that holds what it cannot hold.
pub type FieldError = YamlError;

/// A table and where it stands in its document.
#[derive(Clone, Copy)]
pub(super) struct Fields<'d> {
    node: &'d Node,
    path: &'d str,
}

impl<'d> Fields<'d> {
    /// The document itself.
    pub(super) fn of(document: &'d Node) -> Result<Self, FieldError> {
        let fields = Self { node: document, path: "" };
        match document.value {
            Value::Map(_) => Ok(fields),
            ref other => Err(YamlError {
                line: document.line,
                message: format!("the document is {other}; write `apiVersion`, `kind` and so on"),
            }),
        }
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn mistyped(&self, name: &str, found: &Node, wanted: &str) -> FieldError {
        let path = self.path_of(name);
        YamlError {
            line: found.line,
            message: format!("`{path}` is {}; write {wanted}", found.value),
        }
    }

    /// That this field's value is not what it can be.
    pub(super) fn wrong(&self, name: &str, message: &str) -> FieldError {
        let line = self.node.get(name).map_or(self.node.line, |found| found.line);
        YamlError { line, message: format!("`{}` {message}", self.path_of(name)) }
    }

    pub(super) fn node(&self, name: &str) -> Option<&'d Node> {
        self.node.get(name)
    }

    /// A text; numbers and the like count as their text.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, FieldError> {
        let Some(found) = self.node.get(name) else { return Ok(None) };
        found.scalar_text().map(Some).ok_or_else(|| self.mistyped(name, found, "a text"))
    }

    pub(super) fn bool(&self, name: &str) -> Result<Option<bool>, FieldError> {
        match self.node.get(name) {
            None => Ok(None),
            Some(Node { value: Value::Bool(yes), .. }) => Ok(Some(*yes)),
            Some(found) => Err(self.mistyped(name, found, "true or false")),
        }
    }

    /// A whole number.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, FieldError> {
        let Some(found) = self.node.get(name) else { return Ok(None) };
        let number = match &found.value {
            Value::Number(number) => number.as_i64(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| self.mistyped(name, found, "a whole number"))
    }

    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, FieldError> {
        let Some(found) = self.node.get(name) else { return Ok(None) };
        let Value::List(items) = &found.value else {
            return Err(self.mistyped(name, found, "a list of texts"));
        };
        let text = |item: &Node| {
            item.scalar_text().ok_or_else(|| self.mistyped(name, item, "a text in the list"))
        };
        items.iter().map(text).collect::<Result<_, _>>().map(Some)
    }

    /// Names and texts, in the order of the file.
    pub(super) fn map(&self, name: &str) -> Result<Vec<(String, String)>, FieldError> {
        let Some(found) = self.node.get(name) else { return Ok(Vec::new()) };
        let Value::Map(entries) = &found.value else {
            return Err(self.mistyped(name, found, "a table of texts"));
        };
        let entry = |(key, value): &(String, Node)| match value.scalar_text() {
            Some(text) => Ok((key.clone(), text)),
            None => Err(self.mistyped(&format!("{name}.{key}"), value, "a text")),
        };
        entries.iter().map(entry).collect()
    }

    /// What `read` makes of the table at `name`; none where it is not there.
    pub(super) fn table<T>(
        &self,
        name: &str,
        read: impl FnOnce(Fields<'_>) -> Result<T, FieldError>,
    ) -> Result<Option<T>, FieldError> {
        let Some(found) = self.node.get(name) else { return Ok(None) };
        let Value::Map(_) = found.value else {
            return Err(self.mistyped(name, found, "a table"));
        };
        read(Fields { node: found, path: &self.path_of(name) }).map(Some)
    }

    /// What `read` makes of each table in the list at `name`; none where it is not there.
    pub(super) fn tables<T>(
        &self,
        name: &str,
        mut read: impl FnMut(Fields<'_>) -> Result<T, FieldError>,
    ) -> Result<Option<Vec<T>>, FieldError> {
        let Some(found) = self.node.get(name) else { return Ok(None) };
        let Value::List(items) = &found.value else {
            return Err(self.mistyped(name, found, "a list of tables"));
        };
        let mut all = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            let name = format!("{name}[{at}]");
            // As in Dapr, nothing is a table without fields.
            if !matches!(item.value, Value::Map(_) | Value::Null) {
                return Err(self.mistyped(&name, item, "a table"));
            }
            all.push(read(Fields { node: item, path: &self.path_of(&name) })?);
        }
        Ok(Some(all))
    }
}
