//! `spec.proto.pluggable.v1.hello.Hello` as a hello component.

use async_trait::async_trait;
use http::Uri;
use replug_component::hello::{Hello, HelloConfig};
use replug_component::{ComponentType, Context, Error, Metadata};
use replug_proto::layotto::pluggable::v1::common::Config;
use replug_proto::layotto::pluggable::v1::hello as pb;
use replug_proto::layotto::pluggable::v1::hello::hello_client::HelloClient;

use crate::component::ComponentSpec;
use crate::plugin::link::{CallKind, Link, Method, failure};
use crate::plugin::{Connection, Contracts, Learned, Wrapper};

static SAY_HELLO: Method = Method::new(|| {
    Uri::from_static("http://localhost/spec.proto.pluggable.v1.hello.Hello/SayHello")
});

/// A hello component whose plugin serves Layotto's contract.
#[derive(Debug)]
pub struct LayottoHello {
    component_type: ComponentType,
    link: Link,
}

impl LayottoHello {
    /// The wrapper of one component; its link is held until it is opened.
    #[must_use]
    pub fn new(spec: &ComponentSpec, reason: &str) -> Self {
        Self { component_type: spec.component_type.clone(), link: Link::new(spec, reason) }
    }
}

#[async_trait]
impl Wrapper for LayottoHello {
    fn link(&self) -> &Link {
        &self.link
    }

    /// Layotto initialises once and never again, so that a restarted plugin answers with an empty
    /// greeting; here it is told its greeting after every start.
    async fn init(
        &self,
        connection: &Connection,
        contracts: &Contracts,
        metadata: Metadata,
    ) -> Result<Learned, Error> {
        let config = HelloConfig::from(metadata);
        let request = pb::HelloConfig {
            config: Some(Config::default()),
            r#type: self.component_type.name().to_owned(),
            hello_string: config.greeting,
            metadata: config.metadata,
        };
        HelloClient::new(self.link.directly(connection)).init(request).await.map_err(failure)?;
        Ok(Learned { contracts: contracts.clone(), ..Learned::default() })
    }

    fn adopt(&self, _: &Learned) {}

    fn capabilities(&self) -> Vec<String> {
        Vec::new()
    }
}

#[async_trait]
impl Hello for LayottoHello {
    async fn say_hello(&self, cx: &Context, name: String) -> Result<String, Error> {
        let request = pb::HelloRequest { name };
        let answer = self.link.unary(cx, CallKind::Read, &SAY_HELLO, &request).await;
        let answer: pb::HelloResponse = answer.map_err(failure)?;
        Ok(answer.hello_string)
    }
}
