//! What the process tests share: a spawner with a warden of its own, processes to watch from
//! outside, and the test program itself in other roles.

#![allow(dead_code, reason = "every test program uses its own part")]

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::future::poll_fn;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::pin::Pin;
use std::process::{Child, Command, ExitCode, Stdio};
use std::task::Poll;

use replug_supervisor::process::warden::{WardenCommand, warden_main};
use replug_supervisor::process::{Launch, Spawner};
use rustix::process::{PidfdFlags, pidfd_open};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader, Interest};
use tokio::net::unix::pipe;

/// The program's own arguments that make it run one ignored test, which plays a role.
pub fn role(entry: &str) -> Vec<String> {
    [entry, "--exact", "--ignored", "--nocapture"].map(ToOwned::to_owned).to_vec()
}

/// Whether this program was started to play the role, and not to run its ignored tests.
fn plays(entry: &str) -> bool {
    env::args().skip(1).eq(role(entry))
}

/// The warden of tests: this program again.
pub fn warden() -> WardenCommand {
    WardenCommand {
        program: env::current_exe().unwrap(),
        args: role("warden_entry").into_iter().map(Into::into).collect(),
    }
}

/// The body of the ignored test `warden_entry`.
pub fn warden_entry() {
    if plays("warden_entry") {
        let ended = warden_main() == ExitCode::SUCCESS;
        std::process::exit(i32::from(!ended));
    }
}

pub async fn spawner() -> Spawner {
    Spawner::start(warden()).await.unwrap()
}

pub fn shell(script: &str) -> Launch {
    Launch::new("/bin/sh", ["-c", script])
}

/// Reads what a process prints.
pub fn reader(pipe: OwnedFd) -> impl AsyncBufRead + Unpin {
    BufReader::new(pipe::Receiver::from_owned_fd(pipe).unwrap())
}

/// A process that is watched from outside, child or not.
pub struct Pidfd(AsyncFd<OwnedFd>);

impl Pidfd {
    pub fn open(pid: u32) -> Self {
        Self::try_open(pid).expect("the process is there")
    }

    /// None where it is gone already.
    pub fn try_open(pid: u32) -> Option<Self> {
        let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        #[allow(deprecated, reason = "its successor is unsafe, and an OwnedFd is one descriptor")]
        Some(Self(AsyncFd::with_interest(pidfd, Interest::READABLE).unwrap()))
    }

    /// Waits for it to end.
    pub async fn gone(&self) {
        drop(self.0.readable().await.unwrap());
    }
}

/// Whether a process of this number has ended and is not reaped.
pub fn is_zombie(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z')))
}

/// How many descriptors this process has open.
pub fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The processes that this one started and has not reaped.
pub fn children() -> Vec<u32> {
    fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|thread| fs::read_to_string(thread.unwrap().path().join("children")).ok())
        .flat_map(|list| {
            list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>()
        })
        .collect()
}

/// What a future has to say when it is polled once.
pub async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        })
    })
    .await
}

/// This program once more, in a role: a process that a test looks at from outside, or kills. It is
/// killed when the test is over.
pub struct Host {
    child: Child,
    lines: Box<dyn AsyncBufRead + Unpin>,
}

/// The variable that names the role.
const ROLE: &str = "REPLUG_TEST_ROLE";

/// What the lines of a role begin with, among those of the test harness.
const SAID: &str = "host says ";

impl Host {
    /// Starts the ignored test `host_entry` in this role.
    pub fn start(name: &str) -> Self {
        Self::start_by(&[], name)
    }

    /// As [`Self::start`], by a command that is given what to execute as its last arguments.
    pub fn start_by(by: &[&str], name: &str) -> Self {
        let this = env::current_exe().unwrap();
        let mut words = by.iter().map(OsStr::new).chain([this.as_os_str()]);
        let mut child = Command::new(words.next().unwrap())
            .args(words)
            .args(role("host_entry"))
            .env(ROLE, name)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let lines = Box::new(reader(child.stdout.take().unwrap().into()));
        Self { child, lines }
    }

    /// The body of the ignored test `host_entry`.
    pub fn play<F: Future<Output = ()>>(body: impl FnOnce(String) -> F) {
        if let Ok(name) = env::var(ROLE)
            && plays("host_entry")
        {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(body(name));
        }
    }

    /// Tells the test something, from within the role.
    pub fn say(line: &str) {
        // The harness leaves its own line open.
        println!("\n{SAID}{line}");
    }

    /// The next thing that the role says.
    pub async fn line(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.lines.read_line(&mut line).await.unwrap();
            assert_ne!(read, 0, "the role ended without saying more");
            if let Some(said) = line.strip_prefix(SAID) {
                return said.trim_end().to_owned();
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// As `kill -9` does it.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Ended already, as a rule.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
