//! Messages that the application has not answered when replug is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use replug_proto::dapr::runtime::v1 as pb;
use replug_proto::dapr::runtime::v1::app_callback_server::AppCallback;
use rustix::process::Signal;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tonic::{Response, Status};

use crate::rig::{Home, PATIENCE, Replug, http, post, serve_callbacks, text};

/// An application over gRPC that tells what comes, and answers when it is let.
struct Slow {
    come: mpsc::UnboundedSender<String>,
    /// One for each answer.
    answers: Arc<Semaphore>,
}

#[tonic::async_trait]
impl AppCallback for Slow {
    async fn on_topic_event(
        &self,
        request: tonic::Request<pb::TopicEventRequest>,
    ) -> Result<Response<pb::TopicEventResponse>, Status> {
        let data = String::from_utf8(request.into_inner().data.to_vec()).unwrap();
        self.come.send(data).unwrap();
        self.answers.acquire().await.unwrap().forget();
        Ok(Response::new(pb::TopicEventResponse::default()))
    }
}

/// The application, and the plan of a replug that delivers to it from the sample broker.
struct Stage {
    home: Home,
    come: mpsc::UnboundedReceiver<String>,
    answers: Arc<Semaphore>,
    _serving: JoinSet<()>,
}

impl Stage {
    async fn set() -> Self {
        let (sender, come) = mpsc::unbounded_channel();
        let answers = Arc::new(Semaphore::new(0));
        let slow = Slow { come: sender, answers: answers.clone() };
        let (port, serving) = serve_callbacks(slow).await;
        let home = Home::empty();
        home.write_plan(&format!(
            "[app]\nport = {port}\nprotocol = \"grpc\"\n\
             [plugins.post]\ncommand = [{:?}]\n\
             [components.bus]\ntype = \"pubsub.post\"\nmetadata = {{ folder = {:?} }}\n\
             [[subscriptions]]\npubsub = \"bus\"\ntopic = \"orders\"\nroute = \"/orders\"\n",
            post(),
            text(&home.path("messages")),
        ));
        Self { home, come, answers, _serving: serving }
    }

    /// A replug with these messages published, the first of which the application has.
    async fn begin(&mut self, messages: &[&str]) -> Replug {
        let mut replug = Replug::start(&self.home).await;
        let address = replug.until_usable("bus").await.address("http");
        replug.line("app is a new consumer of orders").await;
        for message in messages {
            publish(address, message).await;
        }
        assert_eq!(self.next().await, messages[0]);
        replug
    }

    async fn next(&mut self) -> String {
        tokio::time::timeout(PATIENCE, self.come.recv()).await.expect("it comes").unwrap()
    }

    /// What the next replug delivers, which is all that there is.
    async fn assert_left(mut self, messages: &[&str]) {
        self.answers.add_permits(messages.len());
        let replug = Replug::start(&self.home).await;
        for message in messages {
            assert_eq!(self.next().await, *message);
        }
        replug.stop(&self.home).await;
        assert!(self.come.is_empty(), "{:?}", self.come.recv().await);
    }
}

async fn publish(address: SocketAddr, message: &str) {
    let answer = http::request(address, "POST", "/v1.0/publish/bus/orders", message).await;
    assert_eq!(answer.status.as_u16(), 204, "{}", answer.body);
}

#[tokio::test]
async fn a_message_that_is_answered_during_the_stop_is_not_delivered_again() {
    let mut stage = Stage::set().await;
    let mut replug = stage.begin(&["1"]).await;
    replug.signal(Signal::TERM);
    replug.line("app is paused").await;
    stage.answers.add_permits(1);
    let status = replug.ended().await;
    assert!(status.success(), "{status}");
    replug.assert_nothing_left();
    stage.answers.add_permits(1);
    // What was left would come before it.
    let mut replug = Replug::start(&stage.home).await;
    let address = replug.until_usable("bus").await.address("http");
    publish(address, "2").await;
    assert_eq!(stage.next().await, "2");
    replug.stop(&stage.home).await;
    assert!(stage.come.is_empty(), "{:?}", stage.come.recv().await);
}

#[tokio::test]
async fn a_message_that_is_never_answered_holds_up_the_stop_for_the_grace_and_comes_again() {
    let mut stage = Stage::set().await;
    let mut replug = stage.begin(&["1", "2"]).await;
    let begun = Instant::now();
    replug.signal(Signal::TERM);
    replug.line("the application has not answered all that was delivered to it").await;
    let status = replug.ended().await;
    assert!(status.success(), "{status}");
    // The grace is five seconds, once.
    let took = begun.elapsed();
    assert!((5..15).contains(&took.as_secs()), "{took:?}");
    replug.assert_nothing_left();
    // The call that was cut off may take a permit as well.
    stage.answers.add_permits(1);
    stage.assert_left(&["1", "2"]).await;
}
