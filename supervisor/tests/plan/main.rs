//! What `plugins.toml` may say, and what is said of one that is wrong.

mod any_bytes;
mod bounds;
mod broken;
mod broken_components;
mod broken_together;
mod diff;
mod files;
mod good;
mod include;
mod instances;
mod resources;
mod secrets;
mod shown;
mod subscriptions;
mod syntax;
mod values;

use std::fmt::Write as _;
use std::path::Path;

use replug_supervisor::plan::{Checked, Diagnostic, Plan, Surroundings};

/// Surroundings that do not depend on who runs the tests.
fn surroundings() -> Surroundings {
    let env =
        [("PATH", "/usr/bin:/bin"), ("GREETING", "hello"), ("XDG_RUNTIME_DIR", "/run/user/7")];
    Surroundings {
        env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        uid: 7,
        builtins: [
            "state.sqlite",
            "state.in-memory",
            "hello.helloworld",
            "secretstores.local.file",
        ]
        .map(|name| name.parse().unwrap())
        .into(),
    }
}

/// Checks a text as if it were the file `/plan/plugins.toml`.
fn check(text: &str) -> Checked {
    Plan::check(text.to_owned(), Path::new("/plan/plugins.toml"), &surroundings())
}

/// The plan in a text that has nothing wrong with it.
fn plan(text: &str) -> Plan {
    let checked = check(text);
    assert_eq!(checked.diagnostics, [], "in:\n{text}");
    checked.plan.unwrap()
}

/// That exactly this is said of the text, in this order.
fn says(text: &str, wanted: &[&str]) {
    let checked = check(text);
    let said: Vec<_> = checked.diagnostics.iter().map(line).collect();
    let said: Vec<_> = said.iter().map(String::as_str).collect();
    assert_eq!(said, wanted, "of:\n{text}");
    let warnings = wanted.iter().filter(|it| it.contains(": warning: ")).count();
    assert_eq!(checked.plan.is_some(), warnings == wanted.len(), "of:\n{text}");
}

/// What is said, without the file, with the places that have to do with it.
fn line(diagnostic: &Diagnostic) -> String {
    let mut line = diagnostic.to_string().replace("/plan/plugins.toml:", "");
    for other in &diagnostic.related {
        let _ = write!(line, " ({}:{} {})", other.at.line, other.at.column, other.message);
    }
    line
}
