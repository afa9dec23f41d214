//! A plugin that speaks HTTP/2 by hand, so that a test decides what it does with each call.
#![allow(dead_code)] // Each test file uses a part of it.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use h2::server::{Connection as Server, SendResponse};
use h2::{RecvStream, SendStream, server};
use http::{HeaderMap, HeaderName, Request, Response};
use prost::Message;
use replug_proto::dapr::components::v1 as pb;
use replug_runtime::plugin::{Connection, Contract, Contracts, Seat};
use replug_runtime::registry::{Offer, Registry};
use tokio::io::{DuplexStream, duplex};
use tokio::task::JoinHandle;

/// What fits between the two sides before one has to wait.
const PIPE: usize = 64 << 10;

/// A life of the plugin, before its component is initialised or after.
pub struct Raw {
    server: Server<DuplexStream, Bytes>,
    /// Calls that came while something else was waited for.
    early: VecDeque<Call>,
    /// The runtime's end.
    pub connection: Connection,
}

/// A call that waits to be answered.
pub struct Call {
    pub request: Request<RecvStream>,
    pub respond: SendResponse<Bytes>,
}

/// A life whose connection is driven by a task; dropped, it is killed.
pub struct Driven(JoinHandle<()>);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Raw {
    /// Its side of the connection is set by `window`: bytes that replug may send on a stream.
    pub async fn begin(window: u32) -> Self {
        let (ours, theirs) = duplex(PIPE);
        let connection = Connection::open(ours).await.unwrap();
        let mut builder = server::Builder::new();
        builder.initial_window_size(window);
        let server = builder.handshake(theirs).await.unwrap();
        Self { server, early: VecDeque::new(), connection }
    }

    /// Takes the component's initialisation and answers it. Callers that waited for that may come
    /// before it is over.
    pub async fn attach(&mut self, registry: &Arc<Registry>) {
        self.attach_as(registry, Contract::DaprState).await;
    }

    /// The same as a plugin of another contract.
    pub async fn attach_as(&mut self, registry: &Arc<Registry>, contract: Contract) {
        let contracts = Contracts::known_among([contract.service()]);
        let (plugin, socket) = ("raw".into(), "plug".into());
        let connection = self.connection.clone();
        let seat = Seat::default();
        let registry = registry.clone();
        let offer = Offer { plugin, seat, socket, contracts, connection };
        let mut attached = tokio::spawn(async move { registry.attach(offer).await });
        loop {
            tokio::select! {
                attached = &mut attached => {
                    let attached = attached.unwrap();
                    assert!(attached.failed.is_empty(), "{attached:?}");
                    return;
                }
                call = self.server.accept() => {
                    let (request, respond) = call.unwrap().unwrap();
                    let call = Call { request, respond };
                    match call.method() {
                        "Init" => call.answer(&pb::InitResponse::default()),
                        "Features" => call.answer(&pb::FeaturesResponse::default()),
                        "ListOperations" => {
                            let operations = vec!["create".to_owned()];
                            call.answer(&pb::ListOperationsResponse { operations });
                        }
                        _ => self.early.push_back(call),
                    }
                }
            }
        }
    }

    /// Is initialised up to the call of that name, and dies of it.
    pub async fn die_of(mut self, registry: &Arc<Registry>, method: &str) {
        let contracts = Contracts::known_among([Contract::DaprState.service()]);
        let (plugin, socket) = ("raw".into(), "plug".into());
        let connection = self.connection.clone();
        let registry = registry.clone();
        let offer = Offer { plugin, seat: Seat::default(), socket, contracts, connection };
        let attached = tokio::spawn(async move { registry.attach(offer).await });
        loop {
            let call = self.call().await;
            if call.method() == method {
                drop((call, self));
                break;
            }
            call.answer(&pb::InitResponse::default());
        }
        attached.await.unwrap();
    }

    /// The next call.
    pub async fn call(&mut self) -> Call {
        if let Some(call) = self.early.pop_front() {
            return call;
        }
        let (request, respond) = self.server.accept().await.unwrap().unwrap();
        Call { request, respond }
    }

    /// Sends and takes what there is, until `done`.
    pub async fn until<T>(&mut self, done: impl Future<Output = T>) -> T {
        let mut done = pin!(done);
        loop {
            tokio::select! {
                done = &mut done => return done,
                call = self.server.accept() => {
                    let (request, respond) = call.expect("the connection lives").unwrap();
                    self.early.push_back(Call { request, respond });
                }
            }
        }
    }

    /// Tells replug to go, calls that have come being answered still.
    pub fn go_away(&mut self) {
        self.server.graceful_shutdown();
    }

    /// Goes on by itself and answers every read with `data`.
    pub fn answering(self, data: &'static str) -> Driven {
        Driven(tokio::spawn(self.answer_all(data.into())))
    }

    /// Answers every read with `data`, and every write, until the connection ends.
    pub async fn answer_all(mut self, data: Bytes) {
        loop {
            let call = match self.early.pop_front() {
                Some(call) => call,
                None => match self.server.accept().await {
                    Some(Ok((request, respond))) => Call { request, respond },
                    _ => return,
                },
            };
            match call.method() {
                "Get" if call.request.uri().path().contains("SecretStore") => {
                    let text = String::from_utf8(data.to_vec()).unwrap();
                    let data = [("k".to_owned(), text)].into();
                    call.answer(&pb::GetSecretResponse { data });
                }
                "Publish" => call.answer(&pb::PublishResponse::default()),
                "Invoke" => {
                    let data = data.clone();
                    call.answer(&pb::InvokeResponse { data, ..pb::InvokeResponse::default() });
                }
                "Get" => {
                    let data = data.clone();
                    call.answer(&pb::GetResponse { data, ..pb::GetResponse::default() });
                }
                "Set" => call.answer(&pb::SetResponse::default()),
                other => panic!("{other}"),
            }
        }
    }
}

impl Call {
    pub fn method(&self) -> &str {
        self.request.uri().path().rsplit('/').next().unwrap_or_default()
    }

    /// Reads the request to its end.
    pub async fn read(&mut self) -> Bytes {
        let mut all = Vec::new();
        let body = self.request.body_mut();
        while let Some(piece) = body.data().await {
            let piece = piece.unwrap();
            body.flow_control().release_capacity(piece.len()).unwrap();
            all.extend_from_slice(&piece);
        }
        all.into()
    }

    /// Sends the head of an answer.
    pub fn head(&mut self) -> SendStream<Bytes> {
        self.respond.send_response(Response::new(()), false).unwrap()
    }

    /// Answers as a plugin does.
    pub fn answer(mut self, message: &impl Message) {
        let mut body = self.head();
        body.send_data(framed(message), false).unwrap();
        body.send_trailers(status(0)).unwrap();
    }

    /// A status and nothing else.
    pub fn trailers_only(mut self, code: i32) {
        let mut head = Response::new(());
        *head.headers_mut() = status(code);
        self.respond.send_response(head, true).unwrap();
    }
}

/// A message with its prefix.
pub fn framed(message: &impl Message) -> Bytes {
    let message = message.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0][..], &length, &message].concat().into()
}

/// The trailers that end a call.
pub fn status(code: i32) -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), code.into())])
}
