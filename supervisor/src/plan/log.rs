//! What becomes of a plugin's output: `log`, of a plugin or in `[defaults]`.

use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::place::{Fault, Findings, Place};
use super::plugin;
use super::reader::{Context, Entry, Placed, Section};
use super::value;
use crate::output::{FilePolicy, LogPolicy};

/// What stands for the plugin's name in the path of a file.
const NAME: &str = "{name}";

const DEFAULT_MAX_SIZE: u64 = 10 << 20;
const DEFAULT_KEEP: usize = 5;

/// The smallest file that may be asked for, in bytes: more than the longest line, many times over.
const LEAST_MAX_SIZE: u64 = 64 << 10;

/// How much may be kept in memory of one plugin, in bytes.
const MOST_RING: u64 = 1 << 30;

/// What is said of a plugin's output, as far as it is said.
#[derive(Debug, Clone)]
pub(super) struct Log {
    ring: usize,
    to_log: bool,
    /// The path with [`NAME`] in it, and where it is said; the second is None where it is not.
    file: Option<(PathBuf, Place)>,
    max_size: u64,
    max_age: Option<Duration>,
    keep: usize,
    stamps: bool,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            ring: LogPolicy::RING,
            to_log: true,
            file: None,
            max_size: DEFAULT_MAX_SIZE,
            max_age: None,
            keep: DEFAULT_KEEP,
            stamps: false,
        }
    }
}

impl Log {
    /// What the table's `log` says; `base` where it says nothing.
    pub(super) fn read(
        section: &mut Section<'_>,
        base: &Self,
        context: &Context<'_>,
        findings: &mut Findings<'_>,
    ) -> Self {
        let wanted = "a table, such as { file = \"logs/{name}.log\" }";
        let table = section.get("log").and_then(|entry| entry.table(wanted, findings));
        let Some(mut table) = table else { return base.clone() };
        let ring = table
            .get("ring")
            .and_then(|entry| entry.parsed("a size in quotes, such as \"256K\"", findings, ring));
        let to_log = table.get("to_log").and_then(|entry| entry.boolean(findings));
        let file = table.get("file").map(|entry| file(&entry, context, findings));
        let max_size = table.get("max_size").and_then(|entry| {
            entry.parsed("a size in quotes, such as \"10M\"", findings, max_size)
        });
        let max_age = table.get("max_age").and_then(|entry| entry.some_time(findings));
        let keep = table
            .get("keep")
            .and_then(|entry| entry.count("a number of files, such as 5", 0, findings));
        let stamps = table.get("stamps").and_then(|entry| entry.boolean(findings));
        table.finish(&[], findings);
        Self {
            ring: ring.unwrap_or(base.ring),
            to_log: to_log.unwrap_or(base.to_log),
            file: file.unwrap_or_else(|| base.file.clone()),
            max_size: max_size.unwrap_or(base.max_size),
            max_age: max_age.or(base.max_age),
            keep: keep.unwrap_or(base.keep),
            stamps: stamps.unwrap_or(base.stamps),
        }
    }

    /// What that means for a plugin of this name, and where its file is said.
    pub(super) fn of(self, name: &str) -> (LogPolicy, Option<Place>) {
        let (file, place) = self.file.map_or((None, None), |(path, place)| {
            // A path comes from TOML, which is UTF-8.
            let path = path.to_string_lossy().replace(NAME, name).into();
            let policy = FilePolicy {
                path,
                max_size: self.max_size,
                max_age: self.max_age,
                keep: self.keep,
                stamps: self.stamps,
            };
            (Some(policy), Some(place))
        });
        (LogPolicy { ring: self.ring, to_log: self.to_log, file }, place)
    }
}

/// No two plugins write into one file.
pub(super) fn one_file_each(plugins: &[Placed<plugin::Declared>], findings: &mut Findings<'_>) {
    let mut seen: Vec<(&str, &FilePolicy, &Place)> = Vec::new();
    for declared in plugins.iter().map(|it| &it.value) {
        let (Some(file), Some(place)) = (&declared.spec.log.file, &declared.log_file) else {
            continue;
        };
        let name = declared.spec.name.as_str();
        match seen.iter().find(|(_, other, _)| other.path == file.path) {
            None => seen.push((name, file, place)),
            Some((other, _, first)) => {
                let fault = Fault::new(
                    format!("makes {} the file of {other} and of {name}", file.path.display()),
                    format!("give each its own: `{NAME}` in it stands for the plugin's name"),
                );
                if first.span == place.span {
                    // Said once, in `[defaults]`, for all of them.
                    findings.error(place, fault);
                    return;
                }
                findings.conflict(place, fault, first, "the other one");
            }
        }
    }
}

fn ring(text: &str) -> Result<usize, Fault> {
    let size = value::size(text)?;
    usize::try_from(size).ok().filter(|_| size <= MOST_RING).ok_or_else(|| {
        Fault::new(format!("is {text:?}"), "write at most \"1G\", which each plugin may take")
    })
}

fn max_size(text: &str) -> Result<u64, Fault> {
    let size = value::size(text)?;
    if size < LEAST_MAX_SIZE {
        return Err(Fault::new(format!("is {text:?}"), "write \"64K\" or more"));
    }
    Ok(size)
}

/// The path of a file, or `false` for none.
fn file(
    entry: &Entry<'_>,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> Option<(PathBuf, Place)> {
    if let DeValue::Boolean(false) = entry.value {
        return None;
    }
    let text = entry.os_text("a path in quotes, or false", findings)?;
    if text.is_empty() || text.ends_with('/') {
        let help = "write a file, such as \"logs/{name}.log\"";
        findings.error(&entry.place, Fault::new(format!("is {text:?}, which is no file"), help));
    }
    Some((context.path(text), entry.place.clone()))
}
