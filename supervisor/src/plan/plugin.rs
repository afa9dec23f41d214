//! `[plugins.NAME]`: a process that replug runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use replug_component::ComponentType;
use replug_runtime::component::SecretReference;
use toml::de::DeValue;

use super::bounds::Bounds;
use super::care::Care;
use super::include::Named;
use super::log::Log;
use super::nearest::nearest;
use super::place::{Fault, Findings, Place};
use super::reader::{Context, Entry, Section};
use super::secret::Referred;
use super::{
    EnvValue, Launch, PluginSpec, Secret, Source, Start, env_file, instances, program, secret,
    value, watch,
};

/// How long a plugin's name may be, in bytes.
pub(super) const NAME_LIMIT: usize = 64;

const STARTS: [(&str, Start); 2] = [("auto", Start::Auto), ("manual", Start::Manual)];

/// The variables by which replug tells a plugin where its socket goes.
const SOCKET_VARIABLES: [&str; 6] = [
    "REPLUG_SOCKET_FOLDER",
    "DAPR_COMPONENTS_SOCKETS_FOLDER",
    "DAPR_COMPONENT_SOCKETS_FOLDER",
    "DAPR_COMPONENT_SOCKET_FOLDER",
    "DAPR_COMPONENT_SOCKET_PATH",
    "LAYOTTO_COMPONENTS_SOCKETS_FOLDER",
];

/// What `[plugins.NAME]` says, and where it says what other tables have to do with.
pub(super) struct Declared {
    pub(super) spec: PluginSpec,
    pub(super) socket: Place,
    /// Where the file is said that its output goes to.
    pub(super) log_file: Option<Place>,
    /// What `after` and `requires` name, and where.
    pub(super) after: Vec<(String, Place)>,
    /// What `requires` names, and where.
    pub(super) requires: Vec<(String, Place)>,
    /// What secret stores keep of its variables, and where that is said.
    pub(super) secrets: Vec<(SecretReference, Place)>,
    /// Whether it is run at all.
    pub(super) enabled: bool,
}

/// What `[defaults]` says.
pub(super) struct Defaults {
    pub(super) care: Care,
    pub(super) bounds: Bounds,
    pub(super) log: Log,
}

impl Named for Declared {
    fn name(&self) -> &str {
        &self.spec.name
    }
}

