//! A plugin in this process that serves Dapr's pubsub over a broker which outlives it: what is not
//! acknowledged when a life ends is delivered again by the next.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use replug_proto::dapr::components::v1 as pb;
use replug_proto::dapr::components::v1::pub_sub_server::{PubSub, PubSubServer};
use replug_runtime::plugin::{Connection, Contract, Contracts, Seat};
use replug_runtime::registry::{Offer, Registry};
use tokio::io::{copy_bidirectional, duplex};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::AbortHandle;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::codegen::BoxStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

const PIPE: usize = 64 << 10;

/// What lasts: one queue, whatever the topic.
#[derive(Debug)]
pub struct Broker {
    queue: Mutex<VecDeque<String>>,
    arrived: Notify,
    /// Everything that was acknowledged, with the error where it was not handled.
    pub answered: watch::Sender<Vec<(String, Option<String>)>>,
    /// Calls but publishing, in order.
    pub calls: Mutex<Vec<String>>,
    /// How many streams are open.
    pub streams: watch::Sender<usize>,
    /// A publish of `hang` is noted here and never answered.
    pub hanging: watch::Sender<usize>,
    /// How many messages a stream may have out.
    ahead: usize,
    /// Whether it has the call `Pause`, which is answered when nothing is out.
    pauses: bool,
    /// What it says that it can do.
    features: &'static [&'static str],
    paused: watch::Sender<bool>,
    /// How many messages are out.
    out: watch::Sender<usize>,
}

/// One stream of a life. Dropped, it has ended, and so it gives back what is not acknowledged.
struct Stream {
    broker: Arc<Broker>,
    unanswered: VecDeque<String>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        while let Some(message) = self.unanswered.pop_back() {
            self.broker.queue.lock().push_front(message);
            self.broker.arrived.notify_one();
            self.broker.out.send_modify(|out| *out -= 1);
        }
        self.broker.streams.send_modify(|streams| *streams -= 1);
    }
}

impl Broker {
    pub fn new() -> Arc<Self> {
        Self::made(1, false, &["BULK_PUBSUB"])
    }

    /// One whose streams have up to `ahead` messages out, and that can pause: it then answers when
    /// nothing is out any more.
    pub fn that_pauses(ahead: usize) -> Arc<Self> {
        Self::made(ahead, true, &["BULK_PUBSUB"])
    }

    /// One whose streams have up to `ahead` messages out, and that can do this.
    pub fn that_can(ahead: usize, features: &'static [&'static str]) -> Arc<Self> {
        Self::made(ahead, false, features)
    }

    fn made(ahead: usize, pauses: bool, features: &'static [&'static str]) -> Arc<Self> {
        Arc::new(Self {
            queue: Mutex::default(),
            arrived: Notify::new(),
            answered: watch::Sender::default(),
            calls: Mutex::default(),
            streams: watch::Sender::default(),
            hanging: watch::Sender::default(),
            ahead,
            pauses,
            features,
            paused: watch::Sender::default(),
            out: watch::Sender::default(),
        })
    }

    pub fn put(&self, message: &str) {
        self.queue.lock().push_back(message.to_owned());
        self.arrived.notify_one();
    }

    /// What nobody has.
    pub fn waiting(&self) -> Vec<String> {
        self.queue.lock().iter().cloned().collect()
    }

    async fn take(&self) -> String {
        let mut paused = self.paused.subscribe();
        loop {
            paused.wait_for(|paused| !paused).await.unwrap();
            if let Some(message) = self.queue.lock().pop_front() {
                return message;
            }
            tokio::select! {
                () = self.arrived.notified() => {}
                _ = paused.wait_for(|paused| *paused) => {}
            }
        }
    }

    /// Waits until it has been told to pause.
    pub async fn until_paused(&self) {
        self.paused.subscribe().wait_for(|paused| *paused).await.unwrap();
    }

    /// Waits until this many messages are out.
    pub async fn until_out(&self, count: usize) {
        self.out.subscribe().wait_for(|out| *out == count).await.unwrap();
    }

    /// Waits until this many streams are open.
    pub async fn until_streams(&self, count: usize) {
        self.streams.subscribe().wait_for(|streams| *streams == count).await.unwrap();
    }

    /// Waits until this many messages were answered, and gives the answers.
    pub async fn until_answered(&self, count: usize) -> Vec<(String, Option<String>)> {
        let mut answered = self.answered.subscribe();
        answered.wait_for(|answered| answered.len() >= count).await.unwrap().clone()
    }

    async fn serve_stream(
        self: Arc<Self>,
        mut acks: Streaming<pb::PullMessagesRequest>,
        out: mpsc::UnboundedSender<Result<pb::PullMessagesResponse, Status>>,
    ) {
        self.streams.send_modify(|streams| *streams += 1);
        let mut stream = Stream { broker: self.clone(), unanswered: VecDeque::new() };
        loop {
            let ack = tokio::select! {
                message = self.take(), if stream.unanswered.len() < self.ahead => {
                    let response = pb::PullMessagesResponse {
                        data: message.clone().into(),
                        topic_name: "orders".into(),
                        id: id_of(&message),
                        ..Default::default()
                    };
                    stream.unanswered.push_back(message);
                    self.out.send_modify(|out| *out += 1);
                    if out.send(Ok(response)).is_err() {
                        return;
                    }
                    continue;
                }
                ack = acks.message() => ack,
            };
            let Ok(Some(ack)) = ack else { return };
            let id = ack.ack_message_id;
            let at = stream.unanswered.iter().position(|message| id_of(message) == id);
            let message = stream.unanswered.remove(at.expect("it is out")).unwrap();
            self.out.send_modify(|out| *out -= 1);
            let error = ack.ack_error.map(|error| error.message);
            if error.is_some() {
                self.put(&message);
            }
            self.answered.send_modify(|answered| answered.push((message, error)));
        }
    }
}

