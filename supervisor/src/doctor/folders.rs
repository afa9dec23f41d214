//! The folders that replug makes sockets in: whether it may, who else may, and whether the paths
//! are short enough for sockets.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{Access, access, statfs};

use super::Finding;
use crate::plan::{Plan, PluginSpec, SOCKET_PATH_LIMIT};
use crate::sockets::RunFolder;

/// File systems that are in memory: tmpfs and ramfs.
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// Where it is a sin that others may write: they could put their sockets there.
const OTHERS_WRITE: u32 = 0o022;

/// The bit of a folder in which everybody removes only what is his.
const STICKY: u32 = 0o1000;

/// The life of a plugin whose socket's path is shown: after a restart a minute for two years.
const GENERATIONS: u64 = 1_000_000;

pub(super) fn examine(plan: &Plan) -> Vec<Finding> {
    let runtime = &plan.runtime;
    let mut findings = vec![folder("run_dir", &runtime.run_dir)];
    if let Some(socket_dir) = &runtime.socket_dir {
        findings.push(folder("socket_dir", socket_dir));
    }
    if let Some(above) = runtime.control.parent().filter(|above| *above != runtime.run_dir) {
        findings.push(folder("control", above));
    }
    findings.extend(longest_path(plan));
    findings
}

/// A folder that replug has to write to, and makes if it is not there.
fn folder(topic: &str, path: &Path) -> Finding {
    let shown = path.display();
    let there = path.ancestors().find_map(|above| Some((above, fs::metadata(above).ok()?)));
    let Some((nearest, found)) = there else {
        return Finding::fail(topic, format!("{shown}: not even `/` can be looked at"));
    };
    let refused = |found: String| {
        Finding::fail(topic, found)
            .costs("replug does not start, or finds no plugins there")
            .remedy(format!(
                "a folder in memory that replug's user may write to, such as below /run \
                 (RuntimeDirectory= in a unit, --tmpfs /run in a container), as `{topic}` in [runtime]"
            ))
    };
    if !found.is_dir() {
        return refused(format!("{shown}: {} is no folder", nearest.display()));
    }
    if let Err(error) = access(nearest, Access::WRITE_OK | Access::EXEC_OK) {
        return refused(format!("{shown}: {} cannot be written to: {error}", nearest.display()));
    }
    let mode = found.permissions().mode();
    if nearest == path && mode & OTHERS_WRITE != 0 && mode & STICKY == 0 {
        let found = format!("{shown} has mode {:04o}, owner {}", mode & 0o7777, found.uid());
        return Finding::warn(topic, found)
            .costs("other users can remove sockets there, and put others in their place")
            .remedy(format!("chmod go-w {shown}"));
    }
    let in_memory = statfs(nearest).is_ok_and(|it| IN_MEMORY.contains(&it.f_type.unsigned_abs()));
    let to_come = if nearest == path { "" } else { ", which replug makes" };
    let disk = if in_memory {
        ""
    } else {
        "; on a disk, where a busy one makes restarts wait (below /run they do not)"
    };
    Finding::ok(topic, format!("{shown}{to_come}{disk}"))
}

/// The path of a socket that the plugin with the longest name makes in its millionth life. A plan in
/// which it does not fit is none, so there is nothing to judge.
fn longest_path(plan: &Plan) -> Option<Finding> {
    let folder = plan.runtime.plugins_dir();
    let told = plan.plugins.iter().filter(|plugin| plugin.socket.is_none());
    let longest =
        |plugin: &&PluginSpec| plugin.name.len() + plugin.instance_name(plugin.instances).len();
    let plugin = told.max_by_key(longest)?;
    let life = format!("{}.{GENERATIONS}", plugin.instance_name(plugin.instances));
    let length = RunFolder::socket_length(&folder, &plugin.name, &life);
    let found = format!("at most {length} bytes (`{}`), of {SOCKET_PATH_LIMIT}", plugin.name);
    Some(Finding::ok("socket paths", found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;

    #[test]
    fn a_folder_that_can_be_made_is_good_and_a_file_in_its_place_is_not() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(folder("run_dir", &home.path().join("a/b")).grade, Grade::Ok);
        fs::write(home.path().join("a"), "").unwrap();
        let finding = folder("run_dir", &home.path().join("a/b"));
        assert_eq!(finding.grade, Grade::Fail);
        assert!(finding.found.contains("is no folder"), "{}", finding.found);
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_told_of() {
        let home = tempfile::tempdir().unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(folder("socket_dir", home.path()).grade, Grade::Warn);
        // As /tmp is: there everybody removes only his own.
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        assert_eq!(folder("socket_dir", home.path()).grade, Grade::Ok);
    }
}
