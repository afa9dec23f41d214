//! What is mounted where, from the text of `mountinfo`: what was writable before a place is closed to
//! writes is what can be opened in it again.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// The path, as a mount by itself, and the mounts below it: those of them that are writable now.
pub(super) fn writable(mountinfo: &str, path: &Path) -> Vec<PathBuf> {
    let mounts: Vec<_> = mountinfo.lines().filter_map(mount).collect();
    let at = mounts
        .iter()
        .filter(|(point, _)| path.starts_with(point))
        // Of two at one place the later one is seen.
        .max_by_key(|(point, _)| point.components().count());
    let own = at.is_some_and(|(_, open)| *open).then(|| path.to_owned());
    let below = mounts
        .iter()
        .filter(|(point, open)| *open && point != path && point.starts_with(path))
        .map(|(point, _)| point.clone());
    own.into_iter().chain(below).collect()
}

/// A mount's place, and whether it is open to writes.
fn mount(line: &str) -> Option<(PathBuf, bool)> {
    let mut fields = line.split(' ').skip(4);
    let (point, options) = (fields.next()?, fields.next()?);
    Some((PathBuf::from(unescaped(point)), options.split(',').any(|option| option == "rw")))
}

/// The text without the kernel's `\\040` for what would part fields.
fn unescaped(text: &str) -> OsString {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        let code = after.get(..3).and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 8).ok()) {
            Some(code) if *byte == b'\\' => {
                bytes.push(code);
                rest = &after[3..];
            }
            _ => bytes.push(*byte),
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
        20 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
        21 20 0:5 / /dev rw,nosuid - devtmpfs dev rw\n\
        22 21 0:6 / /dev/shm rw - tmpfs shm rw\n\
        23 20 0:7 / /sys rw - sysfs sys rw\n\
        24 23 0:8 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n\
        25 20 0:9 / /a\\040b ro,relatime - tmpfs none rw\n";

    #[test]
    fn what_was_closed_already_is_not_opened() {
        let open = |path: &str| writable(MOUNTS, Path::new(path));
        assert_eq!(open("/var/lib"), [Path::new("/var/lib")]);
        assert_eq!(open("/dev"), [Path::new("/dev"), Path::new("/dev/shm")]);
        assert_eq!(open("/sys"), [Path::new("/sys")]);
        assert_eq!(open("/a b/c"), [] as [&Path; 0]);
    }
}
