//! `[components.NAME]`: what applications name in their calls.

use replug_component::{BuildingBlock, ComponentType, ComponentTypeError};
use replug_runtime::builtin;
use replug_runtime::component::{
    ComponentSpec, DeclaredMetadata, HoldPolicy, MetadataValue, Replay, SecretReference,
};
use replug_runtime::encryption::{self, DeclaredKeys, KeysError};
use toml::de::{DeInteger, DeValue};

use super::include::Named;
use super::nearest::nearest;
use super::place::{Fault, Findings, Place};
use super::plugin::one_of;
use super::reader::{Context, Entry, Section};
use super::secret::Referred;
use super::{secret, value as written};

const REPLAYS: [(&str, Replay); 2] = [("reads", Replay::Reads), ("all", Replay::All)];

/// What parts the prefix of a stored key from the key.
const KEY_SEPARATOR: &str = "||";

/// What `[components.NAME]` says, and where it says what other tables have to do with.
pub(super) struct Declared {
    pub(super) name: String,
    /// None where the type is not known, which has been reported, and where it is for another
    /// application.
    pub(super) spec: Option<ComponentSpec>,
    pub(super) component_type: Place,
    /// What secret stores keep of its metadata, and where that is said.
    pub(super) secrets: Vec<(SecretReference, Place)>,
}

impl Named for Declared {
    fn name(&self) -> &str {
        &self.name
    }
}

