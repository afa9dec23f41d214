//! `replug start`, `stop`, `restart` and `wait`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::ControlArgs;

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
