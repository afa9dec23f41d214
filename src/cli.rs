//! The command line's own definition: what there is to say, and the help that tells of it. Each
//! command's arguments have a file of their own; here is what they share.

mod check;
mod components;
mod convert;
mod daprd;
mod doctor;
mod events;
mod lifecycle;
mod logs;
mod plugin;
mod reload;
mod run;
mod setup;
mod status;
mod top;
mod upgrade;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use replug_supervisor::upgrade::QUESTION;

pub(crate) use self::check::CheckArgs;
pub(crate) use self::components::ComponentsArgs;
pub(crate) use self::convert::ConvertArgs;
pub(crate) use self::daprd::DaprdArgs;
pub(crate) use self::doctor::DoctorArgs;
pub(crate) use self::events::EventsArgs;
pub(crate) use self::lifecycle::{PluginNamesArgs, RestartArgs, SignalArgs, WaitArgs, WaitState};
pub(crate) use self::logs::LogsArgs;
pub(crate) use self::plugin::PluginArgs;
pub(crate) use self::reload::ReloadArgs;
pub(crate) use self::run::RunArgs;
pub(crate) use self::setup::{CompletionsArgs, InstallArgs, ManArgs};
pub(crate) use self::status::StatusArgs;
pub(crate) use self::top::TopArgs;
pub(crate) use self::upgrade::{CanTakeOverArgs, UpgradeArgs};

/// What `--help` says after the list of commands.
const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  what was asked could not be done
  2  the command line is wrong
  3  plugins.toml is wrong
  4  no replug answers on the control socket, or it ended meanwhile
  5  the control socket is not this user's to use
  6  as the first process of a container: everything has failed for good

Start here:
  replug check             is plugins.toml right?
  replug run               start the plugins and serve applications
  replug status            what runs, what it serves, and what is wrong
  replug logs              what plugins print";

/// An application runtime whose components are processes in any language.
///
/// replug starts the plugins that plugins.toml declares, finds out what each serves, and keeps them
/// there: a plugin that crashes or hangs is started again, and the applications that use it wait
/// instead of failing. Applications call it over Dapr's API (gRPC and HTTP) and Layotto's.
#[derive(Debug, Parser)]
#[command(name = "replug", version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do. Help takes what it says of a command from that command's arguments, where these are
/// no other's.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(RunArgs),
    Daprd(DaprdArgs),
    Check(CheckArgs),
    Convert(ConvertArgs),
    Status(StatusArgs),
    Logs(LogsArgs),
    Components(ComponentsArgs),
    Events(EventsArgs),
    Top(TopArgs),
    /// Start plugins that are stopped
    ///
    /// Returns when they are ready; fails with the reason when one does not become so.
    Start(PluginNamesArgs),
    /// Stop plugins, until they are started again
    ///
    /// Returns when their processes are gone.
    Stop(PluginNamesArgs),
    Restart(RestartArgs),
    Signal(SignalArgs),
    Wait(WaitArgs),
    Upgrade(UpgradeArgs),
    #[command(name = QUESTION, hide = true)]
    CanTakeOver(CanTakeOverArgs),
    Reload(ReloadArgs),
    Plugin(PluginArgs),
    Doctor(DoctorArgs),
    Install(InstallArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Where plugins.toml is.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// What to run: plugins, components, and where applications call
    #[arg(short, long, value_name = "FILE", default_value = "plugins.toml", env = "REPLUG_CONFIG")]
    pub(crate) config: PathBuf,
}

/// Where a running replug answers.
#[derive(Debug, Args)]
pub(crate) struct ControlArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    /// The control socket of the running replug [default: as plugins.toml says]
    #[arg(long, value_name = "SOCKET", env = "REPLUG_CONTROL")]
    pub(crate) control: Option<PathBuf>,

    /// The application that the running replug serves: its control socket is where it is by
    /// default, as that of `replug daprd`, whatever plugins.toml and --control say
    #[arg(long, value_name = "ID")]
    pub(crate) app_id: Option<String>,
}