fn id_of(message: &str) -> String {
    format!("id of {message}")
}

struct Served(Arc<Broker>);

#[tonic::async_trait]
impl PubSub for Served {
    async fn init(
        &self,
        request: Request<pb::PubSubInitRequest>,
    ) -> Result<Response<pb::PubSubInitResponse>, Status> {
        let properties = request.into_inner().metadata.unwrap_or_default().properties;
        self.0.calls.lock().push(format!("init {}", properties["consumerID"]));
        Ok(Response::new(pb::PubSubInitResponse {}))
    }

    async fn features(
        &self,
        _: Request<pb::FeaturesRequest>,
    ) -> Result<Response<pb::FeaturesResponse>, Status> {
        let features = self.0.features.iter().map(|&feature| feature.to_owned()).collect();
        Ok(Response::new(pb::FeaturesResponse { features }))
    }

    async fn publish(
        &self,
        request: Request<pb::PublishRequest>,
    ) -> Result<Response<pb::PublishResponse>, Status> {
        let data = String::from_utf8(request.into_inner().data.to_vec()).unwrap();
        if data == "hang" && *self.0.hanging.borrow() == 0 {
            self.0.hanging.send_modify(|hanging| *hanging += 1);
            std::future::pending::<()>().await;
        }
        self.0.put(&data);
        Ok(Response::new(pb::PublishResponse {}))
    }

    async fn bulk_publish(
        &self,
        request: Request<pb::BulkPublishRequest>,
    ) -> Result<Response<pb::BulkPublishResponse>, Status> {
        let mut failed_entries = Vec::new();
        for entry in request.into_inner().entries {
            if entry.content_type == "bad" {
                failed_entries.push(pb::BulkPublishResponseFailedEntry {
                    entry_id: entry.entry_id,
                    error: "it is bad".into(),
                });
            } else {
                self.0.put(str::from_utf8(&entry.event).unwrap());
            }
        }
        Ok(Response::new(pb::BulkPublishResponse { failed_entries }))
    }

    async fn pull_messages(
        &self,
        request: Request<Streaming<pb::PullMessagesRequest>>,
    ) -> Result<Response<BoxStream<pb::PullMessagesResponse>>, Status> {
        let mut acks = request.into_inner();
        let topic = acks.message().await?.and_then(|first| first.topic).unwrap();
        self.0.calls.lock().push(format!("pull {}", topic.name));
        let (out, messages) = mpsc::unbounded_channel();
        tokio::spawn(self.0.clone().serve_stream(acks, out));
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(messages))))
    }

    async fn pause(
        &self,
        _: Request<pb::PauseRequest>,
    ) -> Result<Response<pb::PauseResponse>, Status> {
        self.0.calls.lock().push("pause".into());
        if !self.0.pauses {
            return Err(Status::unimplemented("no pause here"));
        }
        self.0.paused.send_replace(true);
        self.0.until_out(0).await;
        Ok(Response::new(pb::PauseResponse {}))
    }
}

/// A life of the plugin, reached over a pipe.
pub struct BrokerLife {
    pub connection: Connection,
    pipe: AbortHandle,
}

impl BrokerLife {
    pub async fn begin(broker: &Arc<Broker>) -> Self {
        let (ours, mut near) = duplex(PIPE);
        let (mut far, theirs) = duplex(PIPE);
        let pipe = tokio::spawn(async move {
            copy_bidirectional(&mut near, &mut far).await.ok();
        });
        let server = Server::builder()
            .add_service(PubSubServer::new(Served(broker.clone())))
            .serve_with_incoming(tokio_stream::once(Ok::<_, std::io::Error>(theirs)));
        tokio::spawn(server);
        let connection = Connection::open(ours).await.unwrap();
        Self { connection, pipe: pipe.abort_handle() }
    }

    pub async fn attach(&self, registry: &Registry) {
        self.attach_at(registry, Seat::default()).await;
    }

    pub async fn attach_at(&self, registry: &Registry, seat: Seat) {
        let contracts = Contracts::known_among([Contract::DaprPubSub.service()]);
        let connection = self.connection.clone();
        let (plugin, socket) = ("broker".into(), "broker".into());
        let attached = registry.attach(Offer { plugin, seat, socket, contracts, connection }).await;
        assert_eq!(attached.failed, []);
    }

    /// The plugin is gone, in the middle of whatever it does.
    pub async fn kill(&self) {
        self.pipe.abort();
        self.connection.closed().wait().await;
    }
}
