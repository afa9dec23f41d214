//! A running replug: started in a home, followed through its log, stopped.

mod log;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use self::log::Log;
pub(crate) use self::log::{Life, Lives};
use crate::home::Home;
use crate::plugin::PLUGIN;
use crate::process::Process;
use crate::{Failure, PATIENCE};

/// How long a replug has to end when it is told to: longer than its own grace for calls.
const END: Duration = Duration::from_secs(20);

/// How long many plugins may take that all start at once.
const MANY: Duration = Duration::from_secs(300);

/// A run of `replug run`. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Replug {
    child: Child,
    pid: u32,
    log: Log,
    plan: PathBuf,
    program: PathBuf,
    /// Where applications call over gRPC and over HTTP; empty until somebody has asked.
    grpc: String,
    http: String,
}

impl Replug {
    /// Starts it and waits until its plugin's first generation is ready and serves the component.
    pub(crate) async fn start(program: &Path, home: &Home) -> Result<Self, Failure> {
        let mut replug = Self::launch(program, home)?;
        replug.until(|life| life.ready).await?;
        let status = replug.status().await?;
        let at = |name: &str| {
            let mut listeners = status["listeners"].as_array().into_iter().flatten();
            let at =
                listeners.find_map(|text| text.as_str()?.strip_prefix(name)?.strip_prefix(' '));
            at.map(str::to_owned).ok_or(format!("replug does not listen for {name}"))
        };
        replug.grpc = at("grpc")?;
        replug.http = at("http")?;
        if status["components"][0]["served_by"] != PLUGIN {
            return Err(format!("the plugin does not serve the component: {status:#}").into());
        }
        Ok(replug)
    }

    /// Starts it and waits for nothing.
    pub(crate) fn launch(program: &Path, home: &Home) -> Result<Self, Failure> {
        let mut command = clean(program);
        command.args(["run", "--log-json", "--config"]).arg(home.plan());
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let pid = child.id().ok_or("replug ended at once")?;
        let stderr = child.stderr.take().ok_or("replug has no standard error")?;
        let log = Log::follow(stderr);
        let (plan, program) = (home.plan(), program.to_owned());
        Ok(Self { child, pid, log, plan, program, grpc: String::new(), http: String::new() })
    }

    /// Where applications call over gRPC, as soon as it says so.
    pub(crate) async fn serves(&mut self) -> Result<String, Failure> {
        self.until_all(|lives| lives.grpc().is_some()).await?;
        self.log.grpc().ok_or_else(|| "replug does not say where it serves gRPC".into())
    }

    /// What `replug status --json` says.
    pub(crate) async fn status(&self) -> Result<Value, Failure> {
        let mut command = clean(&self.program);
        command.args(["status", "--json", "--config"]).arg(&self.plan);
        let status = command.output().await?;
        Ok(serde_json::from_slice(&status.stdout)?)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Where applications call over gRPC.
    pub(crate) fn grpc(&self) -> &str {
        &self.grpc
    }

    /// Where applications call over HTTP.
    pub(crate) fn http(&self) -> &str {
        &self.http
    }

    /// The latest generation of the plugin, as the log has told of it.
    pub(crate) fn life(&self) -> Life {
        self.log.life(PLUGIN)
    }

    /// The process of every plugin's latest generation.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.log.pids()
    }

    /// The processes of the latest generations of those plugins that `wanted` is true of.
    pub(crate) fn pids_of(&self, wanted: impl Fn(&str) -> bool) -> Vec<u32> {
        self.log.pids_of(wanted)
    }

    /// Has the plan read again, as a user would, and waits until everything is as it says.
    pub(crate) async fn reload(&self) -> Result<(), Failure> {
        self.told(&["reload"]).await
    }

    /// Runs a command against it, which has to succeed.
    async fn told(&self, arguments: &[&str]) -> Result<(), Failure> {
        let mut command = clean(&self.program);
        let done = command.args(arguments).arg("--config").arg(&self.plan).output().await?;
        if done.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&done.stderr).into_owned().into())
    }

    /// Waits for a generation that `wanted` is true of.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Life) -> bool) -> Result<Life, Failure> {
        self.log.until(PLUGIN, PATIENCE, |lives| wanted(&lives.of(PLUGIN))).await
    }

    /// Waits for a generation of that plugin that `wanted` is true of.
    pub(crate) async fn until_of(
        &mut self,
        plugin: &str,
        wanted: impl Fn(&Life) -> bool,
    ) -> Result<Life, Failure> {
        self.log.until(plugin, PATIENCE, |lives| wanted(&lives.of(plugin))).await
    }

    /// Has a plugin replaced by its next generation, as a user would, and waits until it is.
    pub(crate) async fn replace(&self, plugin: &str) -> Result<(), Failure> {
        self.told(&["restart", plugin, "--rolling"]).await
    }

    /// Waits until `wanted` is true of the plugins.
    pub(crate) async fn until_all(
        &mut self,
        wanted: impl Fn(&Lives) -> bool,
    ) -> Result<(), Failure> {
        self.log.until(PLUGIN, MANY, wanted).await.map(drop)
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
pub(crate) fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let said = name.to_string_lossy();
        let prefixes = ["REPLUG_", "DAPR_", "LAYOTTO_", "OTEL_"];
        if prefixes.iter().any(|prefix| said.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}
