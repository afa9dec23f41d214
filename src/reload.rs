//! `replug reload`: has a running replug read plugins.toml again, and shows what came of it.

use std::io::Write as _;

use replug_proto::replug::control::v1 as pb;
use serde_json::json;

use crate::block_on;
use crate::cli::ReloadArgs;
use crate::colour;
use crate::exit::Failure;
use crate::status::connect;

/// Asks and shows.
pub(crate) fn reload(args: &ReloadArgs) -> Result<(), Failure> {
    block_on(async {
        let colour = colour::wanted(&std::io::stderr());
        let client = connect(&args.control).await?;
        let answer = client.reload(args.dry_run, colour).await?;
        if args.json {
            let text = serde_json::to_string_pretty(&as_json(&answer)).map_err(Failure::failed)?;
            println!("{text}");
        } else {
            eprint!("{}", answer.shown);
            // A reader that has seen enough is no failure.
            let _ = write(&answer, args.dry_run);
        }
        if !answer.accepted {
            return Err(Failure::bad_plan());
        }
        match answer.changes.iter().filter(|change| !change.failed.is_empty()).count() {
            0 => Ok(()),
            1 => Err(Failure::failed("one change did not end well")),
            count => Err(Failure::failed(format!("{count} changes did not end well"))),
        }
    })
}

fn write(answer: &pb::ReloadResponse, dry_run: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if !answer.accepted {
        return writeln!(out, "nothing was changed");
    }
    let would = if dry_run { "would be " } else { "" };
    for change in &answer.changes {
        write!(out, "{} {}: {would}{}", kind(change), change.name, change.what)?;
        if !change.keys.is_empty() {
            write!(out, " ({})", change.keys.join(", "))?;
        }
        if !change.failed.is_empty() {
            write!(out, ", and did not end well: {}", change.failed)?;
        }
        writeln!(out)?;
    }
    for key in &answer.at_next_start {
        writeln!(out, "{key}: changed, takes effect at the next start of replug")?;
    }
    writeln!(
        out,
        "unchanged: {}, {}",
        counted(answer.unchanged_plugins, "plugin"),
        counted(answer.unchanged_components, "component")
    )?;
    out.flush()
}

fn counted(count: u32, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn kind(change: &pb::Change) -> &'static str {
    match change.kind() {
        pb::change::Kind::Component => "component",
        pb::change::Kind::Configuration => "configuration",
        pb::change::Kind::Plugin | pb::change::Kind::Unspecified => "plugin",
    }
}

fn as_json(answer: &pb::ReloadResponse) -> serde_json::Value {
    let severity = |found: &pb::Diagnostic| match found.severity() {
        pb::diagnostic::Severity::Warning => "warning",
        pb::diagnostic::Severity::Error | pb::diagnostic::Severity::Unspecified => "error",
    };
    let diagnostics = answer.diagnostics.iter().map(|found| {
        json!({
            "severity": severity(found),
            "file": found.file,
            "line": (found.line > 0).then_some(found.line),
            "column": (found.column > 0).then_some(found.column),
            "key": (!found.key.is_empty()).then_some(&found.key),
            "message": found.message,
            "help": (!found.help.is_empty()).then_some(&found.help),
        })
    });
    let changes = answer.changes.iter().map(|change| {
        json!({
            "kind": kind(change),
            "name": change.name,
            "what": change.what,
            "keys": change.keys,
            "failed": (!change.failed.is_empty()).then_some(&change.failed),
        })
    });
    json!({
        "accepted": answer.accepted,
        "diagnostics": diagnostics.collect::<Vec<_>>(),
        "changes": changes.collect::<Vec<_>>(),
        "at_next_start": answer.at_next_start,
        "unchanged_plugins": answer.unchanged_plugins,
        "unchanged_components": answer.unchanged_components,
    })
}
