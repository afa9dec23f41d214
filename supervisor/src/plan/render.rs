//! Diagnostics for eyes: each with its line of the file, as compilers show theirs.

use std::io;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::diagnostic::{Checked, Diagnostic, Severity};

/// Writes every diagnostic, then a line that counts them. Nothing where there is none.
pub(super) fn render(checked: &Checked, colour: bool, out: &mut dyn io::Write) -> io::Result<()> {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    for diagnostic in &checked.diagnostics {
        writeln!(out, "{}\n", renderer.render(&[group(diagnostic, &checked.source)]))?;
    }
    if let Some(first) = checked.diagnostics.first() {
        let counts = [(checked.errors(), "error"), (checked.warnings(), "warning")];
        let counts: Vec<_> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}{}", if *count == 1 { "" } else { "s" }))
            .collect();
        writeln!(out, "{}: {}", first.file, counts.join(", "))?;
    }
    Ok(())
}

fn group<'d>(diagnostic: &'d Diagnostic, source: &'d str) -> Group<'d> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let group = level.primary_title(diagnostic.title());
    let group = match &diagnostic.at {
        None => group.element(Origin::path(diagnostic.file.as_str())),
        Some(at) => {
            let others = diagnostic.related.iter().map(|related| {
                AnnotationKind::Context.span(related.at.bytes.clone()).label(&related.message)
            });
            let snippet = Snippet::source(source)
                .path(diagnostic.file.as_str())
                .annotation(AnnotationKind::Primary.span(at.bytes.clone()))
                .annotations(others);
            group.element(snippet)
        }
    };
    match &diagnostic.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    }
}
