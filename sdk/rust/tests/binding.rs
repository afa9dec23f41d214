//! A binding with both sides, served by the SDK, as a runtime calls it.

mod support;

use std::sync::{Arc, Mutex};

use futures_util::stream;
use replug_proto::dapr::components::v1 as pb;
use replug_proto::dapr::components::v1::input_binding_client::InputBindingClient;
use replug_proto::dapr::components::v1::output_binding_client::OutputBindingClient;
use replug_sdk::component::binding::{
    Answerer, Arrival, Event, Events, InputBinding, InputBindingType, InvokeRequest,
    InvokeResponse, OutputBinding, OutputBindingType,
};
use replug_sdk::component::{Context, Error, Features, Metadata};
use replug_sdk::{Bytes, Plugin, async_trait};
use support::{Serving, to};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Code;

/// What was answered to which event, in the order of the answers.
type Answers = Arc<Mutex<Vec<(usize, Result<Bytes, String>)>>>;

#[derive(Clone, Default)]
struct EchoType(Answers);

struct Echo(Answers);

#[async_trait]
impl OutputBindingType for EchoType {
    async fn open(&self, _metadata: Metadata) -> Result<Arc<dyn OutputBinding>, Error> {
        Ok(Arc::new(Echo(self.0.clone())))
    }
}

#[async_trait]
impl InputBindingType for EchoType {
    async fn open(&self, _metadata: Metadata) -> Result<Arc<dyn InputBinding>, Error> {
        Ok(Arc::new(Echo(self.0.clone())))
    }
}

#[async_trait]
impl OutputBinding for Echo {
    async fn operations(&self, _cx: &Context) -> Result<Features, Error> {
        Ok(Features::new(["echo", "nothing"]))
    }

    async fn invoke(
        &self,
        _cx: &Context,
        request: InvokeRequest,
    ) -> Result<Option<InvokeResponse>, Error> {
        let InvokeRequest { operation, data, metadata } = request;
        let echoed = InvokeResponse { data, metadata, content_type: "text/plain".to_owned() };
        Ok((operation == "echo").then_some(echoed))
    }
}

#[async_trait]
impl InputBinding for Echo {
    async fn read(&self, _cx: &Context) -> Result<Events, Error> {
        let answers = self.0.clone();
        let arrivals = (0..3).map(move |number: usize| {
            let answers = answers.clone();
            let answerer =
                Answerer::new(move |answer| answers.lock().unwrap().push((number, answer)));
            let data = Bytes::from(number.to_string());
            Arrival { event: Event { data, ..Event::default() }, answerer }
        });
        Ok(Events::new(stream::iter(arrivals)))
    }
}

#[tokio::test]
async fn an_output_is_invoked_with_operations_that_it_has() {
    let plugin = Plugin::named("echo").output_binding(EchoType::default());
    let mut serving = Serving::start(plugin);
    let mut client = OutputBindingClient::new(serving.channel().await);
    let early = client.list_operations(to("e", pb::ListOperationsRequest {})).await.unwrap_err();
    assert_eq!(early.code(), Code::FailedPrecondition);
    client.init(to("e", pb::OutputBindingInitRequest::default())).await.unwrap();
    let listed = client.list_operations(to("e", pb::ListOperationsRequest {})).await.unwrap();
    assert_eq!(listed.into_inner().operations, ["echo", "nothing"]);
    let request = |operation: &str| pb::InvokeRequest {
        operation: operation.to_owned(),
        data: b"hi".as_slice().into(),
        metadata: [("a".to_owned(), "b".to_owned())].into(),
    };
    let answer = client.invoke(to("e", request("echo"))).await.unwrap().into_inner();
    assert_eq!((&answer.data[..], answer.metadata["a"].as_str()), (b"hi".as_slice(), "b"));
    assert_eq!(answer.content_type, "text/plain");
    let answer = client.invoke(to("e", request("nothing"))).await.unwrap().into_inner();
    assert_eq!(answer, pb::InvokeResponse::default());
    let unknown = client.invoke(to("e", request("sing"))).await.unwrap_err();
    assert_eq!(unknown.code(), Code::Unimplemented);
    serving.stop();
    serving.ended().await;
}

#[tokio::test]
async fn events_of_an_input_are_answered_in_any_order() {
    let of = EchoType::default();
    let mut serving = Serving::start(Plugin::named("echo").input_binding(of.clone()));
    let mut client = InputBindingClient::new(serving.channel().await);
    client.init(to("e", pb::InputBindingInitRequest::default())).await.unwrap();
    let (answers, requests) = mpsc::unbounded_channel();
    let mut request = tonic::Request::new(UnboundedReceiverStream::new(requests));
    request.metadata_mut().insert("x-component-instance", "e".parse().unwrap());
    let mut events = client.read(request).await.unwrap().into_inner();
    let mut ids = Vec::new();
    for number in 0..3 {
        let event = events.message().await.unwrap().unwrap();
        assert_eq!(event.data, number.to_string());
        ids.push(event.message_id);
    }
    let answer = |id: &str| pb::ReadRequest { message_id: id.to_owned(), ..Default::default() };
    let failed = Some(pb::AckResponseError { message: "no".to_owned() });
    answers.send(pb::ReadRequest { response_error: failed, ..answer(&ids[2]) }).unwrap();
    let said = b"yes".as_slice().into();
    answers.send(pb::ReadRequest { response_data: said, ..answer(&ids[0]) }).unwrap();
    // To nothing that was asked.
    answers.send(answer("unknown")).unwrap();
    answers.send(answer(&ids[1])).unwrap();
    // The component has no more events, and all are answered.
    assert!(events.message().await.unwrap().is_none());
    let given = of.0.lock().unwrap().clone();
    let said = |text: &'static str| Ok(Bytes::from_static(text.as_bytes()));
    assert_eq!(given, [(2, Err("no".to_owned())), (0, said("yes")), (1, said(""))]);
    drop(answers);
    serving.stop();
    serving.ended().await;
}
