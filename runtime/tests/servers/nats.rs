//! A NATS server with JetStream.

use tempfile::TempDir;

use super::{Process, bound_to_this_thread, folder, free_port, require};

const PROGRAM: &str = "nats-server";

/// A NATS server that keeps its streams in files.
pub struct Nats {
    process: Process,
    port: u16,
    arguments: Vec<String>,
    folder: TempDir,
}

impl Nats {
    /// None: there is no NATS server here, and the test is to return.
    pub fn start(arguments: &[&str]) -> Option<Self> {
        if !require(PROGRAM) {
            return None;
        }
        let (folder, port) = (folder(), free_port());
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        let process = run(&folder, port, &arguments);
        Some(Self { process, port, arguments, folder })
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// As `kill -9`.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again, over the same data.
    pub fn start_again(&mut self) {
        self.process = run(&self.folder, self.port, &self.arguments);
    }
}

fn run(folder: &TempDir, port: u16, arguments: &[String]) -> Process {
    let mut command = bound_to_this_thread(None, PROGRAM.as_ref());
    command.current_dir(folder.path()).args(["-a", "127.0.0.1", "-p", &port.to_string()]);
    command.args(["-js", "-sd", "data"]).args(arguments);
    Process::start(command, "Server is ready")
}
