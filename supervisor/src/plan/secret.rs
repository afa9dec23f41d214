//! Values that a plan refers to and does not hold: `{ file = "…" }`, `{ env = "…" }`,
//! `{ credential = "…" }`, which are read with the plan, and `{ secret = "STORE/NAME" }`, which a
//! secret store is asked for when it is needed. Nothing shows them.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use replug_runtime::component::SecretReference;
use toml::de::{DeTable, DeValue};

use super::place::Fault;
use super::reader::{Context, kind};
use super::value;

/// The longest value that is taken from a file, in bytes. A variable may not be much longer.
const VALUE_LIMIT: u64 = 64 << 10;

/// The folder of systemd's credentials, which its `LoadCredential=` and `SetCredential=` fill.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Keys that make a table a reference.
const SOURCES: [&str; 4] = ["env", "file", "credential", "secret"];

/// A variable's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvValue {
    /// As the plan has it.
    Plain(String),
    /// From elsewhere.
    Secret(Secret),
    /// What a secret store keeps: asked for at each start of a process.
    Reference(SecretReference),
}

/// A value that comes from elsewhere and is not to be shown: `Debug` tells its source alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    source: Source,
    value: Arc<str>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The content of a file, without a line end at its end.
    File(PathBuf),
    /// A variable of replug's own environment.
    Env(String),
    /// A file of variables, `env_file`.
    EnvFile(PathBuf),
}

// === impl EnvValue ===

impl EnvValue {
    /// The value as it was when the plan was read; none where a secret store keeps it. Not to be
    /// shown.
    #[must_use]
    pub fn expose(&self) -> Option<&str> {
        match self {
            Self::Plain(text) => Some(text),
            Self::Secret(secret) => Some(secret.expose()),
            Self::Reference(_) => None,
        }
    }

    /// What it refers to, where a secret store keeps it.
    #[must_use]
    pub fn reference(&self) -> Option<&SecretReference> {
        match self {
            Self::Reference(reference) => Some(reference),
            Self::Plain(_) | Self::Secret(_) => None,
        }
    }

    /// The value as it is now: what comes from a file of its own is read again. May block on the
    /// file system. None where a secret store keeps it. An error is a text for people, without the
    /// value.
    pub fn now(&self) -> Result<Option<String>, String> {
        match self {
            Self::Secret(Secret { source: Source::File(path), .. }) => content(path)
                .map(Some)
                .map_err(|error| format!("cannot read {}: {error}", path.display())),
            _ => Ok(self.expose().map(str::to_owned)),
        }
    }
}

// === impl Secret ===

impl Secret {
    pub(super) fn new(source: Source, value: &str) -> Self {
        Self { source, value: value.into() }
    }

    /// Where it comes from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The value. Not to be shown.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.value
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secret").field(&self.source).finish()
    }
}

/// What a table refers to.
pub(super) enum Referred {
    /// A value that was read.
    Value(Secret),
    /// What a secret store keeps.
    Kept(SecretReference),
}

/// What a table refers to; none where it is not meant as a reference. No fault has the value in it.
pub(super) fn reference(
    table: &DeTable<'_>,
    context: &Context<'_>,
) -> Option<Result<Referred, Fault>> {
    let source = SOURCES.into_iter().find(|source| table.contains_key(*source))?;
    Some(match source {
        "secret" => kept(table).map(Referred::Kept),
        source => read(table, source, context).map(Referred::Value),
    })
}

