//! What plugins tell replug by `sd_notify`, as they would tell systemd: that they are ready, how they
//! are, that they live. A datagram socket of its own for each generation.
//!
//! It knows what is told and whether somebody of the plugin told it; what follows is not its affair.

mod message;

use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use nix::sys::socket::sockopt::PassCred;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt};
use nix::unistd::{Pid, getpgid};
use tokio::io::Interest;
use tokio::net::UnixDatagram;

pub use self::message::{Message, Watchdog};

/// The file's name in a plugin's private folder, where it is not taken for a socket that serves.
pub const SOCKET_NAME: &str = ".notify";

/// The longest message, in bytes; systemd's limit too. What is longer is cut off, and its last line
/// is not understood.
const LONGEST: usize = 4096;

/// The socket at which one generation of a plugin is listened to. Its file goes with the private
/// folder.
#[derive(Debug)]
pub struct Told {
    socket: UnixDatagram,
    /// The plugin's process, which is its group too. None before it is started.
    group: Option<Pid>,
}

// === impl Told ===

impl Told {
    /// A socket in `folder`, which nobody but replug's user and the plugin's can enter, for
    /// [`Told::resume`]. What is told is kept from then on.
    pub fn bind(folder: &Path) -> io::Result<OwnedFd> {
        let path = folder.join(SOCKET_NAME);
        let socket = std::os::unix::net::UnixDatagram::bind(&path)?;
        socket.set_nonblocking(true)?;
        // Whatever user the plugin runs as: the folder keeps the others out.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666))?;
        setsockopt(&socket, PassCred, &true)?;
        Ok(socket.into())
    }

    /// Listens at a socket that [`Told::bind`] or [`Told::hand_over`] gave. Nobody is believed yet.
    pub fn resume(socket: OwnedFd) -> io::Result<Self> {
        Ok(Self { socket: UnixDatagram::from_std(socket.into())?, group: None })
    }

    /// Lets go of the socket. What was told and is not read yet stays in it.
    pub fn hand_over(self) -> io::Result<OwnedFd> {
        Ok(self.socket.into_std()?.into())
    }

    /// From now on the process `pid` and its group are believed, and nobody else.
    pub fn believe(&mut self, pid: u32) {
        self.group = i32::try_from(pid).ok().map(Pid::from_raw);
    }

    /// The next message of the plugin. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Message {
        loop {
            match self.receive().await {
                Ok((text, Some(sender))) if self.is_of_the_plugin(sender) => {
                    return Message::parse(&text);
                }
                Ok((_, sender)) => tracing::debug!(
                    pid = sender.map(Pid::as_raw),
                    "a message of a process that is none of the plugin's is not believed"
                ),
                // There is no error of a datagram socket that lasts; waiting comes before each.
                Err(error) => tracing::debug!(%error, "a message of a plugin cannot be read"),
            }
        }
    }

    /// One datagram, and who sent it, by the kernel's word.
    async fn receive(&self) -> io::Result<(Vec<u8>, Option<Pid>)> {
        self.socket
            .async_io(Interest::READABLE, || {
                let mut text = vec![0; LONGEST];
                // Room for the credentials alone: descriptors that somebody sends along are closed
                // by the kernel, which is what `systemd-notify` waits for.
                let mut control = nix::cmsg_space!(nix::sys::socket::UnixCredentials);
                let mut pieces = [IoSliceMut::new(&mut text)];
                let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
                let fd = self.socket.as_raw_fd();
                let received = recvmsg::<()>(fd, &mut pieces, Some(&mut control), flags)?;
                let sender = received.cmsgs()?.find_map(|message| match message {
                    ControlMessageOwned::ScmCredentials(sender) => Some(sender.pid()),
                    _ => None,
                });
                let length = received.bytes;
                text.truncate(length);
                Ok((text, sender.map(Pid::from_raw)))
            })
            .await
    }

    /// Whether it is the plugin's process, or one of its group that has not gone.
    fn is_of_the_plugin(&self, sender: Pid) -> bool {
        let Some(group) = self.group else { return false };
        sender == group || getpgid(Some(sender)).is_ok_and(|of_sender| of_sender == group)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram as Sender;
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    use super::*;

    fn say(folder: &Path, text: &str) {
        let sender = Sender::unbound().unwrap();
        sender.send_to(text.as_bytes(), folder.join(SOCKET_NAME)).unwrap();
    }

    #[tokio::test]
    async fn only_the_plugins_own_processes_are_believed() {
        let folder = tempfile::tempdir().unwrap();
        let mut told = Told::resume(Told::bind(folder.path()).unwrap()).unwrap();
        // A group that this process is not in.
        let mut other = Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
        told.believe(other.id());
        say(folder.path(), "STATUS=a stranger");
        let (text, sender) = told.receive().await.unwrap();
        let sender = sender.unwrap();
        assert_eq!((text.as_slice(), sender), (&b"STATUS=a stranger"[..], Pid::this()));
        assert!(!told.is_of_the_plugin(sender));
        other.kill().unwrap();
        other.wait().unwrap();

        let own = getpgid(None).unwrap();
        told.believe(own.as_raw().unsigned_abs());
        say(folder.path(), "STATUS=one of the group");
        assert_eq!(told.next().await.status.as_deref(), Some("one of the group"));
    }
}
