//! `replug upgrade`, and the question that a program is asked before it takes over.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{ConfigArgs, ControlArgs};

/// Have another program of replug take over, without a restart.
///
/// The new program is executed in the place of the running one, in the same process, and goes on
/// with its listeners and with the plugins' processes: no plugin restarts, and no connection of an
/// application is refused. Before that it is asked whether it can take over; if it cannot, or if it
/// cannot be executed, the old one goes on and this says why. SIGUSR2 to replug does the same.
///
/// Returns when the new program serves applications.
#[derive(Debug, Args)]
pub(crate) struct UpgradeArgs {
    /// The new program [default: what is now at the path of the running one]
    #[arg(long, value_name = "FILE")]
    pub(crate) binary: Option<PathBuf>,

    /// How long calls that are under way have to end before they are cut off [default: 5s]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) drain: Option<Duration>,

    #[command(flatten)]
    pub(crate) control: ControlArgs,
}

/// What a running replug asks the program that is to take over from it.
#[derive(Debug, Args)]
pub(crate) struct CanTakeOverArgs {
    /// The form of what it would get
    #[arg(long)]
    pub(crate) format: u32,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}
