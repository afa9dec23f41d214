//! A typed walk over the tree of a plan, which gathers what is wrong and goes on.
//!
//! A [`Section`] is a table whose keys are known beforehand: each is asked for by name, and what
//! nobody asked for is reported at the end. An [`Entry`] is one value with its place.

use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::bounds::Bounds;
use super::care::Care;
use super::diagnostic::{Checked, Severity};
use super::log::{self, Log};
use super::nearest::nearest;
use super::place::{Fault, Findings, Place, TextId, join};
use super::plugin::Defaults;
use super::{
    Plan, PluginSpec, Surroundings, app, component, include, order, plugin, program, references,
    resources, runtime, stores, subscription, syntax, value, variables,
};

/// Reads the text, and those that it includes, into a plan, if it is one, and everything that is
/// wrong with it.
pub(super) fn read(source: String, path: &Path, surroundings: &Surroundings) -> Checked {
    let mut findings = Findings::new(&source, path.display().to_string());
    let mut understood = source.clone();
    let mut tree = syntax::parse(&mut understood, TextId::PLAN, &mut findings);
    variables::replace(&mut tree, TextId::PLAN, surroundings, &mut findings);
    // Where the current folder is gone, relative paths stay relative: nothing can be said of them.
    let file = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let context = Context { folder: file.parent().unwrap_or(Path::new("/")), surroundings };

    let mut top = Section::top(TextId::PLAN, &tree);
    let mut more = include::read(top.get("include"), path, &mut findings);
    let included: Vec<_> = more
        .iter_mut()
        .map(|(text, source)| {
            let mut tree = syntax::parse(source, *text, &mut findings);
            variables::replace(&mut tree, *text, surroundings, &mut findings);
            (*text, tree)
        })
        .collect();

    let settings = runtime::read(top.section("runtime", &mut findings), &context, &mut findings);
    let app = app::read(top.get("app"), &settings, &context, &mut findings);
    let mut section = top.section("defaults", &mut findings);
    let care = Care::read(&mut section, &Care::default(), &mut findings);
    let bounds = Bounds::read(&mut section, &Bounds::default(), &context, &mut findings);
    let log = Log::read(&mut section, &Log::default(), &context, &mut findings);
    let defaults = Defaults { care, bounds, log };
    section.finish(&[], &mut findings);
    let read_plugins = |entry: Option<_>, findings: &mut Findings<'_>| {
        named(entry, findings, |section, findings| {
            plugin::read(section, &defaults, &context, findings)
        })
    };
    let read_components = |entry: Option<_>, findings: &mut Findings<'_>| {
        let app_id = &settings.values.app_id;
        named(entry, findings, |section, findings| {
            component::read(section, app_id, &context, findings)
        })
    };
    let mut plugins = read_plugins(top.get("plugins"), &mut findings);
    let mut components = read_components(top.get("components"), &mut findings);
    let app_id = &settings.values.app_id;
    let mut subscriptions = subscription::read(top.get("subscriptions"), app_id, &mut findings);
    top.finish(&[], &mut findings);
    for (text, tree) in &included {
        let mut top = Section::top(*text, tree);
        include::nothing_else(&mut top, path, &mut findings);
        plugins.extend(read_plugins(top.get("plugins"), &mut findings));
        components.extend(read_components(top.get("components"), &mut findings));
        let entry = top.get("subscriptions");
        subscriptions.extend(subscription::read(entry, app_id, &mut findings));
        top.finish(&[], &mut findings);
    }
    include::once_each(&mut plugins, "plugins", &mut findings);
    include::once_each(&mut components, "components", &mut findings);
    references::check(&settings, &plugins, &components, &context, &mut findings);
    order::check(&plugins, &mut findings);
    log::one_file_each(&plugins, &mut findings);
    let mut wrong = Vec::new();
    let runtime = &settings.values;
    let configuration = resources::configuration(&runtime.configuration, surroundings, &mut wrong);
    let found = resources::read(&resources::Wanted {
        folders: &runtime.resources,
        configuration: &configuration,
        app_id: &runtime.app_id,
        taken: components.iter().map(|it| it.value.name.clone()).collect(),
        surroundings,
    });
    let specs = (!runtime.resources.is_empty()).then_some(&*found.specs);
    subscription::check(&subscriptions, &components, specs, &mut findings);
    stores::check(&plugins, &components, &found.specs, &mut findings);
    for wrong in wrong.into_iter().chain(found.wrong) {
        wrong.tell(&mut findings);
    }

    // Where a part of the text was not understood, the setting may be in that part.
    let control = findings.is_whole().then(|| settings.values.control.clone());
    let (diagnostics, included) = findings.into_diagnostics();
    let usable = diagnostics.iter().all(|it| it.severity != Severity::Error);
    let plan = usable.then(|| Plan {
        file: file.clone(),
        runtime: settings.values,
        app,
        plugins: enabled(plugins),
        components: (components.into_iter().filter_map(|it| it.value.spec))
            .chain(found.specs)
            .collect(),
        subscriptions: subscriptions.into_iter().map(|it| it.subscription).collect(),
        resources: found.resources,
        configuration,
    });
    Checked { plan, control, diagnostics, source, included }
}

