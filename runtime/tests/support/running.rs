//! An application in the test's own process, with what is delivered to it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use replug_component::Context;
use replug_component::pubsub::PublishRequest;
use replug_runtime::app::{AppSettings, Application};
use replug_runtime::registry::Registry;
use replug_runtime::subscriptions::{Subscriptions, deliver};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::application::{HttpApplication, answer};
use super::spec;

const CX: Context = Context { deadline: None };

/// How long something may take that has to happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// An application with its deliveries, and what it was sent.
pub struct Running {
    pub registry: Arc<Registry>,
    pub subscriptions: Subscriptions,
    end: Option<oneshot::Sender<()>>,
    delivering: JoinSet<()>,
    _attending: JoinSet<()>,
}

impl Running {
    pub fn start(
        registry: Arc<Registry>,
        settings: AppSettings,
        subscriptions: Subscriptions,
    ) -> Self {
        let application = Application::new("shop", settings, None).unwrap();
        let mut attending = JoinSet::new();
        let watched = application.clone();
        attending.spawn(async move { match watched.attend().await {} });
        let (end, ended) = oneshot::channel::<()>();
        let mut delivering = JoinSet::new();
        let ended = async { drop(ended.await) };
        let known = subscriptions.clone();
        delivering.spawn(deliver(registry.clone(), application, known, None, ended));
        Self { registry, subscriptions, end: Some(end), delivering, _attending: attending }
    }

    /// Publishes a message. A bus in memory keeps none for who subscribes later.
    pub async fn publish(&self, topic: &str, data: &str) {
        self.publish_with(topic, data, &[("partition", "3")]).await;
    }

    /// The same with these metadata.
    pub async fn publish_with(&self, topic: &str, data: &str, metadata: &[(&str, &str)]) {
        let metadata = metadata.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let component = self.registry.pubsub("bus").unwrap();
        let component = component.slot.component(&CX).await.unwrap();
        let request = PublishRequest {
            data: data.to_owned().into(),
            pubsub_name: "bus".into(),
            topic: topic.into(),
            metadata,
            ..PublishRequest::default()
        };
        component.publish(&CX, request).await.unwrap();
    }

    pub async fn end(mut self) {
        drop(self.end.take());
        let ended = async { while self.delivering.join_next().await.is_some() {} };
        timeout(PATIENCE, ended).await.unwrap();
    }
}

pub async fn registry() -> Arc<Registry> {
    let registry = Arc::new(Registry::new("shop", ""));
    let metadata = [("subscriptionScopes", "shop=a,b,dead,raw,bulk"), ("allowedTopics", "")];
    registry.declare(spec("bus", "pubsub.in-memory", &metadata)).await.unwrap();
    registry
}

/// What came, and the way to answer it.
pub type Posts = mpsc::UnboundedReceiver<Request<Bytes>>;

/// An application that names `subscriptions`, and answers each POST by `answers`.
pub async fn http(
    subscriptions: &'static str,
    answers: impl Fn(&str, &str) -> (u16, String) + Clone + Send + Sync + 'static,
) -> (HttpApplication, Posts) {
    let (sender, posts) = mpsc::unbounded_channel();
    let application = HttpApplication::start(move |request: Request<Bytes>| {
        let (sender, answers) = (sender.clone(), answers.clone());
        async move {
            if request.method() == "POST" {
                let body = String::from_utf8_lossy(request.body()).into_owned();
                let (status, body) = answers(request.uri().path(), &body);
                sender.send(request).ok();
                return answer(status, &body);
            }
            match request.uri().path() {
                "/dapr/subscribe" => answer(200, subscriptions),
                _ => answer(404, ""),
            }
        }
    });
    (application.await, posts)
}

pub async fn next(posts: &mut Posts) -> Request<Bytes> {
    timeout(PATIENCE, posts.recv()).await.expect("something is sent").unwrap()
}

/// Publishes once every subscription is made, and gives what comes next.
pub async fn first(
    running: &Running,
    posts: &mut Posts,
    topic: &str,
    data: &str,
) -> Request<Bytes> {
    timeout(PATIENCE, running.subscriptions.settled()).await.expect("they are made");
    running.publish(topic, data).await;
    next(posts).await
}

/// The next that goes there and is about the event of this id.
pub async fn next_to(posts: &mut Posts, path: &str, id: &str) -> Request<Bytes> {
    loop {
        let post = next(posts).await;
        if post.uri().path() == path && body(&post)["id"] == id {
            return post;
        }
    }
}

pub fn body(request: &Request<Bytes>) -> Value {
    serde_json::from_slice(request.body()).unwrap()
}
