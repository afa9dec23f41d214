//! `replug start`, `stop`, `restart` and `wait`: what becomes of a plugin, asked of a running replug.

use replug_proto::replug::control::v1 as pb;
use replug_proto::replug::control::v1::plugin::State;
use replug_supervisor::control::ClientError;

use crate::block_on;
use crate::cli::{PluginNameArgs, RestartArgs, WaitArgs, WaitState};
use crate::exit::Failure;
use crate::status::{connect, plugin_state};

/// Has a plugin run, and says how it went.
pub(crate) fn start(args: &PluginNameArgs) -> Result<(), Failure> {
    block_on(async {
        tell(&connect(&args.control).await?.start(&args.plugin).await?);
        Ok(())
    })
}

/// Has a plugin not run, and says how it went.
pub(crate) fn stop(args: &PluginNameArgs) -> Result<(), Failure> {
    block_on(async {
        tell(&connect(&args.control).await?.stop(&args.plugin).await?);
        Ok(())
    })
}

/// Has the next generation of a plugin run, and says how it went.
pub(crate) fn restart(args: &RestartArgs) -> Result<(), Failure> {
    block_on(async {
        tell(&connect(&args.control).await?.restart(&args.plugin).await?);
        Ok(())
    })
}

/// Waits for a state of a plugin, and says that it is there.
pub(crate) fn wait(args: &WaitArgs) -> Result<(), Failure> {
    block_on(async {
        let client = connect(&args.control).await?;
        let state = match args.state {
            WaitState::Ready => State::Ready,
            WaitState::Stopped => State::Stopped,
        };
        let waiting = client.wait(&args.plugin, state);
        let plugin = match args.timeout {
            None => waiting.await?,
            Some(limit) => tokio::time::timeout(limit, waiting).await.map_err(|_| {
                let limit = humantime::format_duration(limit);
                let state = plugin_state(state);
                Failure::failed(format!("plugin `{}` is not {state} after {limit}", args.plugin))
            })??,
        };
        tell(&plugin);
        Ok(())
    })
}

fn tell(plugin: &pb::Plugin) {
    let pid = plugin.pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
    let state = plugin_state(plugin.state());
    println!("{}: {state}, generation {}{pid}", plugin.name, plugin.generation);
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::NotRunning { .. } => Self::not_running(format!(
                "{error}\n  is replug running? `replug run` starts it; --config or --control says where it is"
            )),
            ClientError::Lost(_) => Self::not_running(error),
            ClientError::Denied { .. } => Self::denied(error),
            ClientError::Refused { .. } => Self::failed(error),
        }
    }
}
