//! `include`: files that a plan's plugins, components and subscriptions stand in besides its own.
//!
//! An included file has `[plugins]`, `[components]` and `[[subscriptions]]` and nothing else, so none
//! includes another.
//! Paths in it mean what they mean in the plan's own file: moving a table changes nothing.

use std::path::{Path, PathBuf};

use super::place::{Fault, Findings, TextId};
use super::reader::{Entry, Placed, Section};
use super::{program, syntax};

/// Tables and keys that only the plan's own file has.
const OWN: [&str; 4] = ["runtime", "app", "defaults", "include"];

/// Something with a name that no two may have.
pub(super) trait Named {
    /// That name.
    fn name(&self) -> &str;
}

/// The text of every file that the array at `entry` names, in its order, those of a pattern in the
/// order of the alphabet. `plan` is the file that it stands in.
pub(super) fn read(
    entry: Option<Entry<'_>>,
    plan: &Path,
    findings: &mut Findings<'_>,
) -> Vec<(TextId, String)> {
    let wanted = "an array of files, such as [\"plugins.d/*.toml\"]";
    let Some(entries) = entry.and_then(|entry| entry.array(wanted, findings)) else {
        return Vec::new();
    };
    let folder = plan.parent().unwrap_or(Path::new(""));
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let Some(pattern) = entry.os_text("a file or a pattern, in quotes", findings) else {
            continue;
        };
        match matching(folder, pattern, plan) {
            Ok(found) => {
                for file in found {
                    // What two patterns have in common is read once.
                    if !files.contains(&file) {
                        files.push(file);
                    }
                }
            }
            Err(fault) => findings.error(&entry.place, fault),
        }
    }
    let mut texts = Vec::new();
    for file in files {
        let name = file.display().to_string();
        match syntax::read_file(&file) {
            Ok(source) => texts.push((findings.include(source.clone(), name), source)),
            Err((source, diagnostic)) => {
                let text = findings.include(source, name);
                findings.unreadable(text, *diagnostic);
            }
        }
    }
    texts
}

/// The files that one entry names. A pattern may match none; a file that is named has to be there.
fn matching(folder: &Path, pattern: &str, plan: &Path) -> Result<Vec<PathBuf>, Fault> {
    if pattern.is_empty() {
        return Err(Fault::new(
            "is empty",
            "write a file or a pattern, such as \"plugins.d/*.toml\"",
        ));
    }
    if !pattern.contains(['*', '?', '[']) {
        let file = program::join(folder, pattern);
        if same_file(&file, plan) {
            return Err(Fault::new("is the file that it stands in", "take it out"));
        }
        if !file.exists() {
            let help = "write it, or use a pattern such as \"plugins.d/*.toml\", which may match \
                        none";
            return Err(Fault::new(
                format!("names {}, which does not exist", file.display()),
                help,
            ));
        }
        return Ok(vec![file]);
    }
    let whole = if Path::new(pattern).is_absolute() || folder.as_os_str().is_empty() {
        pattern.to_owned()
    } else {
        format!("{}/{pattern}", glob::Pattern::escape(&folder.to_string_lossy()))
    };
    let found = glob::glob(&whole).map_err(|error| {
        Fault::new(
            format!("is {pattern:?}, which is no pattern: {}", error.msg),
            "`*` stands for any text, `?` for one character, `[ab]` for one of some",
        )
    })?;
    let files = found.map(|file| {
        file.map_err(|error| {
            Fault::new(
                format!("cannot look into {}: {}", error.path().display(), error.error()),
                "let the user that replug runs as read it",
            )
        })
    });
    let files = files.collect::<Result<Vec<_>, _>>()?;
    Ok(files.into_iter().filter(|file| file.is_file() && !same_file(file, plan)).collect())
}

fn same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

/// Reports what stands in an included file and belongs into the plan's own.
pub(super) fn nothing_else(top: &mut Section<'_>, plan: &Path, findings: &mut Findings<'_>) {
    for key in OWN {
        if let Some(entry) = top.get(key) {
            let fault = Fault::new(
                "stands in an included file",
                format!("move it to {}, which includes this one", plan.display()),
            );
            findings.error(&entry.key, fault);
        }
    }
}

/// Reports what one file declares and another has declared before, and leaves it out.
pub(super) fn once_each<T: Named>(
    declared: &mut Vec<Placed<T>>,
    table: &str,
    findings: &mut Findings<'_>,
) {
    let mut first: std::collections::HashMap<String, super::place::Place> =
        std::collections::HashMap::new();
    declared.retain(|it| {
        let Some(earlier) = first.get(it.value.name()) else {
            first.insert(it.value.name().to_owned(), it.place.clone());
            return true;
        };
        let help = format!("rename one of the two; every name in [{table}] is given once");
        let fault = Fault::new("is declared twice", help);
        findings.conflict(&it.place, fault, earlier, "first declared here");
        false
    });
}
