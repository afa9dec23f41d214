//! What was found in a plan, as the control API tells it.

use replug_proto::replug::control::v1 as pb;

use crate::plan::{Checked, Diagnostic, Severity};

/// It for eyes, each finding with its line of the file.
pub(super) fn shown(checked: &Checked, colour: bool) -> String {
    let mut text = Vec::new();
    // Writing to memory does not fail.
    let _ = checked.render(colour, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// It for programs.
pub(super) fn diagnostics(checked: &Checked) -> Vec<pb::Diagnostic> {
    checked.diagnostics.iter().map(diagnostic).collect()
}

fn diagnostic(found: &Diagnostic) -> pb::Diagnostic {
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let severity = match found.severity {
        Severity::Error => pb::diagnostic::Severity::Error,
        Severity::Warning => pb::diagnostic::Severity::Warning,
    };
    pb::Diagnostic {
        severity: severity.into(),
        file: found.file.clone(),
        line: found.at.as_ref().map_or(0, |at| place(at.line)),
        column: found.at.as_ref().map_or(0, |at| place(at.column)),
        key: found.key.clone().unwrap_or_default(),
        message: found.message.clone(),
        help: found.help.clone().unwrap_or_default(),
    }
}
