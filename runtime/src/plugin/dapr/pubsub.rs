//! `dapr.proto.components.v1.PubSub` as a pubsub component.
//!
//! A subscription outlives the plugin's lives: see [`follow`].

mod follow;
mod pull;

use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use futures_util::future::join_all;
use http::Uri;
use replug_component::pubsub::{
    BulkPublishRequest, FailedEntry, PubSub, PublishRequest, SubscribeRequest, Subscription,
};
use replug_component::{Context, Error, Features, Metadata};
use replug_proto::dapr::components::v1 as pb;
use replug_proto::dapr::components::v1::pub_sub_client::PubSubClient;
use tokio::sync::watch;
use tonic::Code;

use self::follow::Followers;
use crate::component::ComponentSpec;
use crate::plugin::link::{CallKind, Link, Method, failure};
use crate::plugin::{Connection, Contracts, Direct, Learned, Wrapper};

static PUBLISH: Method =
    Method::new(|| Uri::from_static("http://localhost/dapr.proto.components.v1.PubSub/Publish"));
static BULK_PUBLISH: Method = Method::new(|| {
    Uri::from_static("http://localhost/dapr.proto.components.v1.PubSub/BulkPublish")
});
static PING: Method =
    Method::new(|| Uri::from_static("http://localhost/dapr.proto.components.v1.PubSub/Ping"));

/// A pubsub component whose plugin serves Dapr's contract.
#[derive(Debug)]
pub struct DaprPubSub {
    features: ArcSwap<Features>,
    link: Link,
    /// Subscriptions, each of which has a stream at every stage of the link.
    followers: Followers,
    /// Nothing is to be delivered.
    paused: watch::Sender<bool>,
}

impl DaprPubSub {
    /// The wrapper of one component; its link is held until it is opened.
    #[must_use]
    pub fn new(spec: &ComponentSpec, reason: &str) -> Self {
        Self {
            features: ArcSwap::default(),
            link: Link::new(spec, reason),
            followers: Followers::default(),
            paused: watch::Sender::new(false),
        }
    }

    /// Clients of the plugin's processes.
    fn everywhere(&self) -> impl Iterator<Item = PubSubClient<Direct>> {
        let stages = self.link.stages().unwrap_or_default().into_iter();
        stages.map(|stage| PubSubClient::new(self.link.directly(&stage.connection)))
    }
}

#[async_trait]
impl Wrapper for DaprPubSub {
    fn link(&self) -> &Link {
        &self.link
    }

    /// Callers are let through when subscriptions have their streams again, so that what is
    /// published then reaches them.
    async fn init(
        &self,
        connection: &Connection,
        contracts: &Contracts,
        metadata: Metadata,
    ) -> Result<Learned, Error> {
        let mut client = PubSubClient::new(self.link.directly(connection));
        let metadata = Some(pb::MetadataRequest { properties: metadata });
        client.init(pb::PubSubInitRequest { metadata }).await.map_err(failure)?;
        let features = client.features(pb::FeaturesRequest {}).await.map_err(failure)?;
        let features = Features::new(features.into_inner().features);
        self.followers.at(self.link.begin(connection)).await;
        Ok(Learned { contracts: contracts.clone(), features })
    }

    fn adopt(&self, learned: &Learned) {
        self.features.store(Arc::new(learned.features.clone()));
    }

    fn capabilities(&self) -> Vec<String> {
        self.features.load().iter().map(str::to_owned).collect()
    }
}

#[async_trait]
impl PubSub for DaprPubSub {
    fn features(&self) -> Features {
        Features::clone(&self.features.load())
    }

    async fn publish(&self, cx: &Context, publish: PublishRequest) -> Result<(), Error> {
        // As from Dapr, a message is told of its content type by its metadata alone.
        let request = pb::PublishRequest::from(PublishRequest { content_type: None, ..publish });
        let answer = self.link.unary(cx, CallKind::Repeatable, &PUBLISH, &request).await;
        answer.map(|_: pb::PublishResponse| ()).map_err(failure)
    }

    async fn bulk_publish(
        &self,
        cx: &Context,
        publish: BulkPublishRequest,
    ) -> Result<Vec<FailedEntry>, Error> {
        let request = pb::BulkPublishRequest::from(publish);
        let answer = self.link.unary(cx, CallKind::Repeatable, &BULK_PUBLISH, &request).await;
        let answer: pb::BulkPublishResponse = answer.map_err(failure)?;
        Ok(answer.failed_entries.into_iter().map(Into::into).collect())
    }

    /// Waits for no plugin: the subscription has its streams as soon as there is one.
    async fn subscribe(
        &self,
        _cx: &Context,
        request: SubscribeRequest,
    ) -> Result<Subscription, Error> {
        Ok(self.followers.follow(&self.link, request, self.paused.subscribe()).await)
    }

    /// Plugins may be without this call, which changes nothing: they are not read from. Those that
    /// nobody subscribes to are not asked. What a plugin sends before its word is delivered, since
    /// it may give that only when all that it has sent is answered; nothing is read afterwards,
    /// whatever the word is, nor when this is dropped before.
    async fn pause(&self) -> Result<(), Error> {
        let _then = Pausing(&self.paused);
        if !self.followers.any() {
            return Ok(());
        }
        let told = self
            .everywhere()
            .map(|mut client| async move { client.pause(pb::PauseRequest {}).await.map(drop) });
        unless_missing(join_all(told).await)
    }

    async fn resume(&self) -> Result<(), Error> {
        let told = self
            .everywhere()
            .map(|mut client| async move { client.resume(pb::ResumeRequest {}).await.map(drop) });
        let told = unless_missing(join_all(told).await);
        self.paused.send_replace(false);
        told
    }

    async fn ping(&self, cx: &Context) -> Result<(), Error> {
        let answer = self.link.unary(cx, CallKind::Read, &PING, &pb::PingRequest {}).await;
        answer.map(|_: pb::PingResponse| ()).map_err(failure)
    }
}

/// Pauses when it is dropped.
struct Pausing<'p>(&'p watch::Sender<bool>);

impl Drop for Pausing<'_> {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

/// The first error of calls that a plugin need not have.
fn unless_missing(answers: Vec<Result<(), tonic::Status>>) -> Result<(), Error> {
    let mut errors = answers.into_iter().filter_map(Result::err);
    let error = errors.find(|status| status.code() != Code::Unimplemented);
    error.map_or(Ok(()), |status| Err(failure(status)))
}
