//! Where replug's own cgroup is, and whether it is replug's to divide: cgroup v2 alone.

use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

/// Attributes by which systemd marks a cgroup that it has handed over, `Delegate=yes`.
const DELEGATED: [&str; 2] = ["trusted.delegate", "user.delegate"];

/// Present where systemd manages the machine's cgroups.
const SYSTEMD: &str = "/run/systemd/system";

/// replug's own cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupPlace {
    /// Its folder.
    pub folder: PathBuf,
    /// The controllers that the cgroups above let it have, such as `memory`.
    pub controllers: Vec<String>,
}

impl CgroupPlace {
    /// Looks for it. An error says, for people, why there is none or why it is not replug's.
    pub fn find() -> Result<Self, String> {
        let read = |path: &str| {
            fs::read_to_string(path).map_err(|error| format!("{path} cannot be read: {error}"))
        };
        let folder = locate(&read("/proc/self/cgroup")?, &read("/proc/self/mountinfo")?)?;
        is_ours(&folder, Path::new(SYSTEMD).exists())?;
        let controllers = controllers(&folder)?;
        Ok(Self { folder, controllers })
    }
}

/// The controllers that a cgroup has to give.
fn controllers(folder: &Path) -> Result<Vec<String>, String> {
    let file = folder.join("cgroup.controllers");
    let text = fs::read_to_string(&file)
        .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

/// The folder of one's own cgroup, from the texts of `/proc/self/cgroup` and `mountinfo`.
fn locate(own: &str, mounts: &str) -> Result<PathBuf, String> {
    let path = own
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
        .ok_or("this kernel or container has no cgroup v2")?;
    // A place above what the container may see begins so.
    if path.starts_with("/..") {
        return Err(format!("the cgroup {path} is outside of this container"));
    }
    mounts
        .lines()
        .filter_map(mounted)
        .find_map(|(root, point)| {
            let below = Path::new(path).strip_prefix(root).ok()?;
            Some(if below.as_os_str().is_empty() {
                point.into()
            } else {
                Path::new(point).join(below)
            })
        })
        .ok_or_else(|| "cgroup v2 is mounted nowhere".to_owned())
}

/// Root and mount point, where the line of `mountinfo` is one of a cgroup v2.
fn mounted(line: &str) -> Option<(&str, &str)> {
    let (mount, file_system) = line.split_once(" - ")?;
    if file_system.split(' ').next() != Some("cgroup2") {
        return None;
    }
    let mut fields = mount.split(' ').skip(3);
    Some((fields.next()?, fields.next()?))
}

/// Whether replug may make cgroups in `folder`. Root may write everywhere, so where systemd manages
/// cgroups its mark is asked for, or two managers would work in one place.
fn is_ours(folder: &Path, systemd: bool) -> Result<(), String> {
    if access(folder, AccessFlags::W_OK).is_err() {
        return Err(format!(
            "the cgroup {} is not writable: let it be delegated (Delegate=yes)",
            folder.display()
        ));
    }
    let is_root = nix::unistd::geteuid().is_root();
    // The topmost cgroup that can be seen: of a container, or of a machine.
    let topmost = !folder.join("..").join("cgroup.procs").exists();
    if systemd && is_root && !topmost && !marked(folder) {
        return Err(format!(
            "the cgroup {} is systemd's: let it be delegated (Delegate=yes)",
            folder.display()
        ));
    }
    Ok(())
}

fn marked(folder: &Path) -> bool {
    DELEGATED.iter().any(|name| {
        let mut value = [0u8; 8];
        rustix::fs::getxattr(folder, *name, &mut value)
            .is_ok_and(|length| value[..length.min(value.len())].starts_with(b"1"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
        24 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
        30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn ones_own_cgroup_is_below_the_place_where_it_is_mounted() {
        let at = |own: &str| locate(own, MOUNTS);
        assert_eq!(at("0::/\n"), Ok("/sys/fs/cgroup".into()));
        let service = "/sys/fs/cgroup/system.slice/replug.service";
        assert_eq!(at("0::/system.slice/replug.service\n"), Ok(service.into()));
        assert_eq!(at("4:memory:/a\n0::/b\n"), Ok("/sys/fs/cgroup/b".into()));
    }

    #[test]
    fn a_part_of_the_tree_that_is_mounted_is_counted_from_its_root() {
        let mounts = "30 24 0:26 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
        assert_eq!(locate("0::/docker/x/y\n", mounts), Ok("/sys/fs/cgroup/y".into()));
        assert!(locate("0::/elsewhere\n", mounts).is_err());
    }

    #[test]
    fn without_the_second_version_there_is_none_and_it_is_said_why() {
        assert!(locate("4:memory:/a\n", MOUNTS).unwrap_err().contains("no cgroup v2"));
        assert!(
            locate("0::/\n", "24 1 254:0 / / rw - ext4 /dev/vda rw\n")
                .unwrap_err()
                .contains("mounted nowhere")
        );
        assert!(locate("0::/../other\n", MOUNTS).unwrap_err().contains("outside"));
    }
}
