//! Diagnostics for eyes: each with its line of the file, as compilers show theirs.

use std::io;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::diagnostic::{Checked, Diagnostic, Severity};

/// Writes every diagnostic, then a line that counts them. Nothing where there is none.
pub(super) fn render(checked: &Checked, colour: bool, out: &mut dyn io::Write) -> io::Result<()> {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    for diagnostic in &checked.diagnostics {
        writeln!(out, "{}\n", renderer.render(&[group(diagnostic, checked)]))?;
    }
    if let Some(first) = checked.diagnostics.first() {
        let counts = [(checked.errors(), "error"), (checked.warnings(), "warning")];
        let counts: Vec<_> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}{}", if *count == 1 { "" } else { "s" }))
            .collect();
        // Where several files are read, the count is of no single one.
        let whole = format!("{}: ", first.file);
        let of = if checked.included.is_empty() { whole.as_str() } else { "" };
        writeln!(out, "{of}{}", counts.join(", "))?;
    }
    Ok(())
}

fn group<'d>(diagnostic: &'d Diagnostic, checked: &'d Checked) -> Group<'d> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let group = level.primary_title(diagnostic.title());
    let snippet_of = |file: &'d str| Snippet::source(checked.text_of(file)).path(file);
    let (elsewhere, here): (Vec<_>, Vec<_>) =
        diagnostic.related.iter().partition(|related| related.file.is_some());
    let group = match &diagnostic.at {
        None => group.element(Origin::path(diagnostic.file.as_str())),
        Some(at) => {
            let others = here.iter().map(|related| {
                AnnotationKind::Context.span(related.at.bytes.clone()).label(&related.message)
            });
            let snippet = snippet_of(&diagnostic.file)
                .annotation(AnnotationKind::Primary.span(at.bytes.clone()))
                .annotations(others);
            group.element(snippet)
        }
    };
    let group = elsewhere.iter().fold(group, |group, related| {
        let file = related.file.as_deref().unwrap_or(&diagnostic.file);
        let other = AnnotationKind::Context.span(related.at.bytes.clone()).label(&related.message);
        group.element(snippet_of(file).annotation(other))
    });
    match &diagnostic.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    }
}
