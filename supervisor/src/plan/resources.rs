//! `resources` and `configuration` in `[runtime]`: Dapr's YAML, read beside the plan's own tables.
//!
//! Components of either become the same, and no two have one name. What is wrong with a resource is
//! told with its file and its line, as what is wrong with the plan.

mod again;

use std::path::{Path, PathBuf};

use replug_runtime::Condition;
use replug_runtime::builtin;
use replug_runtime::component::ComponentSpec;
use replug_runtime::resources::{
    ComponentResource, Configuration, Loaded, Names, Problem, Resources, SubscriptionResource, load,
};

use super::diagnostic::{Diagnostic, Severity};
use super::place::Findings;
use super::{Plan, Surroundings};

/// Something wrong with a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What kind of thing it is.
    pub with: WrongWith,
    /// Whether there is a plan in spite of it.
    pub severity: Severity,
    /// The file or folder.
    pub file: PathBuf,
    /// The line, where it is about one.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<&'static str>,
}

/// What is wrong with a resource, roughly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrongWith {
    /// A file is not one of YAML.
    NotYaml,
    /// A file cannot be opened, or is none.
    Unreadable,
    /// A document cannot be read.
    Document,
    /// A document is of a kind or version that is not read.
    OtherKind,
    /// Two components have one name.
    Name,
    /// A component is of a type that the configuration refuses.
    Refused,
    /// A component's value cannot be had, and is left out.
    Value,
    /// A component is of a version that nothing built in has. A plugin may.
    Version,
    /// Secret stores need each other.
    Circle,
    /// A component cannot be made at all.
    Component,
    /// A subscription has a rule whose condition is wrong.
    Subscription,
    /// A folder, or a file of configuration, cannot be read.
    Folder,
}

/// What is in the folders.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) resources: Resources,
    /// Its components as everything takes them.
    pub(super) specs: Vec<ComponentSpec>,
    pub(super) wrong: Vec<Wrong>,
}

/// Where resources are, and whose they are.
pub(super) struct Wanted<'w> {
    pub(super) folders: &'w [PathBuf],
    pub(super) configuration: &'w Configuration,
    pub(super) app_id: &'w str,
    /// Names that components of the plan's own have.
    pub(super) taken: Vec<String>,
    pub(super) surroundings: &'w Surroundings,
}

/// What the configuration files say together; the default where one is wrong, which is told.
pub(super) fn configuration(
    files: &[PathBuf],
    surroundings: &Surroundings,
    wrong: &mut Vec<Wrong>,
) -> Configuration {
    use replug_runtime::resources::ConfigurationError::{Unreadable, Wrong as Broken};
    let read = Configuration::load(files, |name| surroundings.env.get(name).cloned());
    read.unwrap_or_else(|error| {
        let (file, line, message) = match error {
            Unreadable { file, cause } => (file, None, format!("cannot be read: {cause}")),
            Broken { file, cause } => (file, Some(cause.line), cause.message),
        };
        let (with, severity) = (WrongWith::Folder, Severity::Error);
        wrong.push(Wrong { with, severity, file, line, message, help: None });
        Configuration::default()
    })
}

/// Reads the folders.
pub(super) fn read(wanted: &Wanted<'_>) -> Found {
    let names = names(wanted.app_id, wanted.surroundings);
    let mut found = Found::default();
    let loaded = match load(wanted.folders, wanted.app_id, &names.namespace) {
        Ok(loaded) => loaded,
        Err(error) => {
            found.wrong.push(Wrong {
                with: WrongWith::Folder,
                severity: Severity::Error,
                file: error.path,
                line: None,
                message: format!("cannot be read: {}", error.cause),
                help: Some("`resources` in [runtime] names folders and files of Dapr's YAML"),
            });
            return found;
        }
    };
    let Loaded { resources, problems, duplicates } = loaded;
    found.wrong.extend(problems.iter().map(Wrong::of_problem));
    for duplicate in duplicates.0 {
        let (file, line) = place(&duplicate.place);
        let (with, severity) = (WrongWith::Name, Severity::Error);
        let help = Some("give one of the two another name");
        let message = duplicate.to_string();
        found.wrong.push(Wrong { with, severity, file, line, message, help });
    }
    found.resources.configurations = resources.configurations;
    for subscription in resources.subscriptions {
        found.subscription(subscription);
    }
    for component in resources.components {
        found.component(component, wanted, &names);
    }
    found.circles();
    found
}

