//! Where files are: the folder that they are below, and a file's path in it.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Folders below which nothing is stored, as in Dapr.
const DISALLOWED: [&str; 4] = ["/proc", "/sys", "/boot", "/var/run/secrets"];

/// How many links one path may go through, as in Linux.
const MOST_LINKS: usize = 40;

/// The folder of that name as a path from the root, without links. It need not be there.
pub(super) fn root(name: &str) -> Result<PathBuf, String> {
    if name.is_empty() {
        return Err("property rootPath must not be empty".to_owned());
    }
    let path = std::path::absolute(name)
        .map_err(|error| format!("failed to obtain current working directory: {error}"))?;
    // As `cd` understands it: `..` takes back what was written, not where a link leads.
    let mut clean = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => drop(clean.pop()),
            _ => {}
        }
    }
    let there = clean
        .ancestors()
        .find_map(|path| match std::fs::metadata(path) {
            Ok(known) if known.is_dir() => Some(Ok(path)),
            Ok(_) => {
                Some(Err("property rootPath represents a file and not a directory".to_owned()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                Some(Err(format!("error getting stat for path {}: {error}", path.display())))
            }
        })
        .unwrap_or(Ok(Path::new("/")))?;
    let resolved = there
        .canonicalize()
        .map_err(|error| format!("failed to evaluate symlinks in rootPath: {error}"))?;
    let rest = clean.strip_prefix(there).unwrap_or(Path::new(""));
    let root = rest.components().fold(resolved, |root, part| root.join(part));
    if DISALLOWED.iter().any(|folder| root.starts_with(folder)) {
        return Err("property rootPath points to a disallowed location".to_owned());
    }
    Ok(root)
}

/// The file of that name below `root`. Whatever the name says, and wherever links lead, it is below
/// it: `..` ends there, and a link that leads to `/` leads to the root. It need not be there.
///
/// Nobody holds the links as they are: whoever can change files below the root at the same time can
/// lead this astray.
pub(super) fn below(root: &Path, name: &str) -> io::Result<PathBuf> {
    let mut left: VecDeque<OsString> = parts(Path::new(name)).collect();
    let mut path = root.to_owned();
    let mut links = 0;
    while let Some(part) = left.pop_front() {
        if part == ".." {
            if path != root {
                path.pop();
            }
            continue;
        }
        path.push(part);
        let is_link = path.symlink_metadata().is_ok_and(|known| known.is_symlink());
        if !is_link {
            continue;
        }
        links += 1;
        if links > MOST_LINKS {
            return Err(io::Error::other("too many levels of symbolic links"));
        }
        let target = path.read_link()?;
        path.pop();
        if target.is_absolute() {
            root.clone_into(&mut path);
        }
        for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
            left.push_front(part);
        }
    }
    Ok(path)
}

/// The names in a path, `..` among them.
fn parts(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}
