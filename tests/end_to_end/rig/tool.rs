//! Programs that a test needs and a machine may not have.

use std::process::Command;

/// Whether the program can be run. Where it cannot, the test is to return at once: that counts as
/// skipped and is printed, but in CI (`CI=true`) it fails.
pub(crate) fn require_tool(tool: &str, arguments: &[&str]) -> bool {
    let output = Command::new(tool).args(arguments).output();
    if output.is_ok_and(|output| output.status.success()) {
        return true;
    }
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!in_ci, "{test} needs {tool}, which CI has to have");
    eprintln!("SKIPPED {test}: needs {tool}");
    false
}
