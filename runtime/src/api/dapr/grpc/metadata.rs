//! The metadata API's answer over gRPC.

use replug_proto::dapr::runtime::v1 as pb;

use crate::api::dapr::Dapr;
use crate::api::dapr::metadata::{NO_PLACEMENT, Shown, ShownSubscription};
use crate::subscriptions::Origin;

impl Dapr {
    /// Everything that is known of the runtime. Parts of it that there are no building blocks for
    /// yet are empty; those that Dapr always fills are there.
    pub(super) fn metadata_message(&self) -> pb::GetMetadataResponse {
        let app = &self.settings.app;
        let component = |shown: Shown| pb::RegisteredComponents {
            name: shown.name,
            r#type: shown.component_type,
            version: shown.version,
            capabilities: shown.capabilities,
        };
        pb::GetMetadataResponse {
            id: self.settings.app_id.clone(),
            registered_components: self.shown_components().into_iter().map(component).collect(),
            subscriptions: self.shown_subscriptions().into_iter().map(subscription).collect(),
            extended_metadata: self.extended_metadata().into_iter().collect(),
            app_connection_properties: Some(pb::AppConnectionProperties {
                port: app.port.into(),
                protocol: app.protocol.to_string(),
                channel_address: app.address.clone(),
                max_concurrency: i32::try_from(app.max_concurrency).unwrap_or(i32::MAX),
                health: self.app_health().map(|health| pb::AppConnectionHealthProperties {
                    health_check_path: health.path.unwrap_or_default().to_owned(),
                    health_probe_interval: health.interval,
                    health_probe_timeout: health.timeout,
                    health_threshold: i32::try_from(health.threshold).unwrap_or(i32::MAX),
                }),
            }),
            runtime_version: self.settings.runtime_version.clone(),
            enabled_features: self.settings.features.clone(),
            actor_runtime: Some(pb::ActorRuntime {
                runtime_status: pb::actor_runtime::ActorRuntimeStatus::Disabled.into(),
                placement: NO_PLACEMENT.to_owned(),
                ..pb::ActorRuntime::default()
            }),
            workflows: Some(pb::MetadataWorkflows::default()),
            ..pb::GetMetadataResponse::default()
        }
    }
}

fn subscription(shown: ShownSubscription) -> pb::PubsubSubscription {
    let rule = |(condition, path)| pb::PubsubSubscriptionRule { r#match: condition, path };
    let origin = match shown.origin {
        Origin::Declarative => pb::PubsubSubscriptionType::Declarative,
        Origin::Programmatic => pb::PubsubSubscriptionType::Programmatic,
        Origin::Streaming => pb::PubsubSubscriptionType::Streaming,
    };
    pb::PubsubSubscription {
        pubsub_name: shown.pubsub,
        topic: shown.topic,
        metadata: shown.metadata.into_iter().collect(),
        rules: Some(pb::PubsubSubscriptionRules {
            rules: shown.rules.into_iter().map(rule).collect(),
        }),
        dead_letter_topic: shown.dead_letter_topic,
        r#type: origin.into(),
    }
}
