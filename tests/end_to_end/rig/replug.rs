//! A running replug: started, watched through its log and its status, stopped, and looked after.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::process::MARK;
use super::{Home, PATIENCE, Process, Status};

/// The program.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_replug");
/// How many lines of the log are kept for a failure's text.
const KEPT_LINES: usize = 400;
/// How long what replug leaves behind may take to end once replug itself has.
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(10);

/// A run of `replug run`. When it is dropped it is killed, and whatever it leaves behind fails the
/// test.
pub(crate) struct Replug {
    child: Child,
    mark: String,
    log: Arc<Log>,
    reader: JoinHandle<()>,
    plan: PathBuf,
}

/// How a command ended, with what it said.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The last lines of replug's log.
struct Log {
    lines: Mutex<VecDeque<String>>,
    /// Lines so far.
    count: watch::Sender<usize>,
}

// === impl Replug ===

impl Replug {
    /// Starts it and waits until it answers on its control socket.
    pub(crate) async fn start(home: &Home) -> Self {
        let mut replug = Self::spawn(home);
        replug.until("replug answers", |_| true).await;
        replug
    }

    /// Starts it and waits for nothing.
    pub(crate) fn spawn(home: &Home) -> Self {
        Self::spawn_with(home, |command| command)
    }

    /// As [`Self::spawn`], with a command that is changed before.
    pub(crate) fn spawn_with(
        home: &Home,
        change: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Self {
        let mark = mark();
        let mut command = replug_command(BINARY.as_ref());
        command.args(["run", "--config"]).arg(home.plan());
        command.env(MARK, &mark).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = change(&mut command).spawn().unwrap();

        let log = Arc::new(Log { lines: Mutex::default(), count: watch::Sender::new(0) });
        // Ends with replug, or with the test.
        let stderr = child.stderr.take().unwrap();
        let reader = tokio::spawn(read_log(stderr, Arc::clone(&log)));
        Self { child, mark, log, reader, plan: home.plan() }
    }

    /// As [`Self::spawn`], started by another program, which executes what follows its arguments.
    pub(crate) fn spawn_under(home: &Home, program: &str, args: &[&str]) -> Self {
        Self::spawn_with(home, |command| {
            let replug = command.as_std();
            let mut other = Command::new(program);
            other.args(args).arg(replug.get_program()).args(replug.get_args());
            for (name, value) in replug.get_envs() {
                match value {
                    Some(value) => other.env(name, value),
                    None => other.env_remove(name),
                };
            }
            other.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
            *command = other;
            command
        })
    }

    /// Starts `replug daprd` with these flags and waits for nothing. Its log is on standard output.
    pub(crate) fn spawn_daprd(home: &Home, flags: &[String]) -> Self {
        Self::spawn_daprd_with(home, flags, &[])
    }

    /// As [`Self::spawn_daprd`], with these variables beside.
    pub(crate) fn spawn_daprd_with(
        home: &Home,
        flags: &[String],
        variables: &[(&str, &str)],
    ) -> Self {
        let mut command = replug_command(BINARY.as_ref());
        command.arg("daprd");
        Self::spawn_in_daprds_place(home, command, flags, variables)
    }

    /// The same through a link that is called `daprd`.
    pub(crate) fn spawn_link(home: &Home, flags: &[String], variables: &[(&str, &str)]) -> Self {
        let link = home.path("daprd");
        std::os::unix::fs::symlink(BINARY, &link).unwrap();
        Self::spawn_in_daprds_place(home, replug_command(&link), flags, variables)
    }

    fn spawn_in_daprds_place(
        home: &Home,
        mut command: Command,
        flags: &[String],
        variables: &[(&str, &str)],
    ) -> Self {
        let mark = mark();
        command.args(flags).current_dir(home.path(""));
        command.env("DAPR_COMPONENTS_SOCKETS_FOLDER", home.sockets());
        command.envs(variables.iter().copied());
        command.env(MARK, &mark).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Log { lines: Mutex::default(), count: watch::Sender::new(0) });
        // Ends with replug, or with the test.
        let stdout = child.stdout.take().unwrap();
        let reader = tokio::spawn(read_log(stdout, Arc::clone(&log)));
        Self { child, mark, log, reader, plan: home.plan() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it has not been waited for")
    }

    /// What `replug status --json` says; none while replug does not answer.
    pub(crate) async fn status_now(&self) -> Option<Status> {
        status_of(&self.plan).await
    }

    /// What `replug status --json` says.
    pub(crate) async fn status(&self) -> Status {
        self.status_now().await.unwrap_or_else(|| panic!("replug does not answer\n{}", self.log))
    }

    /// Runs another command against this replug.
    pub(crate) async fn command(&self, arguments: &[&str]) -> Run {
        Run::replug(arguments, &self.plan).await
    }

    /// Starts another command against this replug, its standard output being read by the test.
    pub(crate) fn spawn_command(&self, arguments: &[&str]) -> Child {
        let mut command = replug_command(BINARY.as_ref());
        command.args(arguments).arg("--config").arg(&self.plan);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command.spawn().unwrap()
    }

    /// Starts another command against this replug, with these as its standard streams.
    pub(crate) fn spawn_on(
        &self,
        arguments: &[&str],
        [stdin, stdout, stderr]: [Stdio; 3],
    ) -> Child {
        let mut command = replug_command(BINARY.as_ref());
        command.args(arguments).arg("--config").arg(&self.plan).kill_on_drop(true);
        command.stdin(stdin).stdout(stdout).stderr(stderr).spawn().unwrap()
    }

    /// The first status that `wanted` is true of.
    ///
    /// replug logs every change after it has made it visible, so the status is looked at again
    /// after each line of the log, and at no other time.
    pub(crate) async fn until(&mut self, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        let mut count = self.log.count.subscribe();
        let mut last = None;
        let search = async {
            loop {
                count.mark_unchanged();
                last = status_of(&self.plan).await;
                if let Some(status) = last.as_ref().filter(|status| wanted(status)) {
                    return Some(status.clone());
                }
                // The log ends when replug does.
                count.changed().await.ok()?;
            }
        };
        let found = tokio::select! {
            found = tokio::time::timeout(PATIENCE, search) => found.ok().flatten(),
            ended = self.child.wait() => panic!("not {what}: replug has ended, {ended:?}\n{}", self.log),
        };
        found.unwrap_or_else(|| panic!("not {what}\nstatus: {last:#?}\nlog:\n{}", self.log))
    }

    /// Waits until the plugin is ready, and gives the status.
    pub(crate) async fn until_ready(&mut self, plugin: &str) -> Status {
        self.until(&format!("{plugin} ready"), |status| status.plugin_is(plugin, "ready")).await
    }

    /// Waits until the component is ready, and gives the status.
    pub(crate) async fn until_usable(&mut self, component: &str) -> Status {
        let what = format!("{component} ready");
        self.until(&what, |status| status.component_is(component, "ready")).await
    }

    /// The log so far, as far as it is kept.
    pub(crate) fn log(&self) -> String {
        self.log.to_string()
    }

    /// The first line of the log, from the start or later, that has `part` in it.
    pub(crate) async fn line(&self, part: &str) -> String {
        let mut count = self.log.count.subscribe();
        let search = async {
            loop {
                count.mark_unchanged();
                if let Some(line) = self.log.find(part) {
                    return Some(line);
                }
                count.changed().await.ok()?;
            }
        };
        let found = tokio::time::timeout(PATIENCE, search).await.ok().flatten();
        found.unwrap_or_else(|| panic!("no line with {part:?}\nlog:\n{}", self.log))
    }

    /// The process of a plugin's present generation.
    pub(crate) async fn process_of(&self, plugin: &str) -> Process {
        let status = self.status().await;
        let pid = status.plugin(plugin).and_then(|plugin| plugin.pid);
        let pid = pid.unwrap_or_else(|| panic!("{plugin} has no process: {status:#?}"));
        Process::find(pid).unwrap_or_else(|| panic!("{plugin}'s process {pid} is gone"))
    }

    /// Kills the plugin's process with SIGKILL and waits until it is gone, and for no other.
    pub(crate) async fn kill_at_once(&self, plugin: &str) {
        let process = self.process_of(plugin).await;
        process.kill();
        process.gone().await;
    }

    /// Kills the plugin's process with SIGKILL and waits for its next generation to be ready.
    pub(crate) async fn kill_plugin(&mut self, plugin: &str) -> Status {
        let generation = self.status().await.plugin(plugin).unwrap().generation;
        self.kill_at_once(plugin).await;
        self.until(&format!("{plugin} ready again"), |status| {
            let plugin = status.plugin(plugin);
            plugin.is_some_and(|now| now.generation > generation && now.state == "ready")
        })
        .await
    }

    /// Sends replug itself a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        Process::find(self.pid()).expect("replug runs").signal(signal);
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.unwrap_or_else(|_| panic!("replug does not end\n{}", self.log)).unwrap()
    }

