//! `replug status`.

use clap::Args;
use clap_complete::ArgValueCandidates;

use super::ControlArgs;

/// Show the plugins and components of a running replug.
///
/// Everything at one look, and below it what is wrong. With the names of plugins, everything that is
/// known of each of them.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Only these plugins, or processes of them (`NAME@2`), with everything that is known of them
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(crate::completions::plugins))]
    pub(crate) plugins: Vec<String>,

    #[command(flatten)]
    pub(crate) control: ControlArgs,

    /// Write everything there is to know as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
