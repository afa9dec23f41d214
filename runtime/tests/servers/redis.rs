//! A Redis server; several of them are in [`cluster`] and [`sentinel`].

pub mod cluster;
pub mod modules;
pub mod sentinel;

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use super::{Process, bound_to_this_thread, folder, require};

const PROGRAM: &str = "redis-server";

/// A Redis server that writes every command to the disk. It listens on a Unix socket, and on a port
/// where its arguments say so.
pub struct Redis {
    process: Process,
    program: PathBuf,
    arguments: Vec<String>,
    folder: TempDir,
}

impl Redis {
    /// None: there is no Redis here, and the test is to return.
    pub fn start(arguments: &[&str]) -> Option<Self> {
        require(PROGRAM).then(|| Self::of(PROGRAM.into(), arguments))
    }

    /// One that can keep and search JSON. None: it cannot be had here, and the test is to return.
    pub fn start_with_modules() -> Option<Self> {
        let modules::Modules { server, json, search } = modules::Modules::get()?;
        let [json, search] = [json, search].map(|path| path.display().to_string());
        Some(Self::of(server, &["--loadmodule", &json, "--loadmodule", &search]))
    }

    fn of(program: PathBuf, arguments: &[&str]) -> Self {
        let folder = folder();
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        let process = run(&program, &folder, &arguments);
        Self { process, program, arguments, folder }
    }

    pub fn socket(&self) -> String {
        self.path("redis.sock").display().to_string()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What `redis-cli` prints, which may be an error of the server's.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.arg("-s").arg(self.socket());
        if let Some(at) = self.arguments.iter().position(|argument| argument == "--requirepass") {
            command.args(["--no-auth-warning", "-a", &self.arguments[at + 1]]);
        }
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// As `kill -9`.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Stops it where it stands, as a machine that hangs, or lets it go on.
    pub fn freeze(&self, freeze: bool) {
        self.process.signal(if freeze { Signal::STOP } else { Signal::CONT });
    }

    /// Starts it again, over the same data.
    pub fn start_again(&mut self) {
        self.process = run(&self.program, &self.folder, &self.arguments);
    }
}

fn run(program: &Path, folder: &TempDir, arguments: &[String]) -> Process {
    let mut command = bound_to_this_thread(None, program);
    command.current_dir(folder.path());
    command.args(["--port", "0", "--unixsocket", "redis.sock", "--save", ""]);
    command.args(["--appendonly", "yes", "--appendfsync", "always"]).args(arguments);
    Process::start(command, "eady to accept connections")
}
