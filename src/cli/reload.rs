//! `replug reload`.

use clap::Args;

use super::ControlArgs;

/// Have a running replug read plugins.toml again, and change what differs.
///
/// The file is checked as a whole first: where it is wrong, nothing changes, and what is wrong is
/// shown (exit code 3). Otherwise the least is done: what does not differ keeps its process and its
/// connections, changed metadata initialises that component again, a changed command, variable or
/// socket takes another process. Returns when all of that is done; plugins that are new start by
/// themselves. SIGHUP does the same.
#[derive(Debug, Args)]
pub(crate) struct ReloadArgs {
    /// Only show what would change
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Write what changes, and what is wrong, as JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) control: ControlArgs,
}