/// Reads `[plugins.NAME]`.
pub(super) fn read(
    mut section: Section<'_>,
    defaults: &Defaults,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> Declared {
    if let Err(fault) = name(section.name) {
        findings.error(&section.place, fault);
    }
    let cwd = cwd(&mut section, context, findings);
    let socket = section.get("socket").and_then(|entry| socket(&entry, findings));
    let mut variables = env_file(&mut section, socket.is_some(), context, findings);
    let table = section
        .get("env")
        .and_then(|entry| entry.table("a table, such as { RUST_LOG = \"info\" }", findings));
    let mut secrets = Vec::new();
    if let Some(table) = table {
        let env = env(&table, socket.is_some(), context, findings);
        let kept = env
            .iter()
            .filter_map(|(name, value)| Some((value.reference()?.clone(), table.place_of(name))));
        secrets.extend(kept);
        variables.extend(env);
    }
    let own = context.surroundings.env.get("PATH").map(String::as_str);
    let path = variables.get("PATH").and_then(EnvValue::expose).or(own);
    let launch = launch(&mut section, &cwd, path, context, findings);
    let watch = section
        .get("watch")
        .map(|entry| watch::read(&entry, &launch, &cwd, path, context, findings));
    let care = Care::read(&mut section, &defaults.care, findings);
    let bounds = Bounds::read(&mut section, &defaults.bounds, context, findings);
    let log = Log::read(&mut section, &defaults.log, context, findings);
    let (log, log_file) = log.of(section.name);
    let (notify, watchdog) = notify(&mut section, &variables, findings);
    let enabled = section.get("enabled").and_then(|entry| entry.boolean(findings));
    let start = section.get("start").and_then(|entry| {
        entry.parsed("\"auto\" or \"manual\"", findings, |text| one_of(text, &STARTS))
    });
    let mut after = names(section.get("after"), findings);
    let requires = names(section.get("requires"), findings);
    for (name, place) in &requires {
        if !after.iter().any(|(known, _)| known == name) {
            after.push((name.clone(), place.clone()));
        }
    }
    let spec = PluginSpec {
        name: section.name.to_owned(),
        instances: care.instances,
        launch,
        after: after.iter().map(|(name, _)| name.clone()).collect(),
        requires: requires.iter().map(|(name, _)| name.clone()).collect(),
        start: start.unwrap_or_default(),
        env: variables,
        cwd,
        restart: care.restart,
        start_timeout: care.start_timeout,
        stop_timeout: care.stop_timeout,
        drain_timeout: care.drain_timeout,
        stop_signal: care.stop_signal,
        health: care.health,
        limits: bounds.limits(),
        confinement: bounds.confinement(),
        log,
        probe: care.probe,
        notify,
        watchdog,
        watch: watch.unwrap_or_default(),
        socket,
    };
    instances::check(&section, &spec, findings);
    let socket = section.place_of("socket");
    section.finish(&[], findings);
    let enabled = enabled.unwrap_or(true);
    Declared { spec, socket, log_file, after, requires, secrets, enabled }
}

/// Whether the plugin speaks `sd_notify`, and how often it says that it lives.
fn notify(
    section: &mut Section<'_>,
    env: &BTreeMap<String, EnvValue>,
    findings: &mut Findings<'_>,
) -> (bool, Option<Duration>) {
    let notify = section.get("notify").and_then(|entry| entry.boolean(findings)).unwrap_or(false);
    let watchdog = section.get("watchdog");
    let time = watchdog.as_ref().and_then(|entry| entry.some_time(findings));
    if let Some(entry) = watchdog.filter(|_| !notify) {
        let help = "write notify = true beside it, for a plugin that sends WATCHDOG=1";
        findings.error(&entry.key, Fault::new("is fed by `sd_notify`, which is off", help));
    }
    if notify && env.contains_key("NOTIFY_SOCKET") {
        let help = "take it out, or take `notify` out";
        let fault = Fault::new("is set by replug where `notify` is true", help);
        findings.error(&section.place_of("env"), fault);
    }
    (notify, time)
}

/// That a name is fit for a folder's name, and for lines and tables.
fn name(name: &str) -> Result<(), Fault> {
    let message = if name.is_empty() {
        "has an empty name".to_owned()
    } else if name.len() > NAME_LIMIT {
        format!("has a name of {} bytes", name.len())
    } else if name.starts_with('.') {
        "has a name that begins with a dot".to_owned()
    } else {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        match name.chars().find(|c| !fits(*c)) {
            None => return Ok(()),
            Some(wrong) => format!("has a name with {wrong:?} in it"),
        }
    };
    let help = format!("use letters, digits, `-`, `_` and `.`, at most {NAME_LIMIT} bytes");
    Err(Fault::new(message, help))
}

fn cwd(section: &mut Section<'_>, context: &Context<'_>, findings: &mut Findings<'_>) -> PathBuf {
    let entry = section.get("cwd");
    let written = entry.as_ref().and_then(|entry| {
        let text = entry.os_text("a path in quotes", findings)?;
        let folder = context.path(text);
        if let Some(obstacle) = program::folder_obstacle(&folder) {
            findings.warning(&entry.place, obstacle);
        }
        Some(folder)
    });
    written.unwrap_or_else(|| context.folder.to_owned())
}

fn socket(entry: &Entry<'_>, findings: &mut Findings<'_>) -> Option<PathBuf> {
    let text = entry.os_text("an absolute path in quotes", findings)?;
    let path = Path::new(text);
    if !path.is_absolute() {
        let help = "write an absolute path, or take the key out: then the plugin is told a folder";
        findings.error(&entry.place, Fault::new(format!("is {text:?}"), help));
        return None;
    }
    if let Err(fault) = value::socket_path(path) {
        findings.error(&entry.place, fault);
    }
    Some(path.to_owned())
}

/// The names in an array of them, and where each stands.
fn names(entry: Option<Entry<'_>>, findings: &mut Findings<'_>) -> Vec<(String, Place)> {
    let items = entry.and_then(|entry| entry.arguments(findings)).unwrap_or_default();
    items.iter().map(|name| (name.known_text(), name.place.clone())).collect()
}

/// The variables of `env_file`; a `-` before its path says that it may be missing.
fn env_file(
    section: &mut Section<'_>,
    fixed_socket: bool,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, EnvValue> {
    let Some(entry) = section.get("env_file") else { return BTreeMap::new() };
    let Some(text) = entry.os_text("a path in quotes", findings) else { return BTreeMap::new() };
    let (path, may_be_missing) = match text.strip_prefix('-') {
        Some(path) => (context.path(path), true),
        None => (context.path(text), false),
    };
    let variables = env_file::read(&path, may_be_missing).and_then(|variables| {
        let ours = |name: &&str| !fixed_socket && variables.contains_key(*name);
        match SOCKET_VARIABLES.iter().find(|name| ours(name)) {
            None => Ok(variables),
            Some(name) => Err(Fault::new(
                format!("sets {name}, which replug sets for every start"),
                "take it out; a plugin that does not listen where it is told has `socket`",
            )),
        }
    });
    match variables {
        Ok(variables) => {
            let secret =
                |value: &str| EnvValue::Secret(Secret::new(Source::EnvFile(path.clone()), value));
            variables.into_iter().map(|(name, value)| (name, secret(&value))).collect()
        }
        Err(fault) => {
            findings.error(&entry.place, fault);
            BTreeMap::new()
        }
    }
}

fn env(
    table: &Section<'_>,
    fixed_socket: bool,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, EnvValue> {
    let mut env = BTreeMap::new();
    for entry in table.entries() {
        let name = entry.name();
        if name.is_empty() || name.contains(['=', '\0']) {
            let help = "name it with letters, digits and `_`";
            findings.error(&entry.key, Fault::new("is no name for a variable", help));
        }
        if SOCKET_VARIABLES.contains(&name) && !fixed_socket {
            let help = "take it out; a plugin that does not listen where it is told has `socket`";
            findings.error(&entry.key, Fault::new("is set by replug for every start", help));
        }
        if let Some(value) = env_value(&entry, context, findings) {
            env.insert(name.to_owned(), value);
        }
    }
    env
}

fn env_value(
    entry: &Entry<'_>,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> Option<EnvValue> {
    if let DeValue::Table(table) = entry.value
        && let Some(secret) = secret::reference(table, context)
    {
        let secret = secret.map_err(|fault| findings.error(&entry.place, fault)).ok()?;
        return Some(match secret {
            Referred::Value(secret) => EnvValue::Secret(secret),
            Referred::Kept(reference) => EnvValue::Reference(reference),
        });
    }
    let text = entry.os_text("it in quotes: variables are strings", findings)?;
    Some(EnvValue::Plain(text.to_owned()))
}

fn launch(
    section: &mut Section<'_>,
    cwd: &Path,
    path: Option<&str>,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> Launch {
    let command = section.get("command");
    let builtin = section.get("builtin");
    let more: Vec<_> = section
        .get("args")
        .and_then(|entry| entry.arguments(findings))
        .unwrap_or_default()
        .iter()
        .map(Entry::known_text)
        .collect();
    match (&command, &builtin) {
        (Some(command), Some(builtin)) => {
            let fault = Fault::new(
                "stands beside `command`",
                "keep one of the two: a plugin runs a command or a built-in component type",
            );
            findings.conflict(&builtin.key, fault, &command.key, "the command");
        }
        (None, None) => {
            let fault = Fault::new(
                "has neither `command` nor `builtin`",
                "write what to run, such as command = [\"./my-plugin\"]",
            );
            findings.missing(&section.place, fault);
        }
        _ => {}
    }
    let builtin = builtin.and_then(|entry| {
        let known = |text: &str| known_builtin(text, &context.surroundings.builtins);
        entry.parsed("a component type, such as \"state.sqlite\"", findings, known)
    });
    if let Some(component_type) = builtin {
        return Launch::Builtin { component_type, args: more };
    }
    let mut words = command.map(|entry| words(&entry, cwd, path, findings)).unwrap_or_default();
    let program = if words.is_empty() { String::new() } else { words.remove(0) };
    words.extend(more);
    Launch::Command { program: program::resolve(&program, cwd), args: words }
}

/// The words of `command`; none where they are no command.
fn words(
    entry: &Entry<'_>,
    cwd: &Path,
    path: Option<&str>,
    findings: &mut Findings<'_>,
) -> Vec<String> {
    if let DeValue::String(text) = entry.value {
        let words: Vec<_> = text.split_whitespace().map(|word| format!("{word:?}")).collect();
        entry.mistyped(&format!("an array of strings: [{}]", words.join(", ")), findings);
        return Vec::new();
    }
    let Some(words) = entry.arguments(findings) else { return Vec::new() };
    match words.first() {
        None => {
            let help =
                "write the program and its arguments, such as [\"./my-plugin\", \"--pool\", \"8\"]";
            findings.error(&entry.place, Fault::new("is empty", help));
        }
        Some(first) if first.known_text().is_empty() => {
            let fault = Fault::new("is empty", "write the program to run");
            findings.error(&first.place, fault);
        }
        Some(first) => {
            let program = program::resolve(&first.known_text(), cwd);
            if let Some(obstacle) = program::obstacle(&program, cwd, path) {
                findings.warning(&first.place, obstacle);
            }
        }
    }
    words.iter().map(Entry::known_text).collect()
}

fn known_builtin(text: &str, builtins: &[ComponentType]) -> Result<ComponentType, Fault> {
    if let Some(known) = text.parse().ok().filter(|parsed| builtins.contains(parsed)) {
        return Ok(known);
    }
    let names = || builtins.iter().map(ComponentType::as_str);
    let help = nearest(text, names()).map_or_else(
        || format!("there are {}", names().collect::<Vec<_>>().join(", ")),
        |name| format!("did you mean {name:?}?"),
    );
    Err(Fault::new(format!("is {text:?}, which is no built-in component type"), help))
}

/// What one of a few words stands for.
pub(super) fn one_of<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, Fault> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let help = nearest(text, words.iter().map(|(word, _)| *word)).map_or_else(
        || {
            let all: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            format!("write one of {}", all.join(", "))
        },
        |word| format!("did you mean {word:?}?"),
    );
    Err(Fault::new(format!("is {text:?}"), help))
}
