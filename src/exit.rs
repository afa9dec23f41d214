//! How the command ends: its exit codes, and the line that says why.

use std::fmt::Display;
use std::process::ExitCode;

/// What was asked could not be done.
pub(crate) const FAILED: u8 = 1;
/// plugins.toml is wrong. (2 is clap's own: the command line is wrong.)
pub(crate) const BAD_PLAN: u8 = 3;
/// No replug answers on the control socket.
pub(crate) const NOT_RUNNING: u8 = 4;
/// A replug is there, and this user may not ask it.
pub(crate) const DENIED: u8 = 5;

/// As the first process of a container: every plugin that was to run has failed for good, and no
/// component can be used.
pub(crate) const ALL_FAILED: u8 = 6;

/// Why the command ends without having done its work.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    /// None where everything has been said already.
    message: Option<String>,
}

impl Failure {
    /// What was asked could not be done, for this reason.
    pub(crate) fn failed(message: impl Display) -> Self {
        Self { code: FAILED, message: Some(message.to_string()) }
    }

    /// No replug answers.
    pub(crate) fn not_running(message: impl Display) -> Self {
        Self { code: NOT_RUNNING, message: Some(message.to_string()) }
    }

    /// This user may not ask.
    pub(crate) fn denied(message: impl Display) -> Self {
        Self { code: DENIED, message: Some(message.to_string()) }
    }

    /// Nothing works any more.
    pub(crate) fn all_failed(message: impl Display) -> Self {
        Self { code: ALL_FAILED, message: Some(message.to_string()) }
    }

    /// The plan is wrong, as has been shown.
    pub(crate) fn bad_plan() -> Self {
        Self { code: BAD_PLAN, message: None }
    }

    /// What was asked could not be done, as has been shown.
    pub(crate) fn shown() -> Self {
        Self { code: FAILED, message: None }
    }

    /// What can be said of it; nothing where everything has been said already.
    pub(crate) fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Both: the code of the first, and a line for each.
    pub(crate) fn and(self, other: Self) -> Self {
        let message = match (self.message, other.message) {
            (Some(one), Some(two)) => Some(format!("{one}\nreplug: {two}")),
            (one, two) => one.or(two),
        };
        Self { code: self.code, message }
    }

    /// Says why, and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        if let Some(message) = self.message {
            eprintln!("replug: {message}");
        }
        ExitCode::from(self.code)
    }
}