/// Reads `[components.NAME]`.
pub(super) fn read(
    mut section: Section<'_>,
    app_id: &str,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> Declared {
    if let Err(fault) = name(section.name) {
        findings.error(&section.place, fault);
    }
    let entry = section.get("type");
    if entry.is_none() {
        let help = "write a component type, such as type = \"state.sqlite\"";
        findings.missing(&section.place, Fault::new("has no `type`", help));
    }
    let component_type = entry.and_then(|entry| {
        entry.parsed("a component type, such as \"state.sqlite\"", findings, component_type)
    });
    let version = section
        .get("version")
        .and_then(|entry| entry.text("a string, such as \"v1\"", findings))
        .unwrap_or_default();
    // What a plugin serves may have any.
    let builtin = component_type.as_ref().filter(|it| builtin::find(it).is_some());
    if let Some(builtin) = builtin.filter(|it| !builtin::has_version(it, version)) {
        let fault =
            Fault::new(format!("{builtin} has no version {version:?}"), "most have v1 alone");
        findings.warning(&section.place_of("version"), fault);
    }
    let table = section
        .get("metadata")
        .and_then(|entry| entry.table("a table, such as { table = \"orders\" }", findings));
    let metadata = table.as_ref().map(|table| metadata(table, context, findings));
    let metadata = metadata.unwrap_or_default();
    let secrets = table.as_ref().map(|table| {
        let kept = metadata
            .iter()
            .filter_map(|(name, value)| Some((value.reference()?.clone(), table.place_of(name))));
        kept.collect()
    });
    let is_state = component_type.as_ref().is_some_and(|it| it.block() == BuildingBlock::State);
    if let Some(table) = table.filter(|_| is_state) {
        key_prefix(&table, &metadata, findings);
        encryption_keys(&table, &metadata, findings);
    }
    let namespaced =
        section.get("namespaced").and_then(|entry| entry.boolean(findings)).unwrap_or_default();
    let hold = hold(&mut section, findings);
    let spec = component_type.map(|component_type| ComponentSpec {
        name: section.name.to_owned(),
        component_type,
        version: version.to_owned(),
        metadata,
        namespaced,
        hold,
    });
    let component_type = section.place_of("type");
    let name = section.name.to_owned();
    let is_for_us = scopes(&mut section, app_id, findings);
    section.finish(&[], findings);
    let spec = spec.filter(|_| is_for_us);
    Declared { name, spec, component_type, secrets: secrets.unwrap_or_default() }
}

/// Whether what a table declares is for this application: where none is listed, it is for every one.
pub(super) fn scopes(section: &mut Section<'_>, app_id: &str, findings: &mut Findings<'_>) -> bool {
    let wanted = "an array of application names, such as [\"checkout\"]";
    let Some(listed) = section.get("scopes").and_then(|entry| entry.array(wanted, findings)) else {
        return true;
    };
    let names: Vec<_> = listed
        .iter()
        .filter_map(|entry| entry.text("the name of an application, in quotes", findings))
        .collect();
    names.is_empty() || names.contains(&app_id)
}

/// That a name can be a part of a URL's path, as Dapr asks of it.
fn name(name: &str) -> Result<(), Fault> {
    let message = match name {
        "" => "has an empty name".to_owned(),
        "." | ".." => format!("has the name `{name}`"),
        _ => match name.chars().find(|c| matches!(c, '/' | '%') || c.is_control()) {
            Some(wrong) => format!("has a name with {wrong:?} in it"),
            None => return Ok(()),
        },
    };
    Err(Fault::new(message, "give it a name without `/` and `%`; applications call it by that"))
}

fn component_type(text: &str) -> Result<ComponentType, Fault> {
    text.parse().map_err(|error| match error {
        ComponentTypeError::NoName(_) => Fault::new(
            format!("is {text:?}, which is no component type"),
            "write BLOCK.NAME, such as \"state.sqlite\"",
        ),
        ComponentTypeError::UnknownBlock { block } => {
            let blocks = BuildingBlock::ALL.map(BuildingBlock::as_str);
            let near = nearest(&block, blocks);
            let help = near.map_or_else(
                || format!("there are {}", blocks.join(", ")),
                |near| format!("did you mean {:?}?", text.replacen(&block, near, 1)),
            );
            Fault::new(format!("is {text:?}, and `{block}` is no building block"), help)
        }
    })
}

fn hold(section: &mut Section<'_>, findings: &mut Findings<'_>) -> HoldPolicy {
    let default = HoldPolicy::default();
    let hold = section.get("hold").and_then(|entry| entry.duration(findings));
    let limit = section
        .get("hold_limit")
        .and_then(|entry| entry.count("a number of callers, such as 10000", 0, findings));
    let max_calls = section
        .get("max_calls")
        .and_then(|entry| entry.count("a number of calls, such as 1000", 1, findings));
    let max_bytes = section
        .get("max_bytes")
        .and_then(|entry| entry.parsed("a size in quotes, such as \"64M\"", findings, bytes));
    let replay = section.get("replay").and_then(|entry| {
        entry.parsed("\"reads\" or \"all\"", findings, |text| one_of(text, &REPLAYS))
    });
    HoldPolicy {
        hold: hold.unwrap_or(default.hold),
        limit: limit.unwrap_or(default.limit),
        max_calls: max_calls.unwrap_or(default.max_calls),
        max_bytes: max_bytes.unwrap_or(default.max_bytes),
        replay: replay.unwrap_or(default.replay),
    }
}

/// A size that something fits into.
fn bytes(text: &str) -> Result<u64, Fault> {
    match written::size(text)? {
        0 => Err(Fault::new(
            format!("is {text:?}"),
            "write a size that a call fits into, such as \"64M\"",
        )),
        size => Ok(size),
    }
}

fn metadata(
    table: &Section<'_>,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> DeclaredMetadata {
    let mut metadata = DeclaredMetadata::new();
    for entry in table.entries() {
        if entry.name().is_empty() {
            findings.error(&entry.key, Fault::new("has an empty name", "give it one"));
        }
        match value(&entry, context) {
            Ok(value) => {
                metadata.insert(entry.name().to_owned(), value);
            }
            Err(fault) => findings.error(&entry.place, fault),
        }
    }
    metadata
}

/// The value as metadata carries it: as text, or as what stands for one.
fn value(entry: &Entry<'_>, context: &Context<'_>) -> Result<MetadataValue, Fault> {
    let plain = |text| Ok(MetadataValue::Plain(text));
    match entry.value {
        DeValue::String(text) => plain(text.to_string()),
        DeValue::Integer(number) => plain(whole(number)?.to_string()),
        DeValue::Float(number) => plain(number.as_str().to_owned()),
        DeValue::Boolean(truth) => plain(truth.to_string()),
        DeValue::Datetime(time) => plain(time.to_string()),
        DeValue::Table(table) => match secret::reference(table, context) {
            Some(Ok(Referred::Value(secret))) => Ok(MetadataValue::Secret(secret.expose().into())),
            Some(Ok(Referred::Kept(reference))) => Ok(MetadataValue::Reference(reference)),
            Some(Err(fault)) => Err(fault),
            None => plain(json(entry.value)?.to_string()),
        },
        DeValue::Array(_) => plain(json(entry.value)?.to_string()),
    }
}

fn json(value: &DeValue<'_>) -> Result<serde_json::Value, Fault> {
    Ok(match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(number) => whole(number)?.into(),
        DeValue::Float(number) => {
            let parsed = number.as_str().parse().ok().and_then(serde_json::Number::from_f64);
            let fault = || {
                let help =
                    "write a finite number; metadata that is an array or a table becomes JSON";
                Fault::new(format!("has {number} in it, which JSON cannot say"), help)
            };
            serde_json::Value::Number(parsed.ok_or_else(fault)?)
        }
        DeValue::Boolean(truth) => (*truth).into(),
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Array(items) => {
            let items: Result<_, _> = items.iter().map(|item| json(item.get_ref())).collect();
            serde_json::Value::Array(items?)
        }
        DeValue::Table(table) => {
            let field = |(key, value): (&toml::Spanned<std::borrow::Cow<'_, str>>, _)| {
                Ok((key.get_ref().to_string(), json(toml::Spanned::get_ref(value))?))
            };
            serde_json::Value::Object(table.iter().map(field).collect::<Result<_, Fault>>()?)
        }
    })
}

