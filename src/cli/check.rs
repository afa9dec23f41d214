//! `replug check`.

use clap::Args;

use super::ConfigArgs;

/// Check plugins.toml without starting anything.
///
/// Shows everything that is wrong at once, each with its line, its key and what would be right.
/// Exits with 3 where something is wrong. A warning (a program that is not there yet) is shown and
/// does not count.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    /// Write what was found as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
