//! replug as a service: what it tells the service manager that started it, over a real socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::rig::{Application, Home, PATIENCE, Replug, misbehave, require_tool, text};

/// The time in which a watched replug has to give a sign of life.
const WATCHDOG: Duration = Duration::from_millis(400);

/// The service manager's end of the conversation.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn listen(home: &Home) -> Self {
        let path = home.path("notify");
        Self { socket: UnixDatagram::bind(&path).unwrap(), path }
    }

    /// Starts replug as a service of this manager.
    fn start(&self, home: &Home, watchdog: Option<Duration>) -> Replug {
        Replug::spawn_with(home, |command| {
            command.env("NOTIFY_SOCKET", &self.path);
            if let Some(watchdog) = watchdog {
                command.env("WATCHDOG_USEC", watchdog.as_micros().to_string());
            }
            command
        })
    }

    /// The next message.
    async fn message(&self) -> String {
        let mut buffer = [0; 4096];
        let received = timeout(PATIENCE, self.socket.recv(&mut buffer)).await;
        let length = received.expect("replug tells something").unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    /// The first message from now on that has this line in it, wherever the line ends.
    async fn until(&self, line: &str) -> String {
        let mut seen = Vec::new();
        let search = async {
            loop {
                let message = self.message().await;
                if message.lines().any(|told| told.starts_with(line)) {
                    return message;
                }
                seen.push(message);
            }
        };
        let found = timeout(PATIENCE, search).await;
        found.unwrap_or_else(|_| panic!("no {line:?} in {seen:?}"))
    }

    /// Takes what has been told and not been read.
    fn forget(&self) {
        let mut buffer = [0; 4096];
        while self.socket.try_recv(&mut buffer).is_ok() {}
    }
}

/// A plugin that is started once, and a component on it.
fn plan() -> String {
    format!(
        "[plugins.store]\n\
         command = [{:?}, \"well\"]\n\
         restart = \"never\"\n\
         [components.kv]\n\
         type = \"state.misbehave\"\n",
        misbehave()
    )
}

#[tokio::test]
async fn the_service_manager_is_told_of_a_reload_from_its_beginning_to_its_end() {
    let home = Home::new(&plan());
    let manager = Manager::listen(&home);
    let replug = manager.start(&home, None);
    manager.until("READY=1").await;
    home.write_plan(&plan().replace("\"never\"", "\"never\"\nstop_timeout = \"1s\""));
    manager.forget();
    replug.signal(Signal::HUP);
    let reloading = manager.until("RELOADING=1").await;
    let since = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    assert!(since.is_some_and(|since| since.parse::<u64>().is_ok_and(|since| since > 0)));
    manager.until("READY=1").await;
    replug.line("reload: plugin store: adjusted (stop_timeout)").await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_service_is_ready_when_applications_can_call_and_not_before() {
    let home = Home::new(&plan());
    let manager = Manager::listen(&home);
    let replug = manager.start(&home, None);
    let first = manager.message().await;
    assert!(first.lines().any(|line| line == "READY=1"), "{first}");
    assert!(first.lines().any(|line| line.starts_with("STATUS=")), "{first}");
    // No waiting for anything any more: the component is known, and a call of it waits by itself.
    Application::new(&replug.status().await, "kv").assert_works().await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn the_service_managers_status_line_tells_of_a_plugin_that_is_killed() {
    let home = Home::new(&plan());
    let manager = Manager::listen(&home);
    let replug = manager.start(&home, None);
    manager.until("STATUS=1 plugin ready").await;
    replug.process_of("store").await.kill();
    let line = "STATUS=0 plugins ready, 1 failed: store (killed by SIGKILL)";
    assert_eq!(manager.until("STATUS=0 plugins ready, 1 failed").await, line);
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_service_that_is_told_to_stop_says_so() {
    let home = Home::new(&plan());
    let manager = Manager::listen(&home);
    let replug = manager.start(&home, None);
    manager.until("STATUS=1 plugin ready").await;
    replug.stop(&home).await;
    let message = manager.until("STOPPING=1").await;
    assert_eq!(message, "STOPPING=1\nSTATUS=stopping");
}

#[tokio::test]
async fn the_watchdog_is_fed_while_replug_runs_and_not_while_it_is_stopped() {
    let home = Home::new(&plan());
    let manager = Manager::listen(&home);
    let replug = manager.start(&home, Some(WATCHDOG));
    for _ in 0..3 {
        manager.until("WATCHDOG=1").await;
    }

    replug.signal(Signal::STOP);
    is_stopped(replug.pid()).await;
    manager.forget();
    let mut buffer = [0; 64];
    // As long as the manager would wait before it killed the service.
    let silence = timeout(WATCHDOG, manager.socket.recv(&mut buffer)).await;
    assert!(silence.is_err(), "a stopped replug says that it lives");

    replug.signal(Signal::CONT);
    manager.until("WATCHDOG=1").await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn the_watchdog_is_not_fed_while_the_supervisor_is_stuck() {
    if !require_tool("python3", &["-c", ""]) {
        return;
    }
    let home = Home::empty();
    let program = home.path("program");
    std::fs::copy(misbehave(), &program).unwrap();
    let stuck = format!("[plugins.stuck]\ncommand = [{:?}, \"well\"]\n", text(&program));
    home.write_plan(&(plan() + &stuck));
    let mut holder = hold(&program).await;

    let manager = Manager::listen(&home);
    let mut replug = manager.start(&home, Some(WATCHDOG));
    manager.until("READY=1").await;
    replug.line("does not answer within 200ms: the service manager's watchdog is not fed").await;
    holder.kill().await.unwrap();
    replug.until_ready("stuck").await;
    manager.forget();
    manager.until("WATCHDOG=1").await;
    replug.stop(&home).await;
}

/// Makes everybody who would run the program wait, by a lease on its file, for as long as the
/// returned process runs.
async fn hold(program: &Path) -> Child {
    const HOLD: &str = "\
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
file = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print('held', flush=True)
signal.pause()
";
    let mut command = Command::new("python3");
    command.args(["-c", HOLD]).arg(program).kill_on_drop(true);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut said = tokio::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    tokio::io::AsyncBufReadExt::read_line(&mut said, &mut line).await.unwrap();
    assert_eq!(line, "held\n", "no lease on {}", program.display());
    child
}

/// Waits until a child of the test has been stopped by a signal.
async fn is_stopped(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let options = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT;
    let waiting = tokio::task::spawn_blocking(move || {
        retry_on_intr(|| waitid(WaitId::Pid(pid), options)).unwrap()
    });
    assert!(timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap().stopped());
}
