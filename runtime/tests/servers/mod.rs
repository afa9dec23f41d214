//! Real servers from Debian's packages, each started for one test, with its data in a folder of its
//! own. They are killed with the test, also where the test's own process is.

#![allow(dead_code)] // Each test file uses a part of it.

pub mod etcd;
pub mod nats;
mod ports;
pub mod postgresql;
pub mod redis;

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
use tempfile::TempDir;

pub use self::ports::free_port;

/// How long anything may take before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Whether the program can be run. Where it cannot, the test is to return at once: that counts as
/// skipped and is printed, but in CI (`CI=true`) it fails.
pub fn require(program: impl AsRef<Path>) -> bool {
    let program = program.as_ref();
    // Not every one of them knows this, but it does not start anything either.
    let mut command = Command::new(program);
    if command.arg("--version").stdin(Stdio::null()).output().is_ok() {
        return true;
    }
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let program = program.display();
    assert!(!in_ci, "{test} needs {program}, which CI has to have");
    eprintln!("SKIPPED {test}: needs {program}");
    false
}

/// A folder that a server of any user can reach and write to.
pub fn folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("replug-server-").tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), open).unwrap();
    folder
}

/// A command that dies with the thread that starts it, which in a test is the test's.
pub fn bound_to_this_thread(user: Option<&str>, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if let Some(user) = user {
        command.arg("--reuid").arg(user).arg("--regid").arg(user).arg("--clear-groups");
    }
    command.arg("--").arg(program).stdin(Stdio::null()).process_group(0);
    command
}

/// A server's process. Killed when dropped.
pub struct Process(Child);

impl Process {
    /// Starts it and waits until it prints a line with `ready` in it.
    pub fn start(mut command: Command, ready: &'static str) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (lines, printed) = mpsc::channel();
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in streams {
            let lines = lines.clone();
            // Reads on to the end, so that the server never waits for somebody to read.
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = lines.send(line);
                }
            });
        }
        drop(lines);
        let (begun, mut all) = (Instant::now(), Vec::new());
        loop {
            match printed.recv_timeout(PATIENCE.saturating_sub(begun.elapsed())) {
                Ok(line) if line.contains(ready) => return Self(child),
                Ok(line) => all.push(line),
                Err(error) => {
                    let _ = child.kill();
                    panic!("the server is not ready ({error}): {command:?}\n{}", all.join("\n"));
                }
            }
        }
    }

    /// As `kill -9`, also of the processes that it has started; waits until all are gone.
    pub fn kill(&mut self) {
        let children = self.children();
        self.signal(Signal::KILL);
        self.0.wait().unwrap();
        for child in children {
            let _ = pidfd_send_signal(&child, Signal::KILL);
            let mut ends = [PollFd::new(&child, PollFlags::IN)];
            let patience = Timespec::try_from(PATIENCE).unwrap();
            assert!(poll(&mut ends, Some(&patience)).unwrap() > 0, "a child of it does not end");
        }
    }

    fn children(&self) -> Vec<OwnedFd> {
        let pid = self.0.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        let pids = children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?));
        pids.filter_map(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()).collect()
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self) {
        self.0.wait().unwrap();
    }

    /// Sends a signal to the server.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap();
        // It has not been waited for, so the number is still its own.
        let _ = kill_process(pid, signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            self.kill();
        }
    }
}

/// Whether there is `openssl`, which makes certificates for tests.
pub fn has_openssl() -> bool {
    require("openssl")
}

/// A certificate for servers and clients, and the authority that has signed it.
pub struct Certificate(TempDir);

impl Certificate {
    /// For the host of this address.
    pub fn new(address: &str) -> Self {
        let folder = folder();
        std::fs::write(folder.path().join("names"), format!("subjectAltName=IP:{address}"))
            .unwrap();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout";
        for command in [
            format!("req -x509 {key} ca.key -out ca.pem -days 2 -subj /CN=authority"),
            format!("req {key} key.pem -out request.pem -subj /CN=replug"),
            "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
             -extfile names -out cert.pem"
                .to_owned(),
        ] {
            let mut openssl = Command::new("openssl");
            let openssl = openssl.args(command.split_whitespace()).current_dir(folder.path());
            let output = openssl.output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        // Servers of other users read it too.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(folder.path().join("key.pem"), open).unwrap();
        Self(folder)
    }

    pub fn authority(&self) -> String {
        self.0.path().join("ca.pem").display().to_string()
    }

    pub fn certificate(&self) -> String {
        self.0.path().join("cert.pem").display().to_string()
    }

    pub fn key(&self) -> String {
        self.0.path().join("key.pem").display().to_string()
    }
}
