//! A running replug: started in a home, followed through its log, stopped.

mod log;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::timeout;

pub(crate) use self::log::Life;
use self::log::Log;
use crate::Failure;
use crate::home::Home;
use crate::plugin::PLUGIN;
use crate::process::Process;

/// How long a replug has to end when it is told to: longer than its own grace for calls.
const END: Duration = Duration::from_secs(20);

/// A run of `replug run`. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Replug {
    child: Child,
    pid: u32,
    log: Log,
    /// Where applications call over gRPC.
    grpc: String,
}

impl Replug {
    /// Starts it and waits until its plugin's first generation is ready.
    pub(crate) async fn start(program: &Path, home: &Home) -> Result<Self, Failure> {
        let mut command = clean(program);
        command.args(["run", "--log-json", "--config"]).arg(home.plan());
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let pid = child.id().ok_or("replug ended at once")?;
        let stderr = child.stderr.take().ok_or("replug has no standard error")?;
        let mut log = Log::follow(stderr);
        log.until(|life| life.ready).await?;

        let mut command = clean(program);
        command.args(["status", "--json", "--config"]).arg(home.plan());
        let status = command.output().await?;
        let status: Value = serde_json::from_slice(&status.stdout)?;
        let listeners = status["listeners"].as_array().into_iter().flatten();
        let grpc = listeners.filter_map(Value::as_str).find_map(|text| text.strip_prefix("grpc "));
        let grpc = grpc.ok_or("replug does not listen for gRPC")?.to_owned();
        if status["components"][0]["served_by"] != PLUGIN {
            return Err(format!("the plugin does not serve the component: {status:#}").into());
        }
        Ok(Self { child, pid, log, grpc })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Where applications call over gRPC.
    pub(crate) fn grpc(&self) -> &str {
        &self.grpc
    }

    /// The latest generation of the plugin, as the log has told of it.
    pub(crate) fn life(&self) -> Life {
        self.log.life()
    }

    /// Waits for a generation that `wanted` is true of.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Life) -> bool) -> Result<Life, Failure> {
        self.log.until(wanted).await
    }

    /// Tells it to end, and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        Process::find(self.pid)?.ask_to_end()?;
        let ended = timeout(END, self.child.wait()).await;
        let status = ended.map_err(|_| format!("replug does not end\n{}", self.log))??;
        if status.success() {
            Ok(())
        } else {
            Err(format!("replug ended with {status}\n{}", self.log).into())
        }
    }
}

/// The program in an environment that says nothing to it.
fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let said = name.to_string_lossy();
        if ["REPLUG_", "DAPR_", "LAYOTTO_"].iter().any(|prefix| said.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}
