//! The command line's own definition.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::Failure;
use crate::compare::CompareArgs;
use crate::delivery::DeliveryArgs;
use crate::idle::IdleArgs;
use crate::kill::KillArgs;
use crate::load::LoadArgs;
use crate::respawn::RespawnArgs;
use crate::scale::ScaleArgs;
use crate::storm::StormArgs;
use crate::unnoticed::UnnoticedArgs;

/// What `--help` says after the list of commands.
const AFTER_HELP: &str = "\
Exit codes:
  0  measured, and every requirement held (or --no-guard)
  1  a requirement was missed, or it could not be measured
  2  the command line is wrong

The figures count on a build as it is packaged, and a machine with nothing else to do:
  cargo build --profile dist -p replug -p replug-bench -p notebook";

/// Measures a running replug from outside, against the numbers that it has to meet.
#[derive(Debug, Parser)]
#[command(name = "replug-bench", after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// From the kill of a plugin to the first good answer, against the plugin's own start
    Kill(KillArgs),
    /// Many kills under load: what is left behind, and what is lost
    Storm(StormArgs),
    /// What a replug costs that has nothing to do: memory and wake-ups
    Idle(IdleArgs),
    /// What many plugins cost: started, killed once each, and at rest
    Scale(ScaleArgs),
    /// From a process's end to its next start, beside runsv and s6-supervise
    Respawn(RespawnArgs),
    /// What replug costs on a call's way: rate, latency, CPU and memory, beside the plugin called directly
    Load(LoadArgs),
    /// From a publish over gRPC to the delivery at an application over HTTP, beside daprd
    Delivery(DeliveryArgs),
    /// What applications notice of plugins that are killed and replaced under load
    Unnoticed(UnnoticedArgs),
    /// Where the answers of `replug daprd` differ from daprd's own
    Compare(CompareArgs),
}

/// What all benchmarks take.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The replug to measure [default: the one beside this program]
    #[arg(long, value_name = "PATH", global = true)]
    replug: Option<PathBuf>,

    /// Write the report as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Exit with 0 also where a requirement is missed
    #[arg(long, global = true)]
    pub(crate) no_guard: bool,
}

impl Common {
    /// The replug to measure, by its whole path.
    pub(crate) fn replug(&self) -> Result<PathBuf, Failure> {
        let path = match &self.replug {
            Some(path) => path.clone(),
            None => std::env::current_exe()?.with_file_name("replug"),
        };
        path.canonicalize().map_err(|error| {
            format!(
                "{}: {error}\n  `cargo build --profile dist -p replug` builds it; --replug says where it is",
                path.display()
            )
            .into()
        })
    }
}
