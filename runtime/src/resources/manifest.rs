//! One document of a resource file: whose kind it is, its name, and where it stands.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fields::{FieldError, Fields};
use super::yaml::{Node, Value, YamlError};

const V1: &str = "dapr.io/v1alpha1";
const V2: &str = "dapr.io/v2alpha1";

/// The kinds of resources that are read from folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A component.
    Component,
    /// What the application wants to be told of a topic.
    Subscription,
    /// How the runtime is to behave. In a folder it has a reload begin, and no more.
    Configuration,
}

/// A document of a kind that is read.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Its kind.
    pub kind: Kind,
    /// Its version: `dapr.io/v1alpha1`.
    pub api_version: String,
    /// What it is called.
    pub name: String,
    /// Its namespace; empty where it names none.
    pub namespace: String,
    /// The applications that it is for; none listed: for every one.
    pub scopes: Vec<String>,
    /// The file.
    pub file: Arc<Path>,
    /// Its first line there, counted from 1.
    pub line: usize,
    /// All of it.
    pub document: Node,
}

// === impl Kind ===

impl Kind {
    /// Its name in files and in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Component => "Component",
            Self::Subscription => "Subscription",
            Self::Configuration => "Configuration",
        }
    }

    /// The kind of this name, where `version` is one that is read.
    fn of(kind: &str, version: &str) -> Option<Self> {
        match (kind, version) {
            ("Component", V1) => Some(Self::Component),
            ("Subscription", V1 | V2) => Some(Self::Subscription),
            ("Configuration", V1) => Some(Self::Configuration),
            _ => None,
        }
    }

    /// What a reader should know of a kind or version that is passed over.
    fn passed_over(kind: &str, version: &str) -> String {
        match kind {
            "Component" | "Subscription" | "Configuration" => format!(
                "`apiVersion` is {version:?}, which no {kind} has; write {V1:?}: it is left out"
            ),
            "HTTPEndpoint" | "Resiliency" | "MCPServer" | "WorkflowAccessPolicy" => {
                format!("replug does not read the kind {kind}: it is left out")
            }
            other => format!("{other:?} is no kind of resource: it is left out"),
        }
    }
}

/// What a document turned out to be.
pub(super) enum Document {
    /// One that counts.
    Manifest(Box<Manifest>),
    /// One that is left out, as Dapr does without a word; what can be said of it, for who checks.
    PassedOver { line: usize, why: String },
    /// Nothing at all.
    Empty,
}

/// What the text of one document says, which begins after line `before` of `file`.
pub(super) fn read(text: &str, before: usize, file: &Arc<Path>) -> Result<Document, FieldError> {
    let document = super::yaml::read(text, before)?;
    if document.is_null() {
        return Ok(Document::Empty);
    }
    let fields = Fields::of(&document)?;
    let version = fields.text("apiVersion")?.unwrap_or_default();
    let kind = fields.text("kind")?.unwrap_or_default();
    let line = document.line;
    let Some(known) = Kind::of(&kind, &version) else {
        let why = Kind::passed_over(&kind, &version);
        let line = fields.node("kind").map_or(line, |found| found.line);
        return Ok(Document::PassedOver { line, why });
    };
    let read = |metadata: Fields<'_>| {
        Ok((metadata.text("name")?.unwrap_or_default(), metadata.text("namespace")?))
    };
    let (name, namespace) = fields.table("metadata", read)?.unwrap_or_default();
    if name.is_empty() {
        let why = format!("a {} without `metadata.name`: it is left out", known.as_str());
        return Ok(Document::PassedOver { line, why });
    }
    if matches!(name.as_str(), "." | "..") || name.contains(['/', '%']) {
        return Err(YamlError {
            line,
            message: format!(
                "`metadata.name` is {name:?}; it cannot be `.` or `..`, nor hold `/` or `%`"
            ),
        });
    }
    let scopes = fields.texts("scopes")?.unwrap_or_default();
    let manifest = Manifest {
        kind: known,
        api_version: version,
        name,
        namespace: namespace.unwrap_or_default(),
        scopes,
        file: file.clone(),
        line,
        document,
    };
    Ok(Document::Manifest(Box::new(manifest)))
}

// === impl Manifest ===

impl Manifest {
    /// Whether it is for this application in this namespace. As in Dapr, a namespace counts where
    /// both the environment and the resource name one, and never for subscriptions.
    #[must_use]
    pub fn is_for(&self, app_id: &str, namespace: &str) -> bool {
        let in_scope = self.scopes.is_empty() || self.scopes.iter().any(|scope| scope == app_id);
        !self.is_elsewhere(namespace) && in_scope
    }

    /// Whether it is of another namespace. A subscription is of all.
    pub(super) fn is_elsewhere(&self, namespace: &str) -> bool {
        self.kind != Kind::Subscription
            && !namespace.is_empty()
            && !self.namespace.is_empty()
            && self.namespace != namespace
    }

    /// `FILE:LINE`.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.line)
    }

    pub(super) fn fields(&self) -> Result<Fields<'_>, FieldError> {
        Fields::of(&self.document)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.file.to_path_buf()
    }
}

/// `spec` is a table, or there is none.
pub(super) fn spec_of<T>(
    manifest: &Manifest,
    read: impl FnOnce(Fields<'_>) -> Result<T, FieldError>,
) -> Result<T, FieldError> {
    static NOTHING: Node = Node { line: 0, value: Value::Map(Vec::new()) };
    let fields = manifest.fields()?;
    if fields.node("spec").is_none() {
        return read(Fields::of(&NOTHING)?);
    }
    let mut read = Some(read);
    let done = fields.table("spec", |spec| match read.take() {
        Some(read) => read(spec),
        None => unreachable!("a table is read once"),
    })?;
    // It is there, as has been seen.
    done.ok_or_else(|| fields.wrong("spec", "is missing"))
}
