//! `dapr.proto.components.v1.SecretStore` as a secret store.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use http::Uri;
use replug_component::secret::{Secret, SecretStore};
use replug_component::{Context, Error, Features, Metadata};
use replug_proto::dapr::components::v1 as pb;
use replug_proto::dapr::components::v1::secret_store_client::SecretStoreClient;

use crate::component::ComponentSpec;
use crate::plugin::link::{CallKind, Link, Method, failure};
use crate::plugin::{Connection, Contracts, Learned, Wrapper};

static GET: Method =
    Method::new(|| Uri::from_static("http://localhost/dapr.proto.components.v1.SecretStore/Get"));
static BULK_GET: Method = Method::new(|| {
    Uri::from_static("http://localhost/dapr.proto.components.v1.SecretStore/BulkGet")
});
static PING: Method =
    Method::new(|| Uri::from_static("http://localhost/dapr.proto.components.v1.SecretStore/Ping"));

/// A secret store whose plugin serves Dapr's contract.
#[derive(Debug)]
pub struct DaprSecretStore {
    features: ArcSwap<Features>,
    link: Link,
}

impl DaprSecretStore {
    /// The wrapper of one component; its link is held until it is opened.
    #[must_use]
    pub fn new(spec: &ComponentSpec, reason: &str) -> Self {
        Self { features: ArcSwap::default(), link: Link::new(spec, reason) }
    }
}

#[async_trait]
impl Wrapper for DaprSecretStore {
    fn link(&self) -> &Link {
        &self.link
    }

    async fn init(
        &self,
        connection: &Connection,
        contracts: &Contracts,
        metadata: Metadata,
    ) -> Result<Learned, Error> {
        let mut client = SecretStoreClient::new(self.link.directly(connection));
        let metadata = Some(pb::MetadataRequest { properties: metadata });
        client.init(pb::SecretStoreInitRequest { metadata }).await.map_err(failure)?;
        let features = client.features(pb::FeaturesRequest {}).await.map_err(failure)?;
        let features = Features::new(features.into_inner().features);
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
impl SecretStore for DaprSecretStore {
    fn features(&self) -> Features {
        Features::clone(&self.features.load())
    }

    fn empty_is_none(&self) -> bool {
        true
    }

    async fn get(&self, cx: &Context, name: &str, metadata: Metadata) -> Result<Secret, Error> {
        let get = pb::GetSecretRequest { key: name.to_owned(), metadata };
        let answer = self.link.unary(cx, CallKind::Read, &GET, &get).await;
        let answer: pb::GetSecretResponse = answer.map_err(failure)?;
        Ok(answer.data)
    }

    async fn bulk_get(
        &self,
        cx: &Context,
        metadata: Metadata,
    ) -> Result<HashMap<String, Secret>, Error> {
        let get = pb::BulkGetSecretRequest { metadata };
        let answer = self.link.unary(cx, CallKind::Read, &BULK_GET, &get).await;
        let answer: pb::BulkGetSecretResponse = answer.map_err(failure)?;
        let secrets = answer.data.into_iter();
        Ok(secrets.map(|(name, secret)| (name, secret.secrets)).collect())
    }

    async fn ping(&self, cx: &Context) -> Result<(), Error> {
        let answer = self.link.unary(cx, CallKind::Read, &PING, &pb::PingRequest {}).await;
        answer.map(|_: pb::PingResponse| ()).map_err(failure)
    }
}
