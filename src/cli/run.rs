//! `replug run`.

use clap::Args;

use super::ConfigArgs;

/// Start the plugins and serve applications, until told to stop.
///
/// SIGTERM and SIGINT stop replug: applications' calls end, then the plugins are stopped. A second
/// one stops at once. SIGHUP reads plugins.toml again, SIGUSR1 tells in the log how the plugins
/// stand, SIGUSR2 upgrades. As the first process of a container replug ends with 6 when every plugin
/// that was to run has failed for good and no component can be used.
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
