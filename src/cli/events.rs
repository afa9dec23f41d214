//! `replug events`.

use clap::Args;
use clap_complete::ArgValueCandidates;

use super::ControlArgs;

/// Show what happens in a running replug, as it happens.
///
/// A line for every start, end and change of state of a plugin, for every change of a component, and
/// for what users ask of replug. Ends with Ctrl-C, with the reader of a pipe, or with replug itself
/// (exit code 4).
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Only what these plugins do, and the components that they serve
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(crate::completions::plugins))]
    pub(crate) plugins: Vec<String>,

    /// Begin with so many events that have happened already; some two thousand are kept
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 0)]
    pub(crate) last: u32,

    /// Write each event as a JSON object on a line of its own
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) control: ControlArgs,
}
