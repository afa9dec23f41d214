//! Whether the program of a plugin can be started as things are now.

use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::place::Fault;

/// Where programs are looked for when `PATH` is not set.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What stands against starting `program`, an absolute path or a bare name, in the folder `cwd`.
/// It may be gone by the time the plugin is started, or come about only then.
pub(super) fn obstacle(program: &Path, cwd: &Path, path: Option<&str>) -> Option<Fault> {
    if program.is_absolute() {
        return obstacle_at(program)
            .map(|(what, help)| Fault::new(format!("names {}, {what}", program.display()), help));
    }
    // A name that is found and may not be executed is passed over, as execvp does.
    let found = find(program, cwd, path).is_some();
    let folders = path.unwrap_or(DEFAULT_PATH);
    (!found).then(|| {
        Fault::new(
            format!("names `{}`, which is in no folder of PATH ({folders})", program.display()),
            "the plugin will fail to start until it is installed; write its path if it is elsewhere",
        )
    })
}

fn obstacle_at(program: &Path) -> Option<(&'static str, &'static str)> {
    match program.metadata() {
        Err(_) => {
            Some(("which does not exist", "the plugin will fail to start until the file is there"))
        }
        Ok(data) if !data.is_file() => {
            Some(("which is no file", "the plugin will fail to start until it is a program"))
        }
        Ok(_) if access(program, AccessFlags::X_OK).is_err() => Some((
            "which may not be executed",
            "the plugin will fail to start until it may; see chmod +x",
        )),
        Ok(_) => None,
    }
}

/// Where `program`, an absolute path or a bare name, is; none where a name is in no folder of `PATH`.
pub(super) fn find(program: &Path, cwd: &Path, path: Option<&str>) -> Option<PathBuf> {
    if program.is_absolute() {
        return Some(program.to_owned());
    }
    std::env::split_paths(path.unwrap_or(DEFAULT_PATH))
        .map(|folder| cwd.join(folder).join(program))
        .find(|candidate| obstacle_at(candidate).is_none())
}

/// What stands against starting a plugin in the folder `cwd`.
pub(super) fn folder_obstacle(cwd: &Path) -> Option<Fault> {
    let what = match cwd.metadata() {
        Ok(data) if data.is_dir() => return None,
        Ok(_) => "is no folder",
        Err(_) => "does not exist",
    };
    Some(Fault::new(
        format!("names {}, which {what}", cwd.display()),
        "the plugin will fail to start until there is a folder",
    ))
}

/// `path` as seen from `folder`, without a `.` in between.
pub(super) fn join(folder: &Path, path: &str) -> PathBuf {
    folder.join(path).components().collect()
}

/// The program as it is started: one with a slash in it is relative to `cwd`.
pub(super) fn resolve(program: &str, cwd: &Path) -> PathBuf {
    if program.contains('/') { join(cwd, program) } else { PathBuf::from(program) }
}
