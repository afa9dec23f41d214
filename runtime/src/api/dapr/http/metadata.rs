//! The metadata API over HTTP: fields in Dapr's order, those that are empty left out.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Failure;
use super::answer::{Answer, no_content, ok};
use super::body::Unread;
use crate::api::dapr::Dapr;
use crate::api::dapr::error::BODY_READ;
use crate::api::dapr::json;
use crate::api::dapr::metadata::{NO_PLACEMENT, Shown, ShownSubscription};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    id: &'a str,
    runtime_version: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    enabled_features: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    components: Vec<Component>,
    extended: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscriptions: Vec<Subscription>,
    app_connection_properties: AppConnection<'a>,
    actor_runtime: ActorRuntime,
}

#[derive(Serialize)]
struct Component {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    version: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    capabilities: Vec<String>,
}

#[derive(Serialize)]
struct Subscription {
    pubsubname: String,
    topic: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rules: Vec<Rule>,
    #[serde(rename = "deadLetterTopic")]
    dead_letter_topic: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct Rule {
    #[serde(rename = "match", skip_serializing_if = "String::is_empty")]
    condition: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    path: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AppConnection<'a> {
    #[serde(skip_serializing_if = "is_zero")]
    port: u16,
    protocol: &'a str,
    channel_address: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    max_concurrency: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<Health<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Health<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    health_check_path: Option<&'a str>,
    health_probe_interval: String,
    health_probe_timeout: String,
    health_threshold: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ActorRuntime {
    runtime_status: &'static str,
    host_ready: bool,
    placement: &'static str,
}

fn is_zero<N: Default + PartialEq>(number: &N) -> bool {
    *number == N::default()
}

impl From<Shown> for Component {
    fn from(shown: Shown) -> Self {
        Self {
            name: shown.name,
            kind: shown.component_type,
            version: shown.version,
            capabilities: shown.capabilities,
        }
    }
}

impl From<ShownSubscription> for Subscription {
    fn from(shown: ShownSubscription) -> Self {
        Self {
            pubsubname: shown.pubsub,
            topic: shown.topic,
            metadata: shown.metadata,
            rules: shown
                .rules
                .into_iter()
                .map(|(condition, path)| Rule { condition, path })
                .collect(),
            dead_letter_topic: shown.dead_letter_topic,
            kind: shown.origin.as_str(),
        }
    }
}

impl Dapr {
    pub(super) async fn http_get_metadata(&self, body: &mut Unread) -> Result<Answer, Failure> {
        // A body is read, and its size counts, whatever it is for.
        body.read(BODY_READ, "failed to read request body: ").await?;
        let app = &self.settings.app;
        let mut told = Vec::from(json::to_bytes(&Metadata {
            id: &self.settings.app_id,
            runtime_version: &self.settings.runtime_version,
            enabled_features: &self.settings.features,
            components: self.shown_components().into_iter().map(Into::into).collect(),
            extended: self.extended_metadata(),
            subscriptions: self.shown_subscriptions().into_iter().map(Into::into).collect(),
            app_connection_properties: AppConnection {
                port: app.port,
                protocol: app.protocol.as_str(),
                channel_address: &app.address,
                max_concurrency: app.max_concurrency,
                health: self.app_health().map(|health| Health {
                    health_check_path: health.path,
                    health_probe_interval: health.interval,
                    health_probe_timeout: health.timeout,
                    health_threshold: health.threshold,
                }),
            },
            actor_runtime: ActorRuntime {
                runtime_status: "DISABLED",
                host_ready: false,
                placement: NO_PLACEMENT,
            },
        }));
        // Dapr's encoder ends its text so.
        told.push(b'\n');
        Ok(ok(told))
    }

    pub(super) async fn http_put_metadata(
        &self,
        key: String,
        body: &mut Unread,
    ) -> Result<Answer, Failure> {
        let value = body.read(BODY_READ, "failed to read request body: ").await?;
        self.set_metadata(key, String::from_utf8_lossy(&value).into_owned());
        Ok(no_content())
    }
}
