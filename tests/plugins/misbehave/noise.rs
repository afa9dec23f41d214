//! What some modes do besides serving: print, and have children.

use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use crate::mode::Mode;

const LINE_BYTES: usize = 100;
const LINES: usize = 1_000_000;
/// Longer than any line that a log would keep, without an end of line.
const BINARY_BYTES: usize = 1024 * 1024;

/// Begins what the mode does besides serving. It goes on beside the server.
pub(crate) fn begin(mode: Mode) -> std::io::Result<()> {
    match mode {
        Mode::Print100mb => drop(std::thread::spawn(print_100_mb)),
        Mode::PrintBinary => drop(std::thread::spawn(print_binary)),
        Mode::ForkChildren => {
            child()?;
            child()?;
        }
        _ => {}
    }
    Ok(())
}

/// A child, with a child of its own, that only SIGKILL ends within the time of a test.
fn child() -> std::io::Result<()> {
    let script = "trap '' TERM; sleep 600 & wait; wait";
    Command::new("/bin/sh").args(["-c", script]).stdin(Stdio::null()).spawn().map(drop)
}

/// A process in a session of its own, that holds what it is given open for longer than a test.
pub(crate) fn daemon(holds: OwnedFd) -> std::io::Result<()> {
    Command::new("setsid").args(["sleep", "600"]).stdin(holds).spawn().map(drop)
}

fn print_100_mb() -> std::io::Result<()> {
    let mut line = [b'x'; LINE_BYTES];
    line[LINE_BYTES - 1] = b'\n';
    let mut out = std::io::stdout().lock();
    for _ in 0..LINES {
        out.write_all(&line)?;
    }
    out.write_all(b"that was all\n")
}

fn print_binary() -> std::io::Result<()> {
    let all_bytes: Vec<u8> = (0..=u8::MAX).filter(|byte| *byte != b'\n').collect();
    let mut out = std::io::stdout().lock();
    for _ in 0..BINARY_BYTES / all_bytes.len() {
        out.write_all(&all_bytes)?;
    }
    out.write_all(b"\x1b[31m\xff\xfe\0\nthat was all\n")
}
