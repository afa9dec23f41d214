//! `replug plugin`: a built-in component type, served by a process of its own.

use replug_component::ComponentType;
use replug_runtime::builtin::{self, Builtin};
use replug_sdk::Plugin;

use crate::block_on;
use crate::cli::PluginArgs;
use crate::exit::Failure;

/// Serves until SIGTERM or SIGINT.
pub(crate) fn serve(args: &PluginArgs) -> Result<(), Failure> {
    let component_type: ComponentType = args.component_type.parse().map_err(Failure::failed)?;
    let Some(builtin) = builtin::find(&component_type) else {
        let known: Vec<_> =
            builtin::types().iter().map(|known| known.component_type().to_string()).collect();
        return Err(Failure::failed(format!(
            "`{component_type}` is not built in; there are {}",
            known.join(", ")
        )));
    };
    let plugin = Plugin::named(component_type.name());
    let plugin = match builtin {
        Builtin::State(_, of) => plugin.state(of),
        Builtin::Hello(_, of) => plugin.hello(of),
        Builtin::Secrets(_, of) => plugin.secrets(of),
        Builtin::PubSub(_, of) => plugin.pubsub(of),
        Builtin::Binding(_, of) => plugin.binding(of),
    };
    block_on(async { plugin.serve().await.map_err(Failure::failed) })
}
