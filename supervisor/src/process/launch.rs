//! What a process is started with. It becomes a [`Command`] here; nothing is started.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::confinement::{Confinement, Identity};
use super::limits::Limits;

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

    /// The command: in a process group of its own, without input, its output in two pipes.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args);
        for name in NOT_INHERITED {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        command.process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}
