//! `replug convert`.

use std::path::PathBuf;

use clap::Args;

/// Print Dapr's YAML in the form of plugins.toml
///
/// Components become `[components.NAME]`; `{appID}` and the like are replaced. What is wrong with a
/// file is shown on standard error, with its line, and the rest is printed all the same; the exit
/// code is 1 then.
#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// Folders and files of resources
    #[arg(value_name = "FOLDER|FILE", required = true)]
    pub(crate) paths: Vec<PathBuf>,

    /// What `{appID}` stands for
    #[arg(long, value_name = "NAME", default_value = "replug")]
    pub(crate) app_id: String,
}
