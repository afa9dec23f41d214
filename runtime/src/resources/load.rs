//! All resources of an application: its folders read, filtered, and looked through for names that
//! are there twice.

use std::fmt;
use std::path::{Path, PathBuf};

use super::component::ComponentResource;
use super::folder::{FolderError, read_folder};
use super::manifest::{Kind, Manifest};
use super::subscription::SubscriptionResource;
use super::yaml::Node;

/// The resources that are for one application.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources {
    /// Its components, in the order of folders, files and documents.
    pub components: Vec<ComponentResource>,
    /// Its declarative subscriptions, likewise.
    pub subscriptions: Vec<SubscriptionResource>,
    /// Configurations that stand among them, which nobody follows: one that comes, changes or goes
    /// has everything read again, as in Dapr.
    pub configurations: Vec<ConfigurationResource>,
}

/// A Configuration that stands in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationResource {
    /// Its name.
    pub name: String,
    /// What it says.
    pub spec: serde_json::Value,
}

/// What came of reading folders.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// What is good.
    pub resources: Resources,
    /// What is wrong with the rest.
    pub problems: Vec<Problem>,
    /// Components that have one name. Dapr starts with none of them.
    pub duplicates: Duplicates,
}

/// Something wrong with a file or a document, which is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Its name does not end as one of YAML.
    NotYaml {
        /// The file.
        file: PathBuf,
    },
    /// It cannot be opened, or is no file to read.
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        cause: String,
    },
    /// It is no YAML, or has a field that holds what it cannot hold.
    Broken {
        /// The file.
        file: PathBuf,
        /// The line, where it is known.
        line: Option<usize>,
        /// What is wrong, with the field.
        message: String,
    },
    /// It is of a kind or version that is not read, as Dapr leaves out silently.
    PassedOver {
        /// The file.
        file: PathBuf,
        /// The line.
        line: usize,
        /// Why.
        why: String,
    },
}

/// Components that have one name, one line for each after the first.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Duplicates(pub Vec<Duplicate>);

/// A component whose name another has before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// `NAME (TYPE/VERSION)` of this one.
    pub component: String,
    /// The same of the other.
    pub existing: String,
    /// `FILE:LINE` of this one.
    pub place: String,
    /// The same of the other.
    pub existing_place: String,
}

/// The resources in these folders, in their order, that are for the application `app_id` in
/// `namespace`.
pub fn load(folders: &[PathBuf], app_id: &str, namespace: &str) -> Result<Loaded, FolderError> {
    let mut loaded = Loaded::default();
    for folder in folders {
        for manifest in read_folder(folder, &mut loaded.problems)? {
            loaded.take(&manifest, app_id, namespace);
        }
    }
    Ok(loaded)
}

// === impl Loaded ===

impl Loaded {
    /// Takes a manifest in, if it is for this application.
    pub fn take(&mut self, manifest: &Manifest, app_id: &str, namespace: &str) {
        let broken = |error: super::FieldError| Problem::Broken {
            file: manifest.path(),
            line: Some(error.line),
            message: error.message,
        };
        match manifest.kind {
            Kind::Component => match ComponentResource::read(manifest) {
                Ok(component) => self.component(component, manifest, app_id, namespace),
                Err(error) => self.problems.push(broken(error)),
            },
            Kind::Subscription => match SubscriptionResource::read(manifest) {
                Ok(subscription) if manifest.is_for(app_id, namespace) => {
                    // Of several with one name the last counts.
                    let known = &mut self.resources.subscriptions;
                    known.retain(|known| known.name != subscription.name);
                    known.push(subscription);
                }
                Ok(_) => {}
                Err(error) => self.problems.push(broken(error)),
            },
            Kind::Configuration => {
                self.problems.push(Problem::PassedOver {
                    file: manifest.path(),
                    line: manifest.line,
                    why: "a Configuration is read from the file that `--config` names, not from \
                          here"
                        .to_owned(),
                });
                if manifest.is_for(app_id, namespace) {
                    let spec = manifest.document.get("spec").map(Node::json).unwrap_or_default();
                    let name = manifest.name.clone();
                    self.resources.configurations.push(ConfigurationResource { name, spec });
                }
            }
        }
    }

    fn component(
        &mut self,
        component: ComponentResource,
        manifest: &Manifest,
        app_id: &str,
        namespace: &str,
    ) {
        let known = &mut self.resources.components;
        if manifest.is_elsewhere(namespace) {
            return;
        }
        // As in Dapr, also one that is for another application counts against an earlier one.
        if let Some(existing) = known.iter().find(|known| known.name == component.name) {
            self.duplicates.0.push(Duplicate {
                component: component.log_name(),
                existing: existing.log_name(),
                place: component.place,
                existing_place: existing.place.clone(),
            });
        } else if manifest.is_for(app_id, namespace) {
            known.push(component);
        }
    }
}

impl Problem {
    /// The file that it is about.
    #[must_use]
    pub fn file(&self) -> &Path {
        match self {
            Self::NotYaml { file }
            | Self::Unreadable { file, .. }
            | Self::Broken { file, .. }
            | Self::PassedOver { file, .. } => file,
        }
    }
}

/// `FILE:LINE: what is wrong`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file().display();
        match self {
            Self::Unreadable { cause, .. } => write!(f, "{file}: {cause}"),
            Self::NotYaml { .. } => write!(f, "{file}: no YAML file: it is left out"),
            Self::Broken { line: Some(line), message, .. } => write!(f, "{file}:{line}: {message}"),
            Self::Broken { line: None, message, .. } => write!(f, "{file}: {message}"),
            Self::PassedOver { line, why, .. } => write!(f, "{file}:{line}: {why}"),
        }
    }
}

/// As Dapr says it.
impl fmt::Display for Duplicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { component, existing, .. } = self;
        write!(f, "duplicate definition of Component name {component} with existing {existing}")
    }
}
