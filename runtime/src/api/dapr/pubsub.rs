//! The building block pubsub, as Dapr's API does it over either front: which component and topic,
//! what is published, and what its errors mean.

mod failure;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use replug_component::pubsub::{
    BulkEntry, BulkPublishRequest, FailedEntry, PubSub, PublishRequest, each,
};
use replug_component::{Context, Error, Features, Metadata};

pub(super) use self::failure::{EVENTS, PUBLISH, bulk_malformed, entry_malformed};
use self::failure::{Failing, not_an_event};
use super::Dapr;
use super::error::{ApiError, Front};
use crate::messaging::cloud_event::{self, Published, Trace, ttl};
use crate::messaging::is_raw;
use crate::registry::PubSubComponent;
use crate::telemetry::Telemetry;
use crate::topics::Use;

/// A topic that one call is about.
pub(super) struct Topic<'a> {
    component: Arc<PubSubComponent>,
    failing: Failing<'a>,
    topic: &'a str,
    /// No envelope is put around messages.
    pub(super) raw: bool,
    metadata: Metadata,
    telemetry: Option<&'a Telemetry>,
}

/// What became of several messages.
pub(super) enum BulkPublished {
    /// They are published, but for those that the component has named without an error.
    But(Vec<FailedEntry>),
    /// Something failed: what, and which messages are not known to be published.
    Failed(ApiError, Vec<FailedEntry>),
}

impl Dapr {
    /// The topic, if there is a component of that name.
    pub(super) fn topic<'a>(
        &'a self,
        pubsub: &'a str,
        topic: &'a str,
        metadata: Metadata,
        front: Front,
    ) -> Result<Topic<'a>, ApiError> {
        let failing = Failing { pubsub, app_id: &self.settings.app_id, front };
        if pubsub.is_empty() {
            return Err(failing.name_empty(&metadata));
        }
        let Ok(component) = self.registry.pubsub(pubsub) else {
            return Err(failing.not_found(&metadata));
        };
        if topic.is_empty() {
            return Err(failing.topic_empty(&metadata));
        }
        let raw = is_raw(&metadata).map_err(|cause| failing.metadata(&metadata, &cause))?;
        let telemetry = self.settings.telemetry.as_deref();
        Ok(Topic { component, failing, topic, raw, metadata, telemetry })
    }
}

