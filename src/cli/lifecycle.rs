//! `replug start`, `stop`, `restart`, `signal` and `wait`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCandidates;

use super::ControlArgs;

/// Which plugins of a running replug.
#[derive(Debug, Args)]
pub(crate) struct PluginNamesArgs {
    /// The plugins, as plugins.toml calls them; `NAME@2` is one process of a plugin that has several
    #[arg(value_name = "NAME", required = true, add = ArgValueCandidates::new(crate::completions::plugins))]
    pub(crate) plugins: Vec<String>,

    /// Write what they are then as JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) control: ControlArgs,
}

/// Stop plugins and start their next generations.
///
/// One plugin after the other, each when the one before it is ready again, and in the same way the
/// processes of a plugin that has several; fails with the reason when one does not become ready. Applications that call its components wait meanwhile;
/// with --rolling they do not.
#[derive(Debug, Args)]
pub(crate) struct RestartArgs {
    #[command(flatten)]
    pub(crate) names: PluginNamesArgs,

    /// Start the next generation beside the present one, and stop that one when the next serves in
    /// its place and its calls have ended (`drain_timeout`). If the next does not become ready, the
    /// present one serves on. A plugin whose `socket` is fixed is restarted plainly
    #[arg(long)]
    pub(crate) rolling: bool,
}

/// Send a signal to a plugin and its children.
///
/// It goes to the plugin's whole process group. A plugin that ends of it is started again as after
/// every end; `replug stop` is what keeps it stopped.
#[derive(Debug, Args)]
pub(crate) struct SignalArgs {
    /// The plugin, as plugins.toml calls it; `NAME@2` is one process of a plugin that has several
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(crate::completions::plugins))]
    pub(crate) plugin: String,

    /// The signal, by name or number, such as `HUP`, `SIGUSR1` or `10`
    pub(crate) signal: String,

    #[command(flatten)]
    pub(crate) control: ControlArgs,
}

/// Wait until plugins are ready, stopped, or failed.
///
/// For scripts: returns at once where it is so already. A plugin that somebody else runs may be yet
/// to come. Exits with 1 where the time is over before.
#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// What to wait for
    #[arg(long = "for", value_name = "STATE", value_enum, default_value = "ready")]
    pub(crate) state: WaitState,

    /// How long to wait at the most, such as `30s`; for ever, unless told
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Option<Duration>,

    #[command(flatten)]
    pub(crate) names: PluginNamesArgs,
}

/// What can be waited for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum WaitState {
    /// It can be used
    Ready,
    /// It has no process, and none is to come
    Stopped,
    /// It failed, and is not started again by itself
    Failed,
}
