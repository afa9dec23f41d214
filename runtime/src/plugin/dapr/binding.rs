//! `dapr.proto.components.v1.InputBinding` and `OutputBinding` as a binding: both sides over one
//! link, as far as the plugin serves them and the component's `direction` asks for them.

mod read;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use http::Uri;
use replug_component::binding::{
    Binding, Direction, Events, InputBinding, InvokeRequest, InvokeResponse, OutputBinding,
};
use replug_component::{BuildingBlock, Context, Error, Features, Metadata};
use replug_proto::dapr::components::v1 as pb;
use replug_proto::dapr::components::v1::input_binding_client::InputBindingClient;
use replug_proto::dapr::components::v1::output_binding_client::OutputBindingClient;

use crate::component::ComponentSpec;
use crate::plugin::contract::Contract;
use crate::plugin::link::{CallKind, Link, Method, failure};
use crate::plugin::{Connection, Contracts, Learned, Wrapper};

static LIST: Method = Method::new(|| {
    Uri::from_static("http://localhost/dapr.proto.components.v1.OutputBinding/ListOperations")
});
static INVOKE: Method = Method::new(|| {
    Uri::from_static("http://localhost/dapr.proto.components.v1.OutputBinding/Invoke")
});
static PING: Method = Method::new(|| {
    Uri::from_static("http://localhost/dapr.proto.components.v1.OutputBinding/Ping")
});

/// A binding whose plugin serves one or both of Dapr's contracts.
#[derive(Debug)]
pub struct DaprBinding {
    /// What was adopted last; none before the first time.
    known: ArcSwapOption<Known>,
    link: Link,
}

/// What is known of the plugin.
#[derive(Debug)]
struct Known {
    /// It is read.
    input: bool,
    /// It is invoked.
    output: bool,
    operations: Features,
}

impl DaprBinding {
    /// The wrapper of one component; its link is held until it is opened.
    #[must_use]
    pub fn new(spec: &ComponentSpec, reason: &str) -> Self {
        Self { known: ArcSwapOption::empty(), link: Link::new(spec, reason) }
    }

    /// The wrapper as what stands in a binding's slot. Which sides there are shows when the plugin
    /// does.
    #[must_use]
    pub fn both_sides(self: Arc<Self>) -> Binding {
        Binding { input: Some(self.clone()), output: Some(self) }
    }
}

#[async_trait]
impl Wrapper for DaprBinding {
    fn link(&self) -> &Link {
        &self.link
    }

    async fn init(
        &self,
        connection: &Connection,
        contracts: &Contracts,
        metadata: Metadata,
    ) -> Result<Learned, Error> {
        let direct = || self.link.directly(connection);
        let direction = Direction::of(&metadata);
        let metadata = pb::MetadataRequest { properties: metadata };
        let (mut contracts, mut features) = (contracts.clone(), Features::default());
        if !direction.has_input() {
            contracts = contracts.without(Contract::DaprInputBinding);
        }
        if !direction.has_output() {
            contracts = contracts.without(Contract::DaprOutputBinding);
        }
        if contracts.has(Contract::DaprInputBinding) {
            let init = pb::InputBindingInitRequest { metadata: Some(metadata.clone()) };
            InputBindingClient::new(direct()).init(init).await.map_err(failure)?;
        }
        if contracts.has(Contract::DaprOutputBinding) {
            let mut client = OutputBindingClient::new(direct());
            let init = pb::OutputBindingInitRequest { metadata: Some(metadata) };
            client.init(init).await.map_err(failure)?;
            let listed = client.list_operations(pb::ListOperationsRequest {}).await;
            features = Features::new(listed.map_err(failure)?.into_inner().operations);
        }
        if contracts.types("").all(|of| of.block() != BuildingBlock::Bindings) {
            let text = "the plugin serves no side of it that its `direction` asks for";
            return Err(Error::Invalid(text.to_owned()));
        }
        self.link.begin(connection);
        Ok(Learned { contracts, features })
    }

    fn adopt(&self, learned: &Learned) {
        self.known.store(Some(Arc::new(Known {
            input: learned.contracts.has(Contract::DaprInputBinding),
            output: learned.contracts.has(Contract::DaprOutputBinding),
            operations: learned.features.clone(),
        })));
    }

    fn capabilities(&self) -> Vec<String> {
        let known = self.known.load();
        let sides = known.as_ref().map_or((false, false), |known| (known.input, known.output));
        let input = sides.0.then(|| Binding::INPUT.to_owned());
        input.into_iter().chain(sides.1.then(|| Binding::OUTPUT.to_owned())).collect()
    }
}

#[async_trait]
impl OutputBinding for DaprBinding {
    async fn operations(&self, cx: &Context) -> Result<Features, Error> {
        if let Some(known) = &*self.known.load() {
            if known.output {
                return Ok(known.operations.clone());
            }
            let name = self.link.component();
            return Err(Error::Unsupported(format!("couldn't find output binding {name}")));
        }
        // Nobody has been there yet: this waits for the plugin, as any call does.
        let request = pb::ListOperationsRequest {};
        let listed = self.link.unary(cx, CallKind::Read, &LIST, &request).await;
        let listed: pb::ListOperationsResponse = listed.map_err(failure)?;
        Ok(Features::new(listed.operations))
    }

    async fn invoke(
        &self,
        cx: &Context,
        invoke: InvokeRequest,
    ) -> Result<Option<InvokeResponse>, Error> {
        let request = pb::InvokeRequest::from(invoke);
        let answer = self.link.unary(cx, CallKind::Write, &INVOKE, &request).await;
        let answer: pb::InvokeResponse = answer.map_err(failure)?;
        Ok(Some(answer.into()))
    }

    async fn ping(&self, cx: &Context) -> Result<(), Error> {
        let answer = self.link.unary(cx, CallKind::Read, &PING, &pb::PingRequest {}).await;
        answer.map(|_: pb::PingResponse| ()).map_err(failure)
    }
}

#[async_trait]
impl InputBinding for DaprBinding {
    /// Waits for no plugin: the events come as soon as there is one.
    async fn read(&self, _cx: &Context) -> Result<Events, Error> {
        Ok(read::follow(&self.link))
    }
}
