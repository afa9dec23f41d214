//! `replug plugin`.

use clap::Args;

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
