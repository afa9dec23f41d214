//! What a process is started with. It becomes a [`Program`] here; nothing is started.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use super::confinement::{Confinement, Identity};
use super::limits::Limits;
use super::program::Program;

/// Variables by which somebody spoke to replug itself, by its process id. A plugin that took them
/// for its own would report itself ready to systemd, or take over listeners that are not there.
const NOT_INHERITED: [&str; 6] = [
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// What a process is started with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Launch {
    /// The executable: a path, relative to `cwd`, or a name without a slash to look up in `PATH`.
    pub program: OsString,
    /// Its arguments, without the program's own name.
    pub args: Vec<OsString>,
    /// Variables added to replug's own environment; of two with one name, the later counts.
    pub env: Vec<(OsString, OsString)>,
    /// The working directory; none: replug's.
    pub cwd: Option<PathBuf>,
    /// What its cgroup is called, fit for a file name. Without a name it has none.
    pub name: String,
    /// What it may use.
    pub limits: Limits,
    /// What is closed to it. Its account counts as `identity` alone.
    pub confinement: Confinement,
    /// Whom it runs as; none: as replug's own user.
    pub identity: Option<Identity>,
}

impl Launch {
    /// Starts `program` with `args`, in replug's environment and working directory.
    pub fn new<A: Into<OsString>>(
        program: impl Into<OsString>,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// The program, in replug's environment as it is now, with the variables of the launch and
    /// `mark`. Fails with [`io::ErrorKind::InvalidInput`] for what has a NUL byte in it.
    pub(super) fn program(&self, mark: (&str, String)) -> io::Result<Program> {
        let mut environment: BTreeMap<_, _> = env::vars_os().collect();
        for name in NOT_INHERITED {
            environment.remove(name.as_ref() as &std::ffi::OsStr);
        }
        environment.extend(self.env.iter().cloned());
        environment.insert(mark.0.into(), mark.1.into());
        Program::new(&self.program, &self.args, environment, self.cwd.as_deref())
    }
}
