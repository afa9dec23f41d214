//! An etcd server.

use std::io::Write as _;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{Process, bound_to_this_thread, folder, free_port, require};

const PROGRAM: &str = "etcd";

/// A cluster of one etcd server.
pub struct Etcd {
    process: Process,
    ports: [u16; 2],
    tls: Option<[String; 3]>,
    folder: TempDir,
}

impl Etcd {
    /// None: there is no etcd here, and the test is to return. With an authority, a
    /// certificate and its key it speaks TLS, with clients of that authority alone.
    pub fn start(tls: Option<[String; 3]>) -> Option<Self> {
        if !require(PROGRAM) || !require("etcdctl") {
            return None;
        }
        let (folder, ports) = (folder(), [free_port(), free_port()]);
        let process = run(&folder, ports, tls.as_ref());
        Some(Self { process, ports, tls, folder })
    }

    pub fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    /// What `etcdctl` prints.
    pub fn ctl(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").arg("--endpoints").arg(self.endpoint()).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Has `etcdctl` put bytes that no argument may have.
    pub fn put(&self, key: &str, value: &[u8]) {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").arg("--endpoints").arg(self.endpoint());
        let mut etcdctl = command.args(["put", key]).stdin(Stdio::piped()).spawn().unwrap();
        etcdctl.stdin.take().unwrap().write_all(value).unwrap();
        assert!(etcdctl.wait().unwrap().success());
    }

    /// As `kill -9`.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again, over the same data.
    pub fn start_again(&mut self) {
        self.process = run(&self.folder, self.ports, self.tls.as_ref());
    }
}

fn run(folder: &TempDir, [port, peers]: [u16; 2], tls: Option<&[String; 3]>) -> Process {
    let scheme = if tls.is_some() { "https" } else { "http" };
    let client = format!("{scheme}://127.0.0.1:{port}");
    let peer = format!("http://127.0.0.1:{peers}");
    let mut command = bound_to_this_thread(None, PROGRAM.as_ref());
    command.current_dir(folder.path()).args(["--data-dir", "data", "--name", "one"]);
    command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
    command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
    command.args(["--initial-cluster", &format!("one={peer}")]);
    if let Some([authority, certificate, key]) = tls {
        command.args(["--cert-file", certificate, "--key-file", key]);
        command.args(["--client-cert-auth", "--trusted-ca-file", authority]);
    }
    Process::start(command, "ready to serve client requests")
}
