//! Why a program could not be started, in words that say what to change.
//!
//! The kernel gives one number for many causes: ENOENT is a missing program, a missing working
//! directory, or a script whose interpreter is missing. After a failure, and only then, the files
//! are looked at to tell which.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::Launch;

/// How much of a script is read to find its interpreter: what the kernel itself reads.
const SCRIPT_HEAD: u64 = 256;

/// Why a program could not be started. The text names the file and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpawnError {
    /// What was to be done before the start was not.
    #[error("{0}")]
    Before(String),
    /// The path names nothing.
    #[error("{} does not exist", .program.display())]
    NotFound {
        /// The program, under the working directory where it is relative.
        program: PathBuf,
    },
    /// The name is in no folder of `PATH`.
    #[error("`{}` is in no folder of PATH; write its whole path", .name.display())]
    NotInPath {
        /// The name that was looked up.
        name: OsString,
    },
    /// It is there, but not marked executable, or is no file.
    #[error("{} is not executable: {why}", .program.display())]
    NotExecutable {
        /// The program.
        program: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file or a folder on its path is closed to replug's user.
    #[error("no permission to run {} as {as_whom}: check it and the folders above it, and that its file system is not mounted noexec", .program.display())]
    NoPermission {
        /// The program.
        program: PathBuf,
        /// `replug's user`, or another.
        as_whom: String,
    },
    /// The working directory cannot be entered.
    #[error("the working directory {} {why}", .cwd.display())]
    BadWorkingDirectory {
        /// The working directory.
        cwd: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A script names an interpreter that is not there.
    #[error("{} is a script for `{}`, which does not exist", .program.display(), .interpreter.to_string_lossy().escape_debug())]
    InterpreterMissing {
        /// The script.
        program: PathBuf,
        /// What stands after its `#!`.
        interpreter: PathBuf,
    },
    /// The file is there, and the loader that it needs is not.
    #[error("{} exists, but its loader does not: it was built for another C library or machine", .program.display())]
    LoaderMissing {
        /// The program.
        program: PathBuf,
    },
    /// The kernel does not know the file's format.
    #[error("{} is neither a program for this machine nor a script that begins with `#!`", .program.display())]
    WrongFormat {
        /// The program.
        program: PathBuf,
    },
    /// Arguments and environment together, or the path, exceed what the kernel takes.
    #[error("the arguments and the environment of {}, or its path, are longer than the kernel takes", .program.display())]
    TooLong {
        /// The program.
        program: PathBuf,
    },
    /// An argument, a variable or a path has a NUL byte in it.
    #[error("the command, its environment or its working directory has a NUL byte in it")]
    NulByte,
    /// Somebody has the file open for writing.
    #[error("{} is being written at this moment", .program.display())]
    Busy {
        /// The program.
        program: PathBuf,
    },
    /// replug, its user or the machine has no process, memory or descriptor left.
    #[error("no more processes can be started ({}): look at the limits of replug's user and the memory", .0.desc())]
    Exhausted(Errno),
    /// It cannot be confined as the plan asks, so it is not started.
    #[error("{0}")]
    Confinement(String),
    /// Limits that the plan requires cannot be had.
    #[error("limits that are required cannot be had here: {0}")]
    Limits(String),
    /// The system's words for why there is no cgroup for it.
    #[error("no cgroup can be made for it: {0}")]
    Cgroup(String),
    /// The child could not do to itself what the plan asks.
    #[error("{what}: {}", .errno.desc())]
    Act {
        /// What, in the words of the plan, such as `user pgstate`.
        what: String,
        /// How it failed.
        errno: Errno,
    },
    /// The process that kills the children of a dead replug cannot be started.
    #[error("the warden, without which no plugin is started, cannot be started: {0}")]
    Warden(String),
    /// The spawner has ended, because replug is ending.
    #[error("replug is stopping")]
    Stopping,
    /// Anything else.
    #[error("{} cannot be started: {reason}", .program.display())]
    Other {
        /// The program.
        program: PathBuf,
        /// The system's words.
        reason: String,
    },
}

impl SpawnError {
    /// Finds out what `error`, with which starting `launch` failed, means.
    pub(super) fn explain(launch: &Launch, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::InvalidInput {
            return Self::NulByte;
        }
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
        if errno == Errno::EPIPE {
            return Self::Warden("it ends as soon as it is started".into());
        }
        if matches!(errno, Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE) {
            return Self::Exhausted(errno);
        }
        if let Some(cwd) = &launch.cwd
            && let Some(why) = unusable_folder(cwd)
        {
            return Self::BadWorkingDirectory { cwd: cwd.clone(), why };
        }
        let Some(program) = locate(launch) else {
            return Self::NotInPath { name: launch.program.clone() };
        };
        match errno {
            Errno::ENOENT | Errno::ENOTDIR if program.exists() => missing_interpreter(program),
            Errno::ENOENT | Errno::ENOTDIR => Self::NotFound { program },
            Errno::EACCES => denied(program, as_whom(launch)),
            Errno::EPERM => Self::NoPermission { program, as_whom: as_whom(launch) },
            Errno::ENOEXEC => Self::WrongFormat { program },
            Errno::E2BIG | Errno::ENAMETOOLONG => Self::TooLong { program },
            Errno::ETXTBSY => Self::Busy { program },
            _ => Self::Other { program, reason: error.to_string() },
        }
    }
}

/// What keeps `folder` from being entered; none where nothing does.
fn unusable_folder(folder: &Path) -> Option<&'static str> {
    match fs::metadata(folder) {
        Ok(found) if !found.is_dir() => Some("is no folder"),
        Ok(_) if nix::unistd::access(folder, nix::unistd::AccessFlags::X_OK).is_err() => {
            Some("may not be entered by replug's user")
        }
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Some("may not be entered by replug's user")
        }
        Err(_) => Some("does not exist"),
    }
}