/// Whose resources these are, in these surroundings.
fn names(app_id: &str, surroundings: &Surroundings) -> Names {
    let namespace = surroundings.env.get("NAMESPACE").cloned().unwrap_or_default();
    Names { app_id: app_id.to_owned(), namespace, environment: surroundings.env.clone() }
}

/// `FILE:LINE` taken apart.
fn place(text: &str) -> (PathBuf, Option<usize>) {
    match text.rsplit_once(':') {
        Some((file, line)) => (file.into(), line.parse().ok()),
        None => (text.into(), None),
    }
}

// === impl Found ===

impl Found {
    /// Takes a subscription in whose conditions are ones.
    fn subscription(&mut self, subscription: SubscriptionResource) {
        let conditions = subscription.rules.iter().map(|rule| rule.condition.as_str());
        let wrong = conditions.filter(|text| !text.is_empty()).find_map(|text| {
            let error = Condition::new(text).err()?;
            Some(format!("subscription {}: {text:?} is no condition: {error}", subscription.name))
        });
        let Some(message) = wrong else {
            self.resources.subscriptions.push(subscription);
            return;
        };
        let (file, line) = place(&subscription.place);
        let (with, severity) = (WrongWith::Subscription, Severity::Error);
        let help = Some("write an expression of CEL about `event`, such as event.type == 'a'");
        self.wrong.push(Wrong { with, severity, file, line, message, help });
    }

    fn component(&mut self, component: ComponentResource, wanted: &Wanted<'_>, names: &Names) {
        let (file, line) = place(&component.place);
        let mut wrong = |with, severity, message, help| {
            let file = file.clone();
            self.wrong.push(Wrong { with, severity, file, line, message, help });
        };
        let name = &component.name;
        if wanted.configuration.denies(&component.component_type, &component.version) {
            let without =
                if component.version.is_empty() { ", nor are those without a version" } else { "" };
            let message = format!(
                "component '{name}' cannot be loaded because components of type '{}' are not \
                 allowed{without}",
                component.log_name()
            );
            wrong(WrongWith::Refused, Severity::Warning, message, None);
            return;
        }
        if wanted.taken.contains(name) {
            let message = format!("component {name} is in [components] of the plan as well");
            let help = Some("give one of the two another name");
            wrong(WrongWith::Name, Severity::Error, message, help);
            return;
        }
        match component.specified(names) {
            Ok(specified) => {
                for warning in specified.warnings {
                    wrong(WrongWith::Value, Severity::Warning, warning, None);
                }
                let ComponentSpec { component_type, version, .. } = &specified.spec;
                if !builtin::has_version(component_type, version) {
                    let message = format!("{component_type} has no version {version:?}");
                    let help = Some("most types have v1 alone");
                    wrong(WrongWith::Version, Severity::Warning, message, help);
                }
                self.specs.push(specified.spec);
                self.resources.components.push(component);
            }
            Err(error) => {
                let severity =
                    if component.ignore_errors { Severity::Warning } else { Severity::Error };
                let message = format!("process component {name} error: {error}");
                wrong(WrongWith::Component, severity, message, None);
            }
        }
    }
}

