//! The command line's own definition: what there is to say, and the help that tells of it.

mod setup;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use self::setup::{CompletionsArgs, InstallArgs, ManArgs};

/// What `--help` says after the list of commands.
const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  what was asked could not be done
  2  the command line is wrong
  3  plugins.toml is wrong
  4  no replug answers on the control socket

Start here:
  replug check             is plugins.toml right?
  replug run               start the plugins and serve applications
  replug status            what runs, what it serves, and what is wrong";

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
    Check(CheckArgs),
    Status(StatusArgs),
    /// Start a plugin that is stopped
    Start(PluginNameArgs),
    /// Stop a plugin, until it is started again
    Stop(PluginNameArgs),
    Restart(RestartArgs),
    Wait(WaitArgs),
    Plugin(PluginArgs),
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
}

/// Start the plugins and serve applications, until told to stop.
///
/// SIGTERM and SIGINT stop replug: applications' calls end, then the plugins are stopped. A second
/// one stops at once.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    /// What the log shows: a level, or levels by target as in `info,plugin=debug`
    #[arg(long, value_name = "FILTER", default_value = "info", env = "REPLUG_LOG")]
    pub(crate) log: String,

    /// Write the log as JSON, one object a line
    #[arg(long)]
    pub(crate) log_json: bool,
}

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

/// Show the plugins and components of a running replug.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) control: ControlArgs,

    /// Write everything there is to know as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which plugin of a running replug.
#[derive(Debug, Args)]
pub(crate) struct PluginNameArgs {
    /// The plugin, as plugins.toml calls it
    pub(crate) plugin: String,

    #[command(flatten)]
    pub(crate) control: ControlArgs,
}

/// Stop a plugin and start its next generation.
///
/// Returns when the next generation is ready; fails with the reason when it does not become so.
/// Applications that call its components wait meanwhile.
#[derive(Debug, Args)]
pub(crate) struct RestartArgs {
    /// The plugin, as plugins.toml calls it
    pub(crate) plugin: String,

    #[command(flatten)]
    pub(crate) control: ControlArgs,
}

/// Wait until a plugin is ready, or stopped.
///
/// For scripts: returns at once where it is so already. A plugin that somebody else runs may be yet
/// to come. Exits with 1 where the time is over before.
#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// The plugin, as plugins.toml or its socket calls it
    pub(crate) plugin: String,

    /// What to wait for
    #[arg(long = "for", value_name = "STATE", value_enum, default_value = "ready")]
    pub(crate) state: WaitState,

    /// How long to wait at the most, such as `30s`; for ever, unless told
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Option<Duration>,

    #[command(flatten)]
    pub(crate) control: ControlArgs,
}

/// What can be waited for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum WaitState {
    /// It can be used
    Ready,
    /// It has no process, and none is to come
    Stopped,
}

/// Serve a built-in component type as a plugin process.
///
/// Any built-in can so run outside the runtime, under replug or under Dapr. The socket
/// `<NAME>.sock` appears in the folder that the environment names (`REPLUG_SOCKET_FOLDER`,
/// `DAPR_COMPONENTS_SOCKETS_FOLDER` and the like). plugins.toml has a short form:
/// `builtin = "state.sqlite"`.
#[derive(Debug, Args)]
pub(crate) struct PluginArgs {
    /// The component type, such as `state.sqlite`
    #[arg(value_name = "TYPE")]
    pub(crate) component_type: String,
}