fn whole(number: &DeInteger<'_>) -> Result<i64, Fault> {
    written::integer(number).ok_or_else(|| {
        Fault::new(
            format!("has the number {number}, which does not fit into 64 bits"),
            "write it in quotes",
        )
    })
}

/// That the keys to a state store's values are kept by a secret store, and written so that they count.
fn encryption_keys(table: &Section<'_>, metadata: &DeclaredMetadata, findings: &mut Findings<'_>) {
    let Err(error) = DeclaredKeys::of(metadata) else { return };
    let (name, fault) = match error {
        KeysError::Misspelt { written, meant } => {
            let fault = Fault::new(
                "would be no encryption key",
                format!("write {meant}, as Dapr does, or values are stored in the clear"),
            );
            (written, fault)
        }
        KeysError::NotKept(name) => {
            let fault = Fault::new(
                "has to be kept by a secret store, whose secret's name is the key's",
                "write { secret = \"STORE/NAME\" }, and key = \"KEY\" beside it where the secret \
                 has several values",
            );
            (name.to_owned(), fault)
        }
        KeysError::NoPrimary => {
            let fault = Fault::new(
                "is of no use without a primary key",
                format!("write {} beside it, with which values are encrypted", encryption::PRIMARY),
            );
            (encryption::SECONDARY.to_owned(), fault)
        }
        KeysError::Separator(name) => {
            let fault = Fault::new(
                "has `||` in its name, which parts the name from the value",
                "give the secret another name",
            );
            (name.to_owned(), fault)
        }
    };
    findings.error(&table.place_of(&name), fault);
}

/// That the prefix of stored keys does not hold what parts it from them.
fn key_prefix(table: &Section<'_>, metadata: &DeclaredMetadata, findings: &mut Findings<'_>) {
    let names = metadata.iter().filter(|(name, _)| name.eq_ignore_ascii_case("keyPrefix"));
    for (name, prefix) in names {
        let Some(prefix) = prefix.text() else {
            let fault = Fault::new(
                "is what a secret store keeps, and keys have to be known before it is asked",
                "write \"appid\", \"name\", \"none\", or a text without `||`",
            );
            findings.error(&table.place_of(name), fault);
            continue;
        };
        if !prefix.contains(KEY_SEPARATOR) {
            continue;
        }
        // What it refers to may be a secret.
        let written = table.entries().any(|it| it.name() == name && it.value.as_str().is_some());
        let is =
            if written { format!("is {prefix:?}") } else { format!("has `{KEY_SEPARATOR}` in it") };
        let fault = Fault::new(
            format!("{is}, and `{KEY_SEPARATOR}` parts the prefix from the key"),
            "write \"appid\", \"name\", \"none\", or a text without `||`",
        );
        findings.error(&table.place_of(name), fault);
    }
}
