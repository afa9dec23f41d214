//! How long a plugin takes to start by itself, without replug.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use replug_proto::dapr::components::v1::state_store_client::StateStoreClient;
use replug_proto::dapr::components::v1::{GetRequest, InitRequest, MetadataRequest, PingRequest};
use tokio::time::timeout;

use crate::by_hand::ByHand;
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
    let mut by_hand = ByHand::start(plugin).await?;
    let asked = timeout(PATIENCE, ask(&by_hand, plugin, data)).await;
    by_hand.child.kill().await?;
    asked.map_err(|_| format!("{} does not answer", plugin.name))?
}

async fn ask(by_hand: &ByHand, plugin: &Plugin, data: &Path) -> Result<OwnStart, Failure> {
    let mut client = StateStoreClient::new(by_hand.channel.clone());
    client.ping(PingRequest {}).await?;
    let answer = by_hand.began.elapsed();
    let properties: HashMap<_, _> = plugin.metadata(data).into_iter().collect();
    client.init(InitRequest { metadata: Some(MetadataRequest { properties }) }).await?;
    client.get(GetRequest { key: "none".into(), ..Default::default() }).await?;
    Ok(OwnStart { answer, value: by_hand.began.elapsed() })
}