/// The file that the kernel was asked to run; none where a name is in no folder of `PATH`.
fn locate(launch: &Launch) -> Option<PathBuf> {
    let under_cwd = |path: &Path| match &launch.cwd {
        Some(cwd) => cwd.join(path),
        None => path.to_owned(),
    };
    let program = Path::new(&launch.program);
    if launch.program.as_bytes().contains(&b'/') || launch.program.is_empty() {
        return Some(under_cwd(program));
    }
    let given = launch.env.iter().rev().find(|(name, _)| name == "PATH").map(|(_, v)| v.clone());
    let path = given.or_else(|| env::var_os("PATH"))?;
    env::split_paths(&path)
        .map(|folder| under_cwd(&folder).join(program))
        .find(|candidate| candidate.exists())
}

/// The program exists, and still the kernel says that something does not.
fn missing_interpreter(program: PathBuf) -> SpawnError {
    let mut head = Vec::new();
    let read = fs::File::open(&program)
        .and_then(|file| file.take(SCRIPT_HEAD).read_to_end(&mut head))
        .is_ok();
    match head.strip_prefix(b"#!") {
        Some(line) if read => {
            // Only blanks and the line's end part the name. A carriage return belongs to it, as it
            // does for the kernel, and is shown: it is what is wrong with such a script.
            let name = line
                .split(|&byte| byte == b'\n')
                .next()
                .unwrap_or_default()
                .split(|&byte| matches!(byte, b' ' | b'\t'))
                .find(|word| !word.is_empty())
                .unwrap_or_default();
            SpawnError::InterpreterMissing { program, interpreter: OsStr::from_bytes(name).into() }
        }
        _ => SpawnError::LoaderMissing { program },
    }
}

/// The kernel denied running the program: because of the file itself, or because of its path.
fn denied(program: PathBuf, as_whom: String) -> SpawnError {
    match fs::metadata(&program) {
        Ok(found) if found.is_dir() => SpawnError::NotExecutable { program, why: "it is a folder" },
        Ok(found) if !found.is_file() => {
            SpawnError::NotExecutable { program, why: "it is no regular file" }
        }
        Ok(found) if found.permissions().mode() & 0o111 == 0 => {
            SpawnError::NotExecutable { program, why: "make it so with `chmod +x`" }
        }
        _ => SpawnError::NoPermission { program, as_whom },
    }
}

/// The user that was to run the program.
fn as_whom(launch: &Launch) -> String {
    launch.identity.as_ref().map_or_else(|| "replug's user".to_owned(), |it| it.name.clone())
}
