//! A master, its replica, and a sentinel that watches them.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use tempfile::TempDir;

use super::cluster::look;
use super::{PROGRAM, Redis};
use crate::servers::{Process, bound_to_this_thread, folder, free_port};

/// What the sentinel calls the master.
pub const MASTER: &str = "shop";

/// The three of them. Killed when dropped.
pub struct Watched {
    pub master: Redis,
    pub replica: Redis,
    _sentinel: Process,
    _folder: TempDir,
    port: u16,
    password: Option<String>,
}

impl Watched {
    /// None: there is no Redis here, and the test is to return. With `password`, the sentinel asks for
    /// it, and with `arguments` the servers start.
    pub fn start(password: Option<&str>, arguments: &[&str]) -> Option<Self> {
        let port = || free_port().to_string();
        let own = ["--repl-diskless-sync-delay", "0", "--repl-timeout", "60", "--port"];
        let master_port = port();
        let at = |port: &str| [&own[..], &[port], arguments].concat().join("\n");
        let begin = |line: &str| Redis::start(&line.split('\n').collect::<Vec<_>>());
        let master = begin(&at(&master_port))?;
        let replica = format!("{}\n--replicaof\n127.0.0.1\n{master_port}", at(&port()));
        let replica = begin(&replica)?;
        look(|| replica.cli(&["INFO", "replication"]).contains("master_link_status:up"));
        let (folder, port) = (folder(), free_port());
        let mut lines = vec![
            format!("port {port}"),
            format!("sentinel monitor {MASTER} 127.0.0.1 {master_port} 1"),
            // Who becomes the master is for the test to say, on a busy machine too.
            format!("sentinel down-after-milliseconds {MASTER} 600000"),
            format!("sentinel failover-timeout {MASTER} 3000"),
        ];
        if let Some(at) = arguments.iter().position(|argument| *argument == "--requirepass") {
            lines.push(format!("sentinel auth-pass {MASTER} {}", arguments[at + 1]));
        }
        lines.extend(password.map(|password| format!("requirepass {password}")));
        std::fs::write(folder.path().join("sentinel.conf"), lines.join("\n")).unwrap();
        let mut command = bound_to_this_thread(None, PROGRAM.as_ref());
        command.current_dir(folder.path()).args(["sentinel.conf", "--sentinel"]);
        let sentinel = Process::start(command, "+monitor master");
        let password = password.map(str::to_owned);
        let all = Self { master, replica, _sentinel: sentinel, _folder: folder, port, password };
        // It finds out about the replica by asking the master, now and then.
        look(|| all.ask(&["SENTINEL", "REPLICAS", MASTER]).contains("127.0.0.1"));
        Some(all)
    }

    /// Where the sentinel is.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn cli(&self) -> Command {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.port.to_string()]);
        if let Some(password) = &self.password {
            command.args(["--no-auth-warning", "-a", password]);
        }
        command
    }

    fn ask(&self, arguments: &[&str]) -> String {
        let output = self.cli().args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Has the sentinel make the replica the master, whether the master lives or not, and waits for it.
    pub fn fail_over(&self) {
        let mut failover = self.listen();
        // Not before it knows the replica well enough.
        look(|| self.ask(&["SENTINEL", "FAILOVER", MASTER]).trim() == "OK");
        failover.wait();
    }

    /// Listens for the next failover.
    fn listen(&self) -> Failover {
        let mut command = self.cli();
        command.args(["SUBSCRIBE", "+switch-master"]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        read_until(&mut lines, "subscribe");
        Failover { child, lines }
    }
}

/// Who hears of a failover.
struct Failover {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Failover {
    /// Waits until another is the master.
    fn wait(&mut self) {
        read_until(&mut self.lines, &format!("{MASTER} 127.0.0.1"));
    }
}

impl Drop for Failover {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_until(lines: &mut BufReader<ChildStdout>, text: &str) {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "no line has {text:?}");
    }
}
