//! Who asks, and whether he may.

use std::ffi::CString;
use std::fmt;

use nix::unistd::{Gid, Uid, User, getgrouplist};
use tokio::net::UnixStream;
use tokio::task::spawn_blocking;

/// The process at the other end of a connection, as it was when it connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer {
    uid: u32,
    gid: u32,
    pid: Option<i32>,
}

impl Peer {
    /// None where the system does not say.
    pub(super) fn of(stream: &UnixStream) -> Option<Self> {
        let peer = stream.peer_cred().ok()?;
        Some(Self { uid: peer.uid(), gid: peer.gid(), pid: peer.pid() })
    }

    /// Whether it is root, or the user that replug runs as: it may do what replug may.
    pub(super) fn owns(self) -> bool {
        self.uid == 0 || self.uid == Uid::effective().as_raw()
    }

    /// Whether it may ask: root, the user that replug runs as, and the members of the group. The
    /// mode of the socket's file keeps others out already; this holds on file systems without modes
    /// as well, and for whoever was let in by somebody's `chmod`.
    pub(super) async fn is_permitted(self, group: Option<u32>) -> bool {
        if self.owns() {
            return true;
        }
        match group {
            None => false,
            Some(group) if self.gid == group => true,
            // The database of users may be far away.
            Some(group) => {
                spawn_blocking(move || is_member(self.uid, group)).await.unwrap_or(false)
            }
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user {}", self.uid)?;
        match self.pid {
            Some(pid) => write!(f, ", process {pid}"),
            None => Ok(()),
        }
    }
}

/// Whether the machine's users and groups say so.
fn is_member(uid: u32, group: u32) -> bool {
    let Ok(Some(user)) = User::from_uid(Uid::from_raw(uid)) else { return false };
    let Ok(name) = CString::new(user.name) else { return false };
    getgrouplist(&name, user.gid).is_ok_and(|groups| groups.contains(&Gid::from_raw(group)))
}