/// `{ secret = "STORE/NAME" }`, and `key` where the secret has several values. A component's name has
/// no slash in it; a secret's may have.
fn kept(table: &DeTable<'_>) -> Result<SecretReference, Fault> {
    const HELP: &str = "write { secret = \"STORE/NAME\" }, and key = \"KEY\" beside it where the \
                        secret has several values";
    let text = |key| match table.get(key).map(toml::Spanned::get_ref) {
        None => Ok(None),
        Some(DeValue::String(text)) if !text.is_empty() => Ok(Some(text.as_ref())),
        Some(DeValue::String(_)) => Err(Fault::new(format!("has an empty `{key}`"), HELP)),
        Some(other) => Err(Fault::new(format!("has {} as its `{key}`", kind(other)), HELP)),
    };
    let known = |key: &str| matches!(key, "secret" | "key");
    if table.keys().any(|key| !known(key.get_ref())) {
        return Err(Fault::new("has other keys beside `secret` and `key`", HELP));
    }
    let (secret, key) = (text("secret")?.unwrap_or_default(), text("key")?);
    match secret.split_once('/') {
        Some((store, name)) if !store.is_empty() && !name.is_empty() => Ok(SecretReference {
            store: store.to_owned(),
            name: name.to_owned(),
            key: key.map(str::to_owned),
        }),
        _ => Err(Fault::new(format!("takes the secret {secret:?}, which names no store"), HELP)),
    }
}

fn read(table: &DeTable<'_>, source: &str, context: &Context<'_>) -> Result<Secret, Fault> {
    let example = match source {
        "env" => "VAR",
        "file" => "/PATH",
        _ => "NAME",
    };
    let only = table.iter().next().filter(|_| table.len() == 1);
    let Some((_, value)) = only else {
        return Err(Fault::new(
            format!("has other keys beside `{source}`"),
            format!("write {{ {source} = {example:?} }} alone, or the table as a string of JSON"),
        ));
    };
    let DeValue::String(name) = value.get_ref() else {
        return Err(Fault::new(
            format!("has {} where a name belongs", kind(value.get_ref())),
            format!("write {{ {source} = {example:?} }}, with the name in quotes"),
        ));
    };
    match source {
        "env" => variable(name, context),
        "file" => {
            value::os_text(name)?;
            let path = context.path(name);
            from_file(
                &path,
                format!("takes {}", path.display()),
                "write the file, with the value in it",
            )
        }
        _ => credential(name, context),
    }
}

fn variable(name: &str, context: &Context<'_>) -> Result<Secret, Fault> {
    let value = context.surroundings.env.get(name).ok_or_else(|| {
        Fault::new(
            format!("takes the environment variable `{name}`, which is not set"),
            "set it before replug starts, or write the value here",
        )
    })?;
    Ok(Secret::new(Source::Env(name.to_owned()), value))
}

fn credential(name: &str, context: &Context<'_>) -> Result<Secret, Fault> {
    if name.is_empty() || name.contains(['/', '\0']) || name.starts_with('.') {
        let help = "write the name that the unit gives it in LoadCredential=";
        return Err(Fault::new(format!("takes the credential {name:?}, which is no name"), help));
    }
    let Some(folder) = context.surroundings.filled(CREDENTIALS) else {
        return Err(Fault::new(
            format!("takes the credential `{name}`, and {CREDENTIALS} is not set"),
            "let systemd start replug, with the credential in LoadCredential= or SetCredential=",
        ));
    };
    let help = format!("add LoadCredential={name}:/PATH to the unit");
    from_file(&Path::new(folder).join(name), format!("takes the credential `{name}`"), &help)
}

fn from_file(path: &Path, takes: String, help: &str) -> Result<Secret, Fault> {
    let value = content(path).map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::NotFound => "which does not exist".to_owned(),
            _ => format!("which cannot be read: {error}"),
        };
        Fault::new(format!("{takes}, {why}"), help)
    })?;
    Ok(Secret::new(Source::File(path.to_owned()), &value))
}

/// What a file of one value has in it, without a line end at its end.
fn content(path: &Path) -> io::Result<String> {
    let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut bytes = Vec::new();
    File::open(path)?.take(VALUE_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > VALUE_LIMIT {
        return Err(wrong(format!("it is longer than {VALUE_LIMIT} bytes")));
    }
    let mut text = String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
    if text.contains('\0') {
        return Err(wrong("it has a zero byte in it".to_owned()));
    }
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}
