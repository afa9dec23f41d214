//! `replug doctor`.

use clap::Args;

use super::ConfigArgs;

/// Say what of this machine replug can use.
///
/// Looks at the kernel, control groups, Landlock and namespaces, inotify, open files, the service's
/// unit and, where there is a plan, at its folders, socket paths, ports and programs. Says what each
/// missing thing costs and how to get it. Changes nothing. To be run as the user that replug runs
/// as.
///
/// Exits with 0 where nothing fails, warnings included; with 1 where replug, or something that the
/// plan asks for, cannot run here.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    /// Write what was found as JSON: `healthy`, and `findings` with their `grade`
    #[arg(long)]
    pub(crate) json: bool,
}
