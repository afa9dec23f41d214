//! Events of an input binding that is left while the application has one of them.

mod support;

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use parking_lot::Mutex;
use replug_proto::dapr::components::v1 as pb;
use replug_proto::dapr::components::v1::input_binding_server::{InputBinding, InputBindingServer};
use replug_runtime::app::{Application, Protocol};
use replug_runtime::inputs::{End, deliver};
use replug_runtime::plugin::{Connection, Contract, Contracts, Seat};
use replug_runtime::registry::{Offer, Registry};
use tokio::io::duplex;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::codegen::BoxStream;
use tonic::transport::Server;
use tonic::{Response, Status, Streaming};

use support::application::{HttpApplication, answer, settings};
use support::running::PATIENCE;
use support::spec;

/// What a binding is told of an event that comes too late.
const CLOSED: &str = "input binding is closed";

/// The way into a stream.
type Sending = mpsc::UnboundedSender<Result<pb::ReadResponse, Status>>;

/// What a plugin sends over its streams, and hears there.
#[derive(Clone)]
struct Letters {
    /// The way to whoever reads last.
    reader: Arc<Mutex<Option<Sending>>>,
    answered: mpsc::UnboundedSender<pb::ReadRequest>,
    /// How many streams are open.
    streams: watch::Sender<usize>,
}

impl Letters {
    fn send(&self, id: &str) {
        let letter = pb::ReadResponse { message_id: id.into(), ..Default::default() };
        // Nobody reads where the stream has ended.
        if let Some(reader) = &*self.reader.lock() {
            reader.send(Ok(letter)).ok();
        }
    }

    async fn until_streams(&self, count: usize) {
        let mut streams = self.streams.subscribe();
        let there = streams.wait_for(|streams| *streams == count);
        timeout(PATIENCE, there).await.unwrap().unwrap();
    }
}

#[tonic::async_trait]
impl InputBinding for Letters {
    async fn init(
        &self,
        _: tonic::Request<pb::InputBindingInitRequest>,
    ) -> Result<Response<pb::InputBindingInitResponse>, Status> {
        Ok(Response::new(pb::InputBindingInitResponse {}))
    }

    async fn read(
        &self,
        request: tonic::Request<Streaming<pb::ReadRequest>>,
    ) -> Result<Response<BoxStream<pb::ReadResponse>>, Status> {
        let (sender, letters) = mpsc::unbounded_channel();
        *self.reader.lock() = Some(sender);
        self.streams.send_modify(|streams| *streams += 1);
        let (this, mut answers) = (self.clone(), request.into_inner());
        tokio::spawn(async move {
            while let Ok(Some(answer)) = answers.message().await {
                this.answered.send(answer).ok();
            }
            this.reader.lock().take();
            this.streams.send_modify(|streams| *streams -= 1);
        });
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(letters))))
    }

    async fn ping(
        &self,
        _: tonic::Request<pb::PingRequest>,
    ) -> Result<Response<pb::PingResponse>, Status> {
        Ok(Response::new(pb::PingResponse {}))
    }
}

/// A binding over a plugin, whose events go to an application that answers when it is told to.
struct Read {
    registry: Arc<Registry>,
    letters: Letters,
    heard: mpsc::UnboundedReceiver<pb::ReadRequest>,
    /// Those that the application was given.
    given: mpsc::UnboundedReceiver<()>,
    answer: watch::Sender<bool>,
    end: Option<oneshot::Sender<End>>,
    delivering: JoinSet<()>,
    _attending: JoinSet<()>,
    _application: HttpApplication,
}

impl Read {
    async fn start() -> Self {
        let (sender, given) = mpsc::unbounded_channel();
        let (answer_now, answers) = watch::channel(false);
        let application = HttpApplication::start(move |request: Request<Bytes>| {
            let (sender, mut answers) = (sender.clone(), answers.clone());
            async move {
                if request.method() == "POST" {
                    sender.send(()).ok();
                    answers.wait_for(|now| *now).await.unwrap();
                    return answer(200, "read");
                }
                answer(404, "")
            }
        })
        .await;
        let (answered, heard) = mpsc::unbounded_channel();
        let letters =
            Letters { reader: Arc::default(), answered, streams: watch::Sender::default() };
        let registry = Arc::new(Registry::new("shop", ""));
        let input = [("direction", "input")];
        registry.declare(spec("box", "bindings.letters", &input)).await.unwrap();
        attach(&registry, &letters).await;

        let settings = settings(application.address, Protocol::Http);
        let called = Application::new("shop", settings, None).unwrap();
        let mut attending = JoinSet::new();
        let watched = called.clone();
        attending.spawn(async move { match watched.attend().await {} });
        let (end, ended) = oneshot::channel::<End>();
        let mut delivering = JoinSet::new();
        let ended = async { ended.await.unwrap_or(End::ForGood) };
        delivering.spawn(deliver(registry.clone(), called, None, ended));
        letters.until_streams(1).await;
        Self {
            registry,
            letters,
            heard,
            given,
            answer: answer_now,
            end: Some(end),
            delivering,
            _attending: attending,
            _application: application,
        }
    }

