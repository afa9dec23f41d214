//! The `replug-bench` command: measures a running replug from outside, against the numbers that it
//! has to meet.
//!
//! Each benchmark is a module of its own and ends in a [`report::Report`]. What they stand on: a
//! home with a plugins.toml, a running replug, an application, plugins by name, and what the kernel
//! tells of a process. None knows replug's code; they use its command line, its log and its APIs.

mod application;
mod by_hand;
mod cli;
mod compare;
mod daprd;
mod delivery;
mod hearer;
mod home;
mod idle;
mod kill;
mod load;
mod plugin;
mod process;
mod replug;
mod report;
mod respawn;
mod samples;
mod scale;
mod storm;
mod tiny;
mod unnoticed;
mod vitals;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;

use crate::cli::{Cli, Command};
use crate::report::Report;

/// Why something could not be measured, in words. Nothing is matched on: a benchmark that fails is
/// repeated by a person.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long anything may take that should take an instant. It bounds how long a broken benchmark
/// hangs; nothing waits this long where all is well.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match cli.command {
        // What loads a replug shares the cores with it: one thread is the cheapest.
        Command::Load(_) | Command::Delivery(_) => {
            tokio::runtime::Builder::new_current_thread().enable_all().build()
        }
        _ => tokio::runtime::Builder::new_multi_thread().enable_all().build(),
    };
    let report = match runtime {
        Ok(runtime) => runtime.block_on(measure(&cli)),
        Err(error) => Err(error.into()),
    };
    match report {
        Ok(report) => show(&cli, &report),
        Err(failure) => {
            eprintln!("replug-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(cli: &Cli) -> Result<Report, Failure> {
    let replug = cli.common.replug()?;
    match &cli.command {
        Command::Kill(args) => kill::measure(&replug, args).await,
        Command::Storm(args) => storm::measure(&replug, args).await,
        Command::Idle(args) => idle::measure(&replug, args).await,
        Command::Scale(args) => scale::measure(&replug, args).await,
        Command::Respawn(args) => respawn::measure(&replug, args).await,
        Command::Delivery(args) => delivery::measure(&replug, args).await,
        Command::Unnoticed(args) => unnoticed::measure(&replug, args).await,
        Command::Load(args) => load::measure(&replug, args).await,
        Command::Compare(args) => compare::measure(&replug, args).await,
    }
}

fn show(cli: &Cli, report: &Report) -> ExitCode {
    if cli.common.json {
        println!("{:#}", report.json());
    } else {
        println!("{report}");
    }
    if report.held() || cli.common.no_guard { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
