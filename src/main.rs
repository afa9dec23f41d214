//! The `replug` command: a thin line between a terminal and the crates that do the work.

mod check;
mod cli;
mod colour;
mod completions;
mod components;
mod convert;
mod daprd;
mod doctor;
mod events;
mod exit;
mod install;
mod lifecycle;
mod logs;
mod man;
mod metrics;
mod plugin;
mod reload;
mod run;
mod status;
mod stdout;
mod top;
mod upgrade;

use std::process::ExitCode;

use clap::Parser as _;
use mimalloc::MiMalloc;
use replug_supervisor::process::warden;

use crate::cli::{Cli, Command};
use crate::exit::Failure;

/// A call makes and drops some twenty small things, a task among them: this costs it a tenth less
/// than the system's allocator does, see benches/README.md.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    // Before anything else: the warden is this binary under another name, and must stay tiny.
    if warden::is_warden() {
        return warden::warden_main();
    }
    // Its flags are read in its own way.
    if let Some((all, own)) = daprd::called() {
        return daprd::daprd(&all, &own);
    }
    completions::answer_shell();
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Run(args) => run::run(&args),
        // Only without its own name in front of it, which is seen above.
        Command::Daprd(args) => {
            let all: Vec<_> = std::env::args_os().collect();
            return daprd::daprd(&all, &args.flags);
        }
        Command::Check(args) => check::check(&args),
        Command::Convert(args) => convert::convert(&args),
        Command::Status(args) => status::status(&args),
        Command::Components(args) => components::components(&args),
        Command::Events(args) => events::events(&args),
        Command::Logs(args) => logs::logs(&args),
        Command::Top(args) => top::top(&args),
        Command::Start(args) => lifecycle::start(&args),
        Command::Stop(args) => lifecycle::stop(&args),
        Command::Restart(args) => lifecycle::restart(&args),
        Command::Signal(args) => lifecycle::signal(&args),
        Command::Wait(args) => lifecycle::wait(&args),
        Command::Upgrade(args) => upgrade::upgrade(&args),
        Command::CanTakeOver(args) => upgrade::can_take_over(&args),
        Command::Reload(args) => reload::reload(&args),
        Command::Plugin(args) => plugin::serve(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Install(args) => install::install(&args),
        Command::Completions(args) => completions::completions(&args),
        Command::Man(args) => man::man(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// A runtime for commands that ask a running replug something, or serve one plugin.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::failed(format!("cannot start: {error}")))?.block_on(work)
}
