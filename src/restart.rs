//! `replug restart`: the next generation of a plugin, asked of a running replug.

use replug_supervisor::control::ClientError;

use crate::block_on;
use crate::cli::RestartArgs;
use crate::exit::Failure;
use crate::status::connect;

/// Asks, waits, and says how it went.
pub(crate) fn restart(args: &RestartArgs) -> Result<(), Failure> {
    block_on(async {
        let client = connect(&args.control).await?;
        let plugin = client.restart(&args.plugin).await?;
        println!(
            "{}: ready, generation {}{}",
            plugin.name,
            plugin.generation,
            plugin.pid.map(|pid| format!(", pid {pid}")).unwrap_or_default()
        );
        Ok(())
    })
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::NotRunning { .. } => Self::not_running(format!(
                "{error}\n  is replug running? `replug run` starts it; --config or --control says where it is"
            )),
            ClientError::Refused(_) => Self::failed(error),
        }
    }
}
