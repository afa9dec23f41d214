//! `replug status`.

use clap::Args;

use super::ControlArgs;

/// Show the plugins and components of a running replug.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) control: ControlArgs,

    /// Write everything there is to know as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