/// The plugins that are run, none of which waits for one that is not.
fn enabled(plugins: Vec<Placed<plugin::Declared>>) -> Vec<PluginSpec> {
    let run = plugins.into_iter().filter(|it| it.value.enabled).map(|it| it.value.spec);
    let mut specs: Vec<_> = run.collect();
    let names: Vec<_> = specs.iter().map(|spec| spec.name.clone()).collect();
    for spec in &mut specs {
        spec.after.retain(|name| names.contains(name));
        spec.requires.retain(|name| names.contains(name));
    }
    specs
}

/// What the reading of every table depends on.
pub(super) struct Context<'c> {
    /// The one that relative paths are relative to.
    pub(super) folder: &'c Path,
    pub(super) surroundings: &'c Surroundings,
}

impl Context<'_> {
    /// The path as seen from the folder of the plan.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        program::join(self.folder, text)
    }
}

/// Something read from the text, and where it stands.
pub(super) struct Placed<T> {
    pub(super) place: Place,
    pub(super) value: T,
}

/// A table whose keys are known beforehand.
pub(super) struct Section<'t> {
    /// Its own key.
    pub(super) place: Place,
    /// The last part of its key.
    pub(super) name: &'t str,
    table: &'t DeTable<'t>,
    asked: Vec<&'static str>,
}

/// A value and its place.
pub(super) struct Entry<'t> {
    /// The place of the value.
    pub(super) place: Place,
    /// The place of its key.
    pub(super) key: Place,
    name: &'t str,
    pub(super) value: &'t DeValue<'t>,
}

/// The tables of `[plugins]` or `[components]`, each of which somebody gave a name.
fn named<'t, T>(
    entry: Option<Entry<'t>>,
    findings: &mut Findings<'_>,
    mut read: impl FnMut(Section<'t>, &mut Findings<'_>) -> T,
) -> Vec<Placed<T>> {
    let Some(entry) = entry else { return Vec::new() };
    let wanted = format!("a table for each: [{}.NAME]", entry.name);
    let Some(table) = entry.table(&wanted, findings) else { return Vec::new() };
    let mut read_ones: Vec<_> = table
        .entries()
        .filter_map(|entry| entry.section(findings))
        .map(|section| Placed { place: section.place.clone(), value: section })
        .collect();
    // The tree is in the order of the alphabet.
    read_ones.sort_by_key(|it| it.place.span.as_ref().map(|span| span.start));
    read_ones
        .into_iter()
        .map(|it| Placed { place: it.place, value: read(it.value, findings) })
        .collect()
}

// === impl Section ===

impl<'t> Section<'t> {
    fn top(text: TextId, table: &'t DeTable<'t>) -> Self {
        Self { place: Place::unwritten(text, ""), name: "", table, asked: Vec::new() }
    }

    /// A table that is not written in the file.
    fn unwritten(text: TextId, key: &'static str, table: &'t DeTable<'t>) -> Self {
        Self { place: Place::unwritten(text, key), name: key, table, asked: Vec::new() }
    }