impl Topic<'_> {
    /// Publishes one message.
    pub(super) async fn publish(
        mut self,
        cx: &Context,
        data: Bytes,
        content_type: &str,
        trace: &Trace,
    ) -> Result<(), ApiError> {
        let metadata = std::mem::take(&mut self.metadata);
        let data = self.enveloped(cx, data, content_type, trace, &metadata).await?;
        let begun = Instant::now();
        let permitted = self.permitted(cx).await;
        let (component, topic) = permitted.inspect_err(|_| self.count(false, begun, false))?;
        let request = PublishRequest {
            data,
            pubsub_name: self.failing.pubsub.to_owned(),
            topic,
            metadata,
            content_type: None,
        };
        let published = component.publish(cx, request).await;
        self.count(false, begun, published.is_ok());
        published.map_err(|error| self.failing.publish(self.topic, &error))
    }

    /// Publishes several messages. Their metadata are those of [`Topic::complete`].
    pub(super) async fn publish_all(
        mut self,
        cx: &Context,
        mut entries: Vec<BulkEntry>,
        trace: &Trace,
    ) -> Result<BulkPublished, ApiError> {
        let ids = self.check_ids(&entries);
        // Over gRPC what is wrong with the first entry that is wrong is told.
        let sound = match (&ids, self.failing.front) {
            (Err((sound, _)), Front::Grpc) => *sound,
            (Err(_), Front::Http) => 0,
            (Ok(()), _) => entries.len(),
        };
        let metadata = std::mem::take(&mut self.metadata);
        for entry in &mut entries[..sound] {
            let event = std::mem::take(&mut entry.event);
            entry.event =
                self.enveloped(cx, event, &entry.content_type, trace, &entry.metadata).await?;
        }
        ids.map_err(|(_, error)| error)?;
        let begun = Instant::now();
        let permitted = self.permitted(cx).await;
        let (component, topic) = permitted.inspect_err(|_| self.count(true, begun, false))?;
        let ids: Vec<String> = entries.iter().map(|entry| entry.entry_id.clone()).collect();
        let pubsub_name = self.failing.pubsub.to_owned();
        let request = BulkPublishRequest { entries, pubsub_name, topic, metadata };
        if component.features().has(Features::BULK_PUBSUB) {
            let published = component.bulk_publish(cx, request).await;
            self.count(true, begun, published.is_ok());
            return Ok(match published {
                Ok(failed) => BulkPublished::But(failed),
                Err(error) => self.all_failed(ids, &error),
            });
        }
        let mut failed = each::publish(&*component, cx, request).await;
        self.count(true, begun, failed.is_empty());
        if failed.is_empty() {
            return Ok(BulkPublished::But(Vec::new()));
        }
        let error = self.failing.publish(self.topic, &failed[0].1);
        Ok(BulkPublished::Failed(error, failed.drain(..).map(|(entry, _)| entry).collect()))
    }

    fn count(&self, bulk: bool, begun: Instant, success: bool) {
        if let Some(telemetry) = self.telemetry {
            telemetry.egress(self.failing.pubsub, self.topic, bulk, begun.elapsed(), success);
        }
    }

    fn all_failed(&self, ids: Vec<String>, error: &Error) -> BulkPublished {
        let text = error.to_string();
        let failed = ids.into_iter();
        let failed = failed.map(|entry_id| FailedEntry { entry_id, error: text.clone() }).collect();
        BulkPublished::Failed(self.failing.publish(self.topic, error), failed)
    }

    /// Every entry has an id, and no two the same. The error comes with the place of the first of
    /// which that is not so.
    pub(super) fn check_ids(&self, entries: &[BulkEntry]) -> Result<(), (usize, ApiError)> {
        let mut known = HashSet::with_capacity(entries.len());
        let mut ids = entries.iter().map(|entry| entry.entry_id.as_str());
        match ids.position(|id| id.is_empty() || !known.insert(id)) {
            None => Ok(()),
            Some(at) => Err((at, self.failing.entry_ids(self.topic))),
        }
    }

    /// What subscribers get of `data`.
    async fn enveloped(
        &self,
        cx: &Context,
        data: Bytes,
        content_type: &str,
        trace: &Trace,
        metadata: &Metadata,
    ) -> Result<Bytes, ApiError> {
        if self.raw {
            return Ok(data);
        }
        // Asked for only where it matters: it may have to be waited for.
        let expires = ttl(metadata).is_some() && {
            let component = self.component.slot.component(cx).await;
            let component = component.map_err(|error| self.failing.publish(self.topic, &error))?;
            !component.features().has(Features::MESSAGE_TTL)
        };
        let published = Published {
            app_id: self.failing.app_id,
            pubsub: self.failing.pubsub,
            topic: self.topic,
            content_type,
            data: &data,
            trace,
            metadata,
            expires,
        };
        cloud_event::wrap(&published).map_err(|error| not_an_event(&self.failing, &error))
    }

    /// The component, and the topic's name at the broker, if the application may publish there.
    async fn permitted(&self, cx: &Context) -> Result<(Arc<dyn PubSub>, String), ApiError> {
        let topics = self.component.topics.load();
        if !topics.allow(Use::Publish, self.topic) {
            return Err(self.failing.forbidden(self.topic));
        }
        let topic = topics.at_broker(self.topic).into_owned();
        let component = self.component.slot.component(cx).await;
        let component = component.map_err(|error| self.failing.publish(self.topic, &error))?;
        Ok((component, topic))
    }
}

impl Topic<'_> {
    /// Adds the request's metadata to an entry's own. Done only where the entry has some, as in
    /// Dapr.
    pub(super) fn complete(&self, metadata: &mut Metadata) {
        for (name, value) in &self.metadata {
            metadata.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }

    /// Adds to what goes to the component beside the message.
    pub(super) fn add_metadata(&mut self, name: &str, value: &str) {
        self.metadata.insert(name.to_owned(), value.to_owned());
    }

    /// What the call is about when it fails.
    pub(super) fn failing(&self) -> &Failing<'_> {
        &self.failing
    }
}