    async fn given(&mut self) {
        timeout(PATIENCE, self.given.recv()).await.unwrap().unwrap();
    }

    /// The next answer: its letter's id, what it says, and the error.
    async fn heard(&mut self) -> (String, Bytes, Option<String>) {
        let answer = timeout(PATIENCE, self.heard.recv()).await.unwrap().unwrap();
        let error = answer.response_error.map(|error| error.message);
        (answer.message_id, answer.response_data, error)
    }

    /// What comes while the application has the first is refused, and so is what comes right after
    /// its answer, which is passed on.
    async fn is_refused_until_all_is_answered(&mut self) {
        let refused = |id: &str| (id.to_owned(), Bytes::new(), Some(CLOSED.to_owned()));
        self.letters.send("2");
        assert_eq!(self.heard().await, refused("2"));
        self.answer.send_replace(true);
        assert_eq!(self.heard().await, ("1".to_owned(), Bytes::from("read"), None));
        self.letters.send("3");
        assert_eq!(self.heard().await, refused("3"));
    }

    async fn end(mut self) {
        drop(self.end.take());
        self.all_delivered().await;
    }

    async fn all_delivered(&mut self) {
        let ended = async { while self.delivering.join_next().await.is_some() {} };
        timeout(PATIENCE, ended).await.unwrap();
    }
}

async fn attach(registry: &Registry, letters: &Letters) {
    let (ours, theirs) = duplex(64 << 10);
    let server = Server::builder()
        .add_service(InputBindingServer::new(letters.clone()))
        .serve_with_incoming(tokio_stream::once(Ok::<_, std::io::Error>(theirs)));
    tokio::spawn(server);
    let connection = Connection::open(ours).await.unwrap();
    let contracts = Contracts::known_among([Contract::DaprInputBinding.service()]);
    let (plugin, socket) = ("letters".into(), "letters".into());
    let offer = Offer { plugin, seat: Seat::default(), socket, contracts, connection };
    assert_eq!(registry.attach(offer).await.failed, []);
}

#[tokio::test]
async fn a_binding_that_is_taken_out_is_told_the_answer_and_that_it_is_closed() {
    let mut read = Read::start().await;
    read.letters.send("1");
    read.given().await;
    assert!(read.registry.undeclare("box", "it is taken out"));
    read.is_refused_until_all_is_answered().await;
    read.letters.until_streams(0).await;
    read.letters.send("4");
    assert!(read.given.is_empty(), "nothing is delivered after the removal");
    assert!(read.heard.is_empty());
    read.end().await;
}

#[tokio::test]
async fn a_binding_is_told_the_answer_and_that_it_is_closed_when_everything_ends() {
    let mut read = Read::start().await;
    read.letters.send("1");
    read.given().await;
    drop(read.end.take());
    read.is_refused_until_all_is_answered().await;
    read.all_delivered().await;
    assert!(read.given.is_empty());
}

#[tokio::test]
async fn a_binding_that_waits_for_no_answer_is_left_at_once() {
    let read = Read::start().await;
    assert!(read.registry.undeclare("box", "it is taken out"));
    read.letters.until_streams(0).await;
    read.end().await;
}

#[tokio::test]
async fn what_a_binding_sends_while_it_is_handed_over_is_left_to_whoever_comes() {
    let mut read = Read::start().await;
    read.letters.send("1");
    read.given().await;
    read.end.take().unwrap().send(End::HandedOver).unwrap();
    read.letters.send("2");
    read.answer.send_replace(true);
    assert_eq!(read.heard().await, ("1".to_owned(), Bytes::from("read"), None));
    read.letters.until_streams(0).await;
    read.all_delivered().await;
    assert!(read.heard.is_empty() && read.given.is_empty());
}
