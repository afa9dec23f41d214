//! A plugin's process that is started by hand, without replug.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tempfile::TempDir;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::Child;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};

use crate::home::socket_folder;
use crate::plugin::Plugin;
use crate::{Failure, PATIENCE};

/// A running plugin. Killed when dropped, and its sockets' folder is gone then.
#[derive(Debug)]
pub(crate) struct ByHand {
    pub(crate) child: Child,
    /// Just before its process was started.
    pub(crate) began: Instant,
    /// A connection to it.
    pub(crate) channel: Channel,
    pub(crate) socket: PathBuf,
    folder: TempDir,
}

impl ByHand {
    /// Starts it and connects to it as soon as it can be.
    pub(crate) async fn start(plugin: &Plugin) -> Result<Self, Failure> {
        let folder = socket_folder()?;
        let socket = plugin.socket(folder.path());
        let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        inotify::add_watch(&watch, folder.path(), WatchFlags::CREATE | WatchFlags::MOVED_TO)?;
        #[allow(
            deprecated,
            reason = "its successor is unsafe because of types whose descriptor may change; an \
                      OwnedFd is one descriptor and stays open as long as it lives"
        )]
        let watch = AsyncFd::with_interest(watch, Interest::READABLE)?;
        let mut command = plugin.command(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);

        let began = Instant::now();
        let mut child = command.spawn()?;
        let reached = timeout(PATIENCE, async {
            appears(&watch, &socket).await?;
            dial(&socket).await
        });
        let name = plugin.name;
        let channel = tokio::select! {
            reached = reached => reached.map_err(|_| format!("{name} does not answer"))??,
            ended = child.wait() => return Err(format!("{name} ended by itself: {}", ended?).into()),
        };
        Ok(Self { child, began, channel, socket, folder })
    }

    /// Where its sockets are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Waits until the socket file is there.
async fn appears(watch: &AsyncFd<OwnedFd>, socket: &Path) -> Result<(), Failure> {
    while !socket.exists() {
        let mut ready = watch.readable().await?;
        // What has happened is seen in the folder; the events only have to be taken away.
        let mut events = [0_u8; 4096];
        match rustix::io::read(watch, &mut events) {
            Ok(_) | Err(rustix::io::Errno::WOULDBLOCK) => ready.clear_ready(),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Connects to a socket that is there. It may not be listened to yet, for as long as a system call
/// takes, so it is tried again at once.
async fn dial(socket: &Path) -> Result<Channel, Failure> {
    let endpoint = Endpoint::from_shared(format!("unix:{}", socket.display()))?;
    loop {
        match endpoint.connect().await {
            Ok(channel) => return Ok(channel),
            Err(_) => tokio::task::yield_now().await,
        }
    }
}