    /// Stops it with SIGTERM, and asserts that it ends well and leaves nothing behind.
    pub(crate) async fn stop(mut self, home: &Home) {
        self.signal(Signal::TERM);
        let status = self.ended().await;
        assert!(status.success(), "replug ended with {status}\n{}", self.log);
        self.assert_nothing_left();
        assert_eq!(home.private_folders(), Vec::<String>::new());
        assert!(!home.run_dir().join("control.sock").exists(), "the control socket is still there");
    }

    /// Waits until every process that came from this replug has ended.
    pub(crate) fn assert_nothing_left(&self) {
        let left = self.end_leftovers();
        assert!(left.is_empty(), "replug left behind: {left:?}\n{}", self.log);
    }

    /// Every process that came from this replug, replug itself included.
    pub(crate) fn processes(&self) -> Vec<Process> {
        Process::marked(&self.mark)
    }

    /// Gives what is left some time to end, kills it, and tells what it was.
    fn end_leftovers(&self) -> Vec<String> {
        let mut left = Vec::new();
        for process in self.processes() {
            if !process.gone_within(LEFTOVER_PATIENCE) {
                left.push(format!("{} {}", process.pid(), process.command_line()));
                process.kill();
            }
        }
        left
    }
}

impl Drop for Replug {
    fn drop(&mut self) {
        // Killed hard, so that this is one more test that no child outlives it.
        let _ = self.child.start_kill();
        let left = self.end_leftovers();
        self.reader.abort();
        if std::thread::panicking() {
            eprintln!("replug's log:\n{}", self.log);
        } else {
            assert!(left.is_empty(), "a killed replug left behind: {left:?}");
        }
    }
}

