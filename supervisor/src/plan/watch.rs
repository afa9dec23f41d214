//! `watch`: the files with whose change a plugin is started anew.

use std::path::{Path, PathBuf};

use globset::GlobBuilder;
use toml::de::DeValue;

use super::place::{Fault, Findings};
use super::reader::{Context, Entry};
use super::{Launch, program};
use crate::files::Watching;

/// What makes a path a pattern.
const SPECIAL: [char; 4] = ['*', '?', '[', '{'];

/// What the entry says, of a plugin that is started so.
pub(super) fn read(
    entry: &Entry<'_>,
    launch: &Launch,
    cwd: &Path,
    path: Option<&str>,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> Vec<Watching> {
    match entry.value {
        DeValue::Boolean(false) => Vec::new(),
        DeValue::Boolean(true) => match launch {
            Launch::Command { program, args } => itself(program, args, cwd, path),
            Launch::Builtin { .. } => {
                let help = "name files, or take it out: a built-in is a part of replug itself";
                findings.error(&entry.place, Fault::new("stands beside `builtin`", help));
                Vec::new()
            }
        },
        _ => {
            let wanted = "true, or an array of paths, such as [\"main.py\", \"src/**/*.py\"]";
            let Some(items) = entry.array(wanted, findings) else { return Vec::new() };
            if items.is_empty() {
                findings.error(&entry.place, Fault::new("is empty", format!("write {wanted}")));
            }
            items.iter().filter_map(|item| one(item, context, findings)).collect()
        }
    }
}

/// The program, and those of its arguments that are files.
fn itself(program: &Path, args: &[String], cwd: &Path, path: Option<&str>) -> Vec<Watching> {
    let program = program::find(program, cwd, path);
    let scripts = args.iter().map(|arg| program::join(cwd, arg)).filter(|path| path.is_file());
    program.into_iter().chain(scripts).map(Watching::Path).collect()
}

/// A path or a pattern, relative to the folder of the plan.
fn one(item: &Entry<'_>, context: &Context<'_>, findings: &mut Findings<'_>) -> Option<Watching> {
    let text = item.os_text("a path in quotes", findings)?;
    if text.is_empty() {
        findings.error(&item.place, Fault::new("is empty", "write a path"));
        return None;
    }
    if !text.contains(SPECIAL) {
        let path = context.path(text);
        if !path.exists() {
            let fault = Fault::new(
                format!("names {}, which does not exist", path.display()),
                "nothing is watched there until it does",
            );
            findings.warning(&item.place, fault);
        }
        return Some(Watching::Path(path));
    }
    let parts: Vec<_> = Path::new(text).components().collect();
    let plain = parts
        .iter()
        .take_while(|part| part.as_os_str().to_str().is_some_and(|part| !part.contains(SPECIAL)));
    let plain = plain.count();
    let base: PathBuf = parts[..plain].iter().collect();
    let pattern: PathBuf = parts[plain..].iter().collect();
    let pattern = pattern.to_str()?.to_owned();
    if let Err(error) = GlobBuilder::new(&pattern).literal_separator(true).build() {
        let fault = Fault::new(
            format!("is {text:?}, which is no pattern: {}", error.kind()),
            "write one such as \"src/**/*.py\"",
        );
        findings.error(&item.place, fault);
        return None;
    }
    Some(Watching::Glob { base: program::join(context.folder, base.to_str()?), pattern })
}