impl Found {
    /// Tells of secret stores that need each other, of which none could come first.
    fn circles(&mut self) {
        let needs = |name: &str| {
            let spec = self.specs.iter().find(|spec| spec.name == name);
            let values = spec.into_iter().flat_map(|spec| spec.metadata.values());
            values.filter_map(|value| Some(value.reference()?.store.as_str())).collect::<Vec<_>>()
        };
        let mut told: Vec<String> = Vec::new();
        let mut wrong = Vec::new();
        for component in &self.resources.components {
            let (mut seen, mut next) = (Vec::new(), needs(&component.name));
            while let Some(store) = next.pop() {
                if !seen.contains(&store) {
                    seen.push(store);
                    next.extend(needs(store));
                }
            }
            let name = component.name.as_str();
            // Told at its first member; the others are in it as well.
            if !seen.contains(&name) || told.iter().any(|it| seen.contains(&it.as_str())) {
                continue;
            }
            told.push(component.name.clone());
            let (file, line) = place(&component.place);
            wrong.push(Wrong {
                with: WrongWith::Circle,
                severity: Severity::Error,
                file,
                line,
                message: format!(
                    "process component {name} error: it needs a secret of {}, which cannot come \
                     first, since it needs {name}",
                    seen.iter().find(|it| **it != name).unwrap_or(&name)
                ),
                help: Some("keep one of these secrets in a store that needs none of them"),
            });
        }
        self.wrong.extend(wrong);
    }
}

// === impl Wrong ===

impl Wrong {
    fn of_problem(problem: &Problem) -> Self {
        let file = problem.file().to_owned();
        match problem {
            Problem::NotYaml { .. } => Self {
                with: WrongWith::NotYaml,
                severity: Severity::Warning,
                file,
                line: None,
                message: "is no YAML file: it is left out".to_owned(),
                help: Some("resources stand in files that end in .yaml or .yml"),
            },
            Problem::Unreadable { cause, .. } => Self {
                with: WrongWith::Unreadable,
                severity: Severity::Error,
                file,
                line: None,
                message: cause.clone(),
                help: None,
            },
            Problem::Broken { line, message, .. } => Self {
                with: WrongWith::Document,
                severity: Severity::Error,
                file,
                line: *line,
                message: message.clone(),
                help: None,
            },
            Problem::PassedOver { line, why, .. } => Self {
                with: WrongWith::OtherKind,
                severity: Severity::Warning,
                file,
                line: Some(*line),
                message: why.clone(),
                help: None,
            },
        }
    }

    pub(super) fn tell(self, findings: &mut Findings<'_>) {
        findings.elsewhere(&self.file, self.line, self.severity, self.message, self.help);
    }
}

// === impl Plan ===

impl Plan {
    /// What is told of what is wrong, as [`Self::with_resources_again`] would tell it.
    #[must_use]
    pub fn diagnostics(&self, wrong: Vec<Wrong>) -> Vec<Diagnostic> {
        self.findings(wrong).into_diagnostics().0
    }

    pub(super) fn findings(&self, wrong: Vec<Wrong>) -> Findings<'static> {
        let mut findings = Findings::new("", self.file.display().to_string());
        for wrong in wrong {
            wrong.tell(&mut findings);
        }
        findings
    }

    /// The same, whatever is wrong: what that is about is left out.
    #[must_use]
    pub fn resources_read(&self, surroundings: &Surroundings) -> (Self, Vec<Wrong>) {
        let of_resources = |name: &str| self.resources.components.iter().any(|it| it.name == name);
        let mut plan = self.clone();
        plan.components.retain(|component| !of_resources(&component.name));
        let found = read(&Wanted {
            folders: &self.runtime.resources,
            configuration: &self.configuration,
            app_id: &self.runtime.app_id,
            taken: plan.components.iter().map(|component| component.name.clone()).collect(),
            surroundings,
        });
        plan.components.extend(found.specs);
        plan.resources = found.resources;
        (plan, found.wrong)
    }
}

/// The text of a resource, as far as it can be read again: it is quoted, no more.
pub(super) fn quoted(file: &Path) -> String {
    if file.is_file() { std::fs::read_to_string(file).unwrap_or_default() } else { String::new() }
}