// === impl Run ===

impl Run {
    /// Runs `replug` with these arguments to its end.
    pub(crate) async fn replug(arguments: &[&str], plan: &Path) -> Self {
        let mut command = replug_command(BINARY.as_ref());
        command.args(arguments).arg("--config").arg(plan).kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, command.output()).await;
        output.expect("it ends").unwrap().into()
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

// === impl Log ===

impl Log {
    fn push(&self, line: String) {
        let mut lines = self.lines.lock().unwrap();
        if lines.len() == KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
        drop(lines);
        self.count.send_modify(|count| *count += 1);
    }

    fn find(&self, part: &str) -> Option<String> {
        self.lines.lock().unwrap().iter().find(|line| line.contains(part)).cloned()
    }
}

impl std::fmt::Display for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.lines.lock().unwrap().iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

async fn read_log(stderr: impl AsyncRead + Unpin, log: Arc<Log>) {
    let mut lines = BufReader::new(stderr).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        log.push(String::from_utf8_lossy(&line).into_owned());
    }
}

/// What the replug of that plan says of itself; none while it does not answer.
async fn status_of(plan: &Path) -> Option<Status> {
    let run = Run::replug(&["status", "--json"], plan).await;
    let parsed = (run.code == Some(0)).then(|| serde_json::from_str(&run.stdout));
    parsed.map(|status| status.unwrap_or_else(|error| panic!("{error}: {}", run.stdout)))
}

/// The binary at `path`, in an environment that says nothing to it.
fn replug_command(path: &Path) -> Command {
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if ["REPLUG_", "DAPR_", "LAYOTTO_"].iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(name.as_ref());
        }
    }
    command.stdin(Stdio::null());
    command
}

/// Another text for every run of replug on this machine.
fn mark() -> String {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    format!("{}.{}", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed))
}
