//! How long a plugin takes to start by itself, without replug.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use replug_proto::dapr::components::v1::state_store_client::StateStoreClient;
use replug_proto::dapr::components::v1::{GetRequest, InitRequest, MetadataRequest, PingRequest};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};

use crate::home::socket_folder;
use crate::plugin::Plugin;
use crate::{Failure, PATIENCE};

/// How long it took, from just before the process was started.
#[derive(Debug, Clone, Copy)]
pub(super) struct OwnStart {
    /// To its first answer, to a ping.
    pub(super) answer: Duration,
    /// To its first value: initialised, then asked for a key.
    pub(super) value: Duration,
}

/// Starts the plugin's process, with its data in `data`, asks it and kills it.
pub(super) async fn own_start(plugin: &Plugin, data: &Path) -> Result<OwnStart, Failure> {
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

    let start = Instant::now();
    let mut child = command.spawn()?;
    let asked = timeout(PATIENCE, async {
        appears(&watch, &socket).await?;
        ask(start, dial(&socket).await?, plugin, data).await
    });
    let measured = tokio::select! {
        asked = asked => asked.map_err(|_| format!("{} does not answer", plugin.name))?,
        ended = child.wait() => Err(format!("{} ended by itself: {}", plugin.name, ended?).into()),
    };
    child.kill().await?;
    measured
}

async fn ask(
    start: Instant,
    channel: Channel,
    plugin: &Plugin,
    data: &Path,
) -> Result<OwnStart, Failure> {
    let mut client = StateStoreClient::new(channel);
    client.ping(PingRequest {}).await?;
    let answer = start.elapsed();
    let properties: HashMap<_, _> = plugin.metadata(data).into_iter().collect();
    client.init(InitRequest { metadata: Some(MetadataRequest { properties }) }).await?;
    client.get(GetRequest { key: "none".into(), ..Default::default() }).await?;
    Ok(OwnStart { answer, value: start.elapsed() })
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
