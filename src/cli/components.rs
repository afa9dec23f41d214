//! `replug components`.

use clap::Args;

use super::ControlArgs;

/// Show the components of a running replug.
#[derive(Debug, Args)]
pub(crate) struct ComponentsArgs {
    /// Write everything there is to know as JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) control: ControlArgs,
}
