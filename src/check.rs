//! `replug check`: what is wrong with plugins.toml, all of it at once.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use replug_component::ComponentType;
use replug_runtime::builtin;
use replug_supervisor::plan::{Checked, Diagnostic, Plan, Surroundings};
use replug_supervisor::reload::{Source, Wanted};

use crate::cli::CheckArgs;
use crate::colour;
use crate::exit::Failure;

/// Checks and shows what was found.
pub(crate) fn check(args: &CheckArgs) -> Result<(), Failure> {
    let checked = examine(&args.config.config);
    if args.json {
        let text = serde_json::to_string_pretty(&checked.diagnostics).map_err(Failure::failed)?;
        println!("{text}");
    } else {
        let mut out = io::stdout().lock();
        // A reader that has seen enough is no failure.
        let _ = checked.render(colour::wanted(&io::stdout()), &mut out).and_then(|()| out.flush());
        if let Some(plan) = &checked.plan
            && checked.diagnostics.is_empty()
        {
            println!(
                "{}: good ({}, {})",
                args.config.config.display(),
                counted(plan.plugins.len(), "plugin"),
                counted(plan.components.len(), "component")
            );
        }
    }
    checked.plan.map(|_| ()).ok_or_else(Failure::bad_plan)
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The plan of the file, and what there is to be said of it, which is shown on standard error;
/// without a plan that is the end.
pub(crate) fn load(file: &Path) -> Result<(Plan, Vec<Diagnostic>), Failure> {
    let checked = examine(file);
    let shown = checked.render(colour::wanted(&io::stderr()), &mut io::stderr().lock());
    shown.map_err(Failure::failed)?;
    let plan = checked.plan.ok_or_else(Failure::bad_plan)?;
    Ok((plan, checked.diagnostics))
}

/// What is to be said of the file.
pub(crate) fn examine(file: &Path) -> Checked {
    Plan::load(file, &surroundings())
}

/// Where `replug run` has its plans from.
pub(crate) fn source(file: &Path) -> Source {
    let file = file.to_owned();
    Source::new(move |wanted| match wanted {
        Wanted::Everything(_) => examine(&file),
        Wanted::Resources(present) => present.with_resources_again(&surroundings(), |_| true),
        Wanted::Text(text) => Plan::check(text.to_owned(), &file, &surroundings()),
        Wanted::File(other) => examine(other),
    })
}

/// What a plan depends on besides its file, in this process.
pub(crate) fn surroundings() -> Surroundings {
    let builtins: Vec<ComponentType> =
        builtin::types().iter().map(|builtin| builtin.component_type().clone()).collect();
    Surroundings::of_process(&builtins)
}

/// The beginnings of a text that end before this line, counted from 1: all before it, and all before
/// the table that it stands in.
fn tables_before(text: &str, line: usize) -> Vec<&str> {
    let mut ends = Vec::new();
    let mut at = 0;
    let mut table = 0;
    for (number, it) in text.split_inclusive('\n').enumerate() {
        if number + 1 == line {
            break;
        }
        if it.starts_with('[') {
            table = at;
        }
        at += it.len();
    }
    ends.push(&text[..at]);
    if table > 0 {
        ends.push(&text[..table]);
    }
    ends
}

/// Where the plan of the file says that a running replug answers. A file that is wrong elsewhere
/// says it as well: what runs can be asked all the same.
pub(crate) fn control_socket(file: &Path) -> Result<PathBuf, Failure> {
    let checked = examine(file);
    if let Some(control) = checked.control {
        return Ok(control);
    }
    let wrong_at = checked.diagnostics.iter().filter_map(|it| Some(it.at.as_ref()?.line)).min();
    let known = wrong_at.and_then(|line| {
        let beginnings = tables_before(&checked.source, line).into_iter();
        let mut controls = beginnings
            .filter_map(|text| Plan::check(text.to_owned(), file, &surroundings()).control);
        controls.next().map(|control| (line, control))
    });
    if let Some((line, control)) = known {
        eprintln!(
            "{} is wrong at line {line}; going by what stands before, replug is asked at {}, and \
             --control names another place",
            file.display(),
            control.display()
        );
        return Ok(control);
    }
    let shown = checked.render(colour::wanted(&io::stderr()), &mut io::stderr().lock());
    shown.map_err(Failure::failed)?;
    Err(Failure::bad_plan())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_a_line_that_is_wrong_says_where_replug_is() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("plugins.toml");
        let own = "[runtime]\ncontrol = \"/run/own.sock\"\n";
        let other = control_socket(&{
            std::fs::write(&file, "").unwrap();
            file.clone()
        });
        for (text, control) in [
            (format!("{own}[plugins.a]\ncommand = [\"a\"\n[plugins.b]\n"), "/run/own.sock".into()),
            (format!("{own}[plugins.a]\ncommand = [\n\"a\",\n= 1\n"), "/run/own.sock".into()),
            (format!("= 1\n{own}"), other.unwrap()),
        ] {
            std::fs::write(&file, &text).unwrap();
            assert!(examine(&file).control.is_none(), "{text}");
            assert_eq!(control_socket(&file).unwrap(), control, "{text}");
        }
    }
}
