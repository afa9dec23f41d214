//! The commands that make replug part of a machine: its service, its manual, its completions.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// Write what the system needs to run replug as a service.
///
/// Writes a unit for systemd with the path of this executable and of the plan, and says what to do
/// next. The unit's comments tell what each of its rules is for. A file that is there already and
/// differs is left alone.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools)] // Switches of a command line, each by itself.
pub(crate) struct InstallArgs {
    /// A unit for systemd, /etc/systemd/system/replug.service
    #[arg(long, required = true)]
    pub(crate) systemd: bool,

    /// Write the unit to standard output, and nothing else
    #[arg(long)]
    pub(crate) print: bool,

    /// Also a user that stays (/etc/sysusers.d/replug.conf) and a folder for the sockets of plugins
    /// that somebody else runs (/etc/tmpfiles.d/replug.conf)
    #[arg(long, conflicts_with = "print")]
    pub(crate) with_user: bool,

    /// Replace files that are there already
    #[arg(long, conflicts_with = "print")]
    pub(crate) force: bool,

    /// The root folder of the system to install into, such as that of an image
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(crate) root: PathBuf,

    /// What the service is to run
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = "/etc/replug/plugins.toml",
        env = "REPLUG_CONFIG"
    )]
    pub(crate) config: PathBuf,
}

/// Write completions of this command line for a shell.
///
/// Goes to standard output. For bash, `replug completions bash >
/// /etc/bash_completion.d/replug`; for zsh, a file `_replug` in a folder of `$fpath`; for fish,
/// `~/.config/fish/completions/replug.fish`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}

/// Write the manual pages.
///
/// One for replug and one for each of its commands, into a folder such as
/// /usr/local/share/man/man1; without one, that of replug itself goes to standard output.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The folder to write all pages to; made if it is not there
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
}