    /// What `key` is set to, if it is. That it is asked for says that it is known.
    pub(super) fn get(&mut self, key: &'static str) -> Option<Entry<'t>> {
        self.asked.push(key);
        let (key, value) = self.table.get_key_value(key)?;
        Some(Entry::new(&self.place, key, value))
    }

    /// The table at `key`; an empty one where there is none.
    fn section(&mut self, key: &'static str, findings: &mut Findings<'_>) -> Section<'t> {
        static NOTHING: std::sync::LazyLock<DeTable<'static>> =
            std::sync::LazyLock::new(DeTable::new);
        self.get(key)
            .and_then(|entry| entry.section(findings))
            .unwrap_or_else(|| Section::unwritten(self.place.text, key, &NOTHING))
    }

    /// Every entry, in no order that means anything.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'t>> + use<'t> {
        let place = self.place.clone();
        self.table.iter().map(move |(key, value)| Entry::new(&place, key, value))
    }

    /// The place of `key`, or of the table where that key is not written.
    pub(super) fn place_of(&self, key: &str) -> Place {
        let entry = self.table.get_key_value(key);
        entry.map_or_else(
            || Place::unwritten(self.place.text, join(&self.place.key, key)),
            |(key, value)| Entry::new(&self.place, key, value).place,
        )
    }

    /// Reports every key that nobody asked for. `later` are those that later versions know.
    pub(super) fn finish(self, later: &[&str], findings: &mut Findings<'_>) {
        for entry in self.entries().filter(|entry| !self.asked.contains(&entry.name)) {
            findings.error(&entry.key, self.unknown(&entry, later));
        }
    }

    fn unknown(&self, entry: &Entry<'_>, later: &[&str]) -> Fault {
        if later.contains(&entry.name) {
            return Fault::new(
                "is not supported by this version of replug",
                "take it out until a version that knows it is installed",
            );
        }
        let what = if self.name.is_empty() { "table" } else { "key" };
        let message = format!("is no {what} that replug knows");
        if let Some(name) = nearest(entry.name, self.asked.iter().copied()) {
            return Fault::new(message, format!("did you mean `{name}`?"));
        }
        let path: Vec<_> = self.place.key.splitn(2, '.').collect();
        if let ([table, _], DeValue::Table(_)) = (path.as_slice(), entry.value) {
            let name = format!("{}.{}", self.name, entry.name);
            let quoted = format!("a name with a dot in it stands in quotes: [{table}.{name:?}]");
            return Fault::new(message, quoted);
        }
        let known: Vec<_> = self.asked.iter().map(|name| format!("`{name}`")).collect();
        Fault::new(message, format!("there are {}", known.join(", ")))
    }
}

// === impl Entry ===

impl<'t> Entry<'t> {
    fn new(
        table: &Place,
        key: &'t Spanned<std::borrow::Cow<'t, str>>,
        value: &'t Spanned<DeValue<'t>>,
    ) -> Self {
        let path = join(&table.key, key.get_ref());
        Self {
            place: Place::new(table.text, path.clone(), value.span()),
            key: Place::new(table.text, path, key.span()),
            name: key.get_ref(),
            value: value.get_ref(),
        }
    }

