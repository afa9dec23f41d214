//! One program of replug after another in the same process: what the second gets of the first, and
//! the exec between them.

use std::convert::Infallible;
use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use rustix::io::{FdFlags, fcntl_setfd};

use super::held::{hold_signals, let_signals_go};
use super::open_files::{raise_open_files, restore_open_files};

/// What the next program gets of the keeper.
#[derive(Debug)]
pub struct Heritage {
    /// The warden's process id.
    pub warden: u32,
    /// replug's end of the socket by which the warden learns what is alive.
    pub lines: OwnedFd,
    /// The processes, none of which has been reaped.
    pub processes: Vec<u32>,
    /// The folders that go when replug does.
    pub folders: Vec<PathBuf>,
}

/// The next program, ready to be executed.
#[derive(Debug)]
pub struct Successor {
    program: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    /// What it inherits beside the standard three.
    descriptor: OwnedFd,
}

// === impl Successor ===

impl Successor {
    /// The program with its arguments, its own name included, and its whole environment, and the one
    /// descriptor that it inherits. Fails for what has a NUL byte in it.
    pub fn new(
        program: PathBuf,
        arguments: impl IntoIterator<Item = OsString>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        descriptor: OwnedFd,
    ) -> io::Result<Self> {
        let text = |text: OsString| CString::new(text.into_vec());
        let variable = |(mut name, value): (OsString, OsString)| {
            name.push("=");
            name.push(value);
            text(name)
        };
        Ok(Self {
            program: text(program.into())?,
            arguments: arguments.into_iter().map(text).collect::<Result<_, _>>()?,
            environment: environment.into_iter().map(variable).collect::<Result<_, _>>()?,
            descriptor,
        })
    }

    /// Becomes the program. Returns only with an error, and then everything is as it was.
    ///
    /// Signals are held from here on, until the next program lets them go: none is lost between the
    /// two.
    pub(super) fn exec(&self) -> io::Result<Infallible> {
        hold_signals();
        // The next one raises it by itself, and has to know what plugins are to get.
        let _ = restore_open_files();
        let executed =
            fcntl_setfd(&self.descriptor, FdFlags::empty()).map_err(io::Error::from).and_then(
                |()| Ok(nix::unistd::execve(&self.program, &self.arguments, &self.environment)?),
            );
        // Nothing was executed. The flag of a descriptor that is open is always set.
        let _ = fcntl_setfd(&self.descriptor, FdFlags::CLOEXEC);
        let _ = raise_open_files();
        let_signals_go();
        executed
    }
}
