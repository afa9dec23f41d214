//! `replug daprd`.

use std::ffi::OsString;

use clap::Args;

/// Serve applications in daprd's place: its flags, its files, its log.
///
/// Whoever runs Dapr without Kubernetes writes `replug daprd` for `daprd`: `replug daprd --help`
/// lists the flags. Plugins in `--plugins plugins.toml` are run beside it.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct DaprdArgs {
    /// The flags of daprd
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAGS")]
    pub(crate) flags: Vec<OsString>,
}