    /// The last part of its key.
    pub(super) fn name(&self) -> &'t str {
        self.name
    }

    /// Reports that the value is of another type than `wanted`, which reads like `a string, such
    /// as "always"`.
    pub(super) fn mistyped(&self, wanted: &str, findings: &mut Findings<'_>) {
        findings.error(&self.place, mistyped(self.value, wanted));
    }

    /// The value as a string.
    pub(super) fn text(&self, wanted: &str, findings: &mut Findings<'_>) -> Option<&'t str> {
        if let DeValue::String(text) = self.value {
            return Some(text);
        }
        self.mistyped(wanted, findings);
        None
    }

    /// The value as a string that is a path or a part of a command: what the system takes as one.
    pub(super) fn os_text(&self, wanted: &str, findings: &mut Findings<'_>) -> Option<&'t str> {
        let text = self.text(wanted, findings)?;
        value::os_text(text).map_err(|fault| findings.error(&self.place, fault)).ok()?;
        Some(text)
    }

    /// The value as a string that `parse` understands.
    pub(super) fn parsed<T>(
        &self,
        wanted: &str,
        findings: &mut Findings<'_>,
        parse: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Option<T> {
        parse(self.text(wanted, findings)?).map_err(|fault| findings.error(&self.place, fault)).ok()
    }

    /// The value as a duration.
    pub(super) fn duration(&self, findings: &mut Findings<'_>) -> Option<Duration> {
        self.parsed("a duration in quotes, such as \"30s\"", findings, value::duration)
    }

    /// The value as a duration that is not zero.
    pub(super) fn some_time(&self, findings: &mut Findings<'_>) -> Option<Duration> {
        let duration = self.duration(findings)?;
        if duration.is_zero() {
            let fault = Fault::new("is zero", "write a duration above zero, such as \"100ms\"");
            findings.error(&self.place, fault);
        }
        Some(duration)
    }

    /// The value as a yes or no.
    pub(super) fn boolean(&self, findings: &mut Findings<'_>) -> Option<bool> {
        let DeValue::Boolean(yes) = self.value else {
            self.mistyped("true or false", findings);
            return None;
        };
        Some(*yes)
    }

    /// The value as a number that counts something, `least` or more.
    pub(super) fn count(
        &self,
        wanted: &str,
        least: usize,
        findings: &mut Findings<'_>,
    ) -> Option<usize> {
        let DeValue::Integer(written) = self.value else {
            self.mistyped(wanted, findings);
            return None;
        };
        let count = value::integer(written)
            .and_then(|number| usize::try_from(number).ok())
            .filter(|count| *count >= least);
        if count.is_none() {
            let fault =
                Fault::new(format!("is {written}"), format!("write a number from {least} on"));
            findings.error(&self.place, fault);
        }
        count
    }

    /// The value as an array.
    pub(super) fn array(
        &self,
        wanted: &str,
        findings: &mut Findings<'_>,
    ) -> Option<Vec<Entry<'t>>> {
        let DeValue::Array(array) = self.value else {
            self.mistyped(wanted, findings);
            return None;
        };
        Some(array.iter().enumerate().map(|(at, item)| self.item(at, item)).collect())
    }

    fn item(&self, at: usize, item: &'t Spanned<DeValue<'t>>) -> Entry<'t> {
        let place = Place::new(self.place.text, format!("{}[{at}]", self.place.key), item.span());
        Entry { key: place.clone(), place, name: self.name, value: item.get_ref() }
    }

    /// The value as an array of strings that the system takes as arguments.
    pub(super) fn arguments(&self, findings: &mut Findings<'_>) -> Option<Vec<Entry<'t>>> {
        let items = self.array("an array of strings, such as [\"--pool\", \"8\"]", findings)?;
        let before = items.len();
        let good: Vec<_> = items
            .into_iter()
            .filter(|item| item.os_text("a string, in quotes", findings).is_some())
            .collect();
        (good.len() == before).then_some(good)
    }

    /// The value as a string already checked to be one.
    pub(super) fn known_text(&self) -> String {
        self.value.as_str().unwrap_or_default().to_owned()
    }

    /// The value as a table whose keys are not known beforehand.
    pub(super) fn table(&self, wanted: &str, findings: &mut Findings<'_>) -> Option<Section<'t>> {
        if let DeValue::Table(table) = self.value {
            let name = self.name;
            return Some(Section { place: self.key.clone(), name, table, asked: Vec::new() });
        }
        self.mistyped(wanted, findings);
        None
    }

    /// The value as a table whose keys are known beforehand.
    pub(super) fn section(&self, findings: &mut Findings<'_>) -> Option<Section<'t>> {
        self.table(&format!("a table: [{}]", self.place.key), findings)
    }
}

/// That a value is of another type than `wanted`.
fn mistyped(value: &DeValue<'_>, wanted: &str) -> Fault {
    Fault::new(format!("is {}", kind(value)), format!("write {wanted}"))
}

/// What kind of value it is, with its article.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
