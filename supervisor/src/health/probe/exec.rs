//! The question by a command.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::time::timeout;

use crate::process::{Exit, Launch, Spawner};

/// How long what a command printed is read on after its end.
const AFTER_END: Duration = Duration::from_millis(100);

/// How much of the end of what it prints is kept, in bytes.
const KEPT: usize = 1024;

/// The longest line that is shown of it, in characters.
const LONGEST_LINE: usize = 200;

/// The command, run as the plugin is.
pub(super) fn launch(plugin: &Launch, program: &str, args: &[String]) -> Launch {
    Launch {
        program: program.into(),
        args: args.iter().map(Into::into).collect(),
        name: format!("{}.probe", plugin.name),
        ..plugin.clone()
    }
}

/// Runs the command to its end. When this is dropped before, its group is killed.
pub(super) async fn run(spawner: &Spawner, launch: Launch) -> Result<(), String> {
    let mut process = spawner.spawn(launch).await.map_err(|error| error.to_string())?;
    let (stdout, stderr) = process.take_output().expect("nobody has taken them from a new process");
    let mut outputs = Outputs::open(stdout, stderr).map_err(|error| error.to_string())?;
    let exit = tokio::select! {
        exit = process.exited() => exit,
        () = outputs.read() => process.exited().await,
    };
    if exit == Exit::Code(0) {
        return Ok(());
    }
    // What is in the pipes still. A child that made itself a daemon may hold them open for ever.
    let _ = timeout(AFTER_END, outputs.read()).await;
    match outputs.last_line() {
        Some(line) => Err(format!("{exit}: {line}")),
        None => Err(exit.to_string()),
    }
}

/// What a command prints, of which only the end counts.
struct Outputs([Printed; 2]);

/// One of the two, from a pipe to its end.
struct Printed {
    pipe: Option<pipe::Receiver>,
    tail: Vec<u8>,
}

// === impl Outputs ===

impl Outputs {
    fn open(stdout: OwnedFd, stderr: OwnedFd) -> io::Result<Self> {
        // What it complains of counts more than what it says.
        Ok(Self([Printed::open(stderr)?, Printed::open(stdout)?]))
    }

    /// Reads to the end of both, so that the command is never held up by its pipes. Dropping the
    /// future loses nothing.
    async fn read(&mut self) {
        let Self([stderr, stdout]) = self;
        tokio::join!(stderr.read(), stdout.read());
    }

    /// The last line that is not empty.
    fn last_line(self) -> Option<String> {
        self.0.into_iter().find_map(Printed::last_line)
    }
}

// === impl Printed ===

impl Printed {
    fn open(pipe: OwnedFd) -> io::Result<Self> {
        Ok(Self { pipe: Some(pipe::Receiver::from_owned_fd(pipe)?), tail: Vec::new() })
    }

    async fn read(&mut self) {
        let mut piece = [0; KEPT];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut piece).await {
                Ok(read @ 1..) => self.keep(&piece[..read]),
                // An error is an end too.
                _ => self.pipe = None,
            }
        }
    }

    /// The last line that is not empty.
    fn last_line(self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.tail);
        let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
        Some(
            line.chars().take(LONGEST_LINE).map(|c| if c.is_control() { ' ' } else { c }).collect(),
        )
    }

    fn keep(&mut self, piece: &[u8]) {
        self.tail.extend_from_slice(piece);
        let surplus = self.tail.len().saturating_sub(KEPT);
        self.tail.drain(..surplus);
    }
}
