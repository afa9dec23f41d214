//! A look through a folder, and what differs from the look before. Blocking, without memory of its
//! own and without any other side.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::unistd::Uid;

/// Files of one folder beyond this number are not looked at: it is no folder of sockets.
const MOST_FILES: usize = 1024;

/// Why something in a folder is not taken for a plugin's socket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A regular file.
    #[error("a regular file, no socket")]
    RegularFile,
    /// A folder: sockets in it are not looked for.
    #[error("a folder, no socket")]
    Folder,
    /// A symbolic link, wherever it leads.
    #[error("a symbolic link: put the socket itself here")]
    SymbolicLink,
    /// A pipe or a device.
    #[error("no socket")]
    NoSocket,
    /// A socket that a stranger made.
    #[error("planted by another user (uid {uid}); only replug's own user and root may serve here")]
    Stranger {
        /// Whose it is.
        uid: u32,
    },
    /// The folder cannot be read.
    #[error("cannot be looked through: {0}")]
    Unreadable(String),
    /// The kernel does not tell what happens in the folder.
    #[error("is looked through again and again, since it cannot be watched: {0}")]
    Unwatched(String),
    /// The folder has more files than a folder of sockets has.
    #[error("has more than {MOST_FILES} files; the rest is not looked at")]
    TooManyFiles,
}

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// Every file of a folder that replug made for one plugin, whoever the plugin runs as.
    Private,
    /// Every file of a folder into which others put sockets.
    Shared,
    /// One file of a folder.
    File {
        /// Its name.
        name: OsString,
        /// Who may have made it, besides replug's own user and root.
        user: Option<u32>,
    },
}

/// Tells a file from a later one of the same name. The inode alone does not: file systems use the
/// number of a removed file for the next. The times of change do not either: a plugin may change
/// the mode of a socket that is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    /// Where the file system keeps it.
    born: Option<SystemTime>,
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino(), born: metadata.created().ok() }
    }
}

/// A file that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    identity: Identity,
    refused: Option<Refusal>,
}

/// What a look found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) files: BTreeMap<OsString, Found>,
    /// What is wrong with the folder itself.
    pub(super) complaint: Option<Refusal>,
    /// Which folder it was; none where there is none.
    pub(super) folder: Option<Identity>,
}

/// What differs between two looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Difference {
    Removed(OsString),
    Appeared(OsString),
    Refused(OsString, Refusal),
}

/// Looks through a folder. One that is not there, or is none, gives an empty look.
pub(super) fn look(folder: &Path, scope: &Scope) -> Look {
    let mut look = Look::default();
    match fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => look.folder = Some(Identity::of(&metadata)),
        Ok(_) => return look,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return look,
        Err(error) => {
            look.complaint = Some(Refusal::Unreadable(error.to_string()));
            return look;
        }
    }
    if let Scope::File { name, .. } = scope {
        look.add(name.clone(), folder.join(name), scope);
        return look;
    }
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Look::default(),
        Err(error) => {
            look.complaint = Some(Refusal::Unreadable(error.to_string()));
            return look;
        }
    };
    for entry in entries.flatten() {
        if look.files.len() == MOST_FILES {
            look.complaint = Some(Refusal::TooManyFiles);
            break;
        }
        look.add(entry.file_name(), entry.path(), scope);
    }
    look
}

impl Look {
    fn add(&mut self, name: OsString, path: PathBuf, scope: &Scope) {
        // A file that is gone by now was never here, as far as anybody can tell.
        if let Ok(metadata) = fs::symlink_metadata(path) {
            if metadata.is_dir() && name.as_bytes().starts_with(b".") {
                // Where somebody makes a socket before it gets its name; no news to anybody.
                return;
            }
            if *scope == Scope::Private && name == crate::told::SOCKET_NAME {
                // replug's own, at which it listens to the plugin.
                return;
            }
            let found =
                Found { identity: Identity::of(&metadata), refused: refuse(&metadata, scope) };
            self.files.insert(name, found);
        }
    }

    /// What has to be told to somebody who knows `self` and is to know `later`: first what went,
    /// then what came.
    pub(super) fn differences(&self, later: &Self) -> Vec<Difference> {
        let went = self
            .files
            .iter()
            .filter(|(name, found)| {
                found.refused.is_none() && later.files.get(*name) != Some(found)
            })
            .map(|(name, _)| Difference::Removed(name.clone()));
        let came = later
            .files
            .iter()
            .filter(|(name, found)| match self.files.get(*name) {
                None => true,
                // Something else of the same kind, refused for the same reason, is no news.
                Some(before) if found.refused.is_some() => before.refused != found.refused,
                Some(before) => before != *found,
            })
            .map(|(name, found)| match &found.refused {
                None => Difference::Appeared(name.clone()),
                Some(refusal) => Difference::Refused(name.clone(), refusal.clone()),
            });
        went.chain(came).collect()
    }
}

fn refuse(metadata: &Metadata, scope: &Scope) -> Option<Refusal> {
    let kind = metadata.file_type();
    let uid = metadata.uid();
    if kind.is_socket() {
        let trusted = match scope {
            Scope::Private => true,
            Scope::File { user: Some(user), .. } if *user == uid => true,
            Scope::Shared | Scope::File { .. } => uid == 0 || uid == Uid::effective().as_raw(),
        };
        return (!trusted).then_some(Refusal::Stranger { uid });
    }
    Some(if kind.is_symlink() {
        Refusal::SymbolicLink
    } else if kind.is_dir() {
        Refusal::Folder
    } else if kind.is_file() {
        Refusal::RegularFile
    } else {
        Refusal::NoSocket
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(inode: u64, refused: Option<Refusal>) -> Found {
        Found { identity: Identity { device: 1, inode, born: None }, refused }
    }

    fn looks() -> impl Strategy<Value = Look> {
        let refusal = prop_oneof![
            2 => Just(None),
            1 => Just(Some(Refusal::RegularFile)),
            1 => Just(Some(Refusal::Stranger { uid: 7 })),
        ];
        let file = (0u64..3, refusal).prop_map(|(inode, refused)| found(inode, refused));
        prop::collection::btree_map((0u8..4).prop_map(|n| n.to_string().into()), file, 0..5)
            .prop_map(|files| Look { files, ..Look::default() })
    }

    /// The sockets that somebody believes in who is told differences.
    fn believed(looks: &[Look]) -> BTreeMap<OsString, u64> {
        let mut believed = BTreeMap::new();
        let mut before = Look::default();
        for look in looks {
            for difference in before.differences(look) {
                match difference {
                    Difference::Removed(name) => {
                        assert!(believed.remove(&name).is_some(), "removed without having been");
                    }
                    Difference::Appeared(name) => {
                        let inode = look.files[&name].identity.inode;
                        assert!(believed.insert(name, inode).is_none(), "appeared twice");
                    }
                    Difference::Refused(name, _) => assert!(!believed.contains_key(&name)),
                }
            }
            before = look.clone();
        }
        believed
    }

    proptest! {
        #[test]
        fn whoever_follows_the_differences_knows_exactly_the_sockets_that_are_there(
            looks in prop::collection::vec(looks(), 1..8),
        ) {
            let there = looks.last().map(|look| look.files.clone()).unwrap_or_default();
            let there: BTreeMap<_, _> = there
                .into_iter()
                .filter(|(_, found)| found.refused.is_none())
                .map(|(name, found)| (name, found.identity.inode))
                .collect();
            prop_assert_eq!(believed(&looks), there);
        }

        #[test]
        fn nothing_is_told_when_nothing_has_changed(look in looks()) {
            prop_assert_eq!(look.differences(&look.clone()), []);
        }
    }

    #[test]
    fn a_socket_made_anew_under_the_same_name_goes_and_comes() {
        let mut before = Look::default();
        before.files.insert("a".into(), found(1, None));
        let mut after = Look::default();
        after.files.insert("a".into(), found(2, None));
        assert_eq!(
            before.differences(&after),
            [Difference::Removed("a".into()), Difference::Appeared("a".into())]
        );
    }
}
