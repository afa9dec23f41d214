//! Many messages, published while the pubsub plugin and the application are killed at random: each
//! that was acknowledged is delivered at least once.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use replug_proto::dapr::runtime::v1::PublishEventRequest;
use replug_proto::dapr::runtime::v1::dapr_client::DaprClient;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tonic::transport::{Channel, Endpoint};

use crate::rig::{Home, Process, Replug, post, text};

/// How many messages there are, unless this variable says otherwise.
const MESSAGES_VARIABLE: &str = "REPLUG_DELIVERIES";
const MESSAGES: u64 = 10_000;

/// How many publish at a time, each one message after the other.
const PUBLISHERS: usize = 8;

/// Topics, each of which is read by itself.
const TOPICS: u64 = 4;

/// The longest time between two kills.
const LONGEST_PEACE: Duration = Duration::from_millis(400);

/// The longest time that the application is away.
const LONGEST_ABSENCE: Duration = Duration::from_millis(100);

/// How long all of it may take for each thousand messages, and at the least.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the application has been given, by the message's text.
type Seen = Mutex<HashMap<String, Vec<Given>>>;

/// One delivery of a message.
struct Given {
    /// Which message of its topic the broker calls it.
    number: String,
    /// The CloudEvent's id.
    id: String,
    /// Which life of the application got it.
    life: u64,
}

/// Why messages came more than once: each delivery after the first has one cause.
#[derive(Debug, Default)]
struct Repeated {
    /// The broker has the event twice: its publish was sent again, as the plugin was killed before it
    /// had answered.
    published: usize,
    /// The application was killed in between: its answer may have been lost.
    application: usize,
    /// It lived on: its answer has not reached the broker, which was killed.
    plugin: usize,
}

/// An application that can be killed: what it is about to answer is lost with it.
struct Killable {
    address: SocketAddr,
    life: u64,
    seen: Arc<Seen>,
    serving: JoinSet<()>,
}

// === impl Killable ===

impl Killable {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut application =
            Self { address, life: 0, seen: Arc::default(), serving: JoinSet::new() };
        application.serve(listener);
        application
    }

    fn serve(&mut self, listener: TcpListener) {
        let (seen, life) = (self.seen.clone(), self.life);
        self.serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let seen = seen.clone();
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(request, life, seen.clone()));
                    let server = Builder::new(TokioExecutor::new());
                    // Whoever calls may hang up.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
    }

    /// Ends it with all its connections, and begins again where it was.
    async fn restart(&mut self, after: Duration) {
        self.serving.shutdown().await;
        self.life += 1;
        // The randomness of the storm, no waiting for something.
        sleep(after).await;
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serve(listener);
    }
}

async fn answer(
    request: Request<Incoming>,
    life: u64,
    seen: Arc<Seen>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    if head.method != "POST" {
        let mut answer = Response::new(Full::default());
        *answer.status_mut() = hyper::StatusCode::NOT_FOUND;
        return Ok(answer);
    }
    // Whoever sends may be cut off.
    if let Ok(body) = body.collect().await
        && let Ok(event) = serde_json::from_slice::<serde_json::Value>(&body.to_bytes())
    {
        let message = event["data"].as_str().unwrap().to_owned();
        let number = head.headers["number"].to_str().unwrap().to_owned();
        let id = event["id"].as_str().unwrap().to_owned();
        seen.lock().unwrap().entry(message).or_default().push(Given { number, id, life });
    }
    Ok(Response::new(Full::default()))
}

// === impl Repeated ===

impl Repeated {
    /// Counts what came after the first of these deliveries, all of one message.
    fn count(&mut self, deliveries: &[Given]) {
        let mut lives = HashMap::new();
        for (before, given) in deliveries.iter().enumerate() {
            assert_eq!(
                given.id, deliveries[0].id,
                "a message is one event, however often it comes"
            );
            match lives.insert(&given.number, given.life) {
                None if before == 0 => {}
                None => self.published += 1,
                Some(life) if life != given.life => self.application += 1,
                Some(_) => self.plugin += 1,
            }
        }
    }
}

/// Publishes until enough are acknowledged, and gives what was.
async fn publish(mut dapr: DaprClient<Channel>, left: Arc<AtomicU64>) -> (Vec<String>, u64) {
    let (mut acknowledged, mut refused) = (Vec::new(), 0);
    loop {
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |it| it.checked_sub(1));
        let Ok(number) = taken else { return (acknowledged, refused) };
        let topic = format!("storm-{}", number % TOPICS);
        for attempt in 0.. {
            // A message that was not acknowledged may be there all the same, so the next is another.
            let message = format!("{number}.{attempt}");
            let request = PublishEventRequest {
                pubsub_name: "bus".into(),
                topic: topic.clone(),
                data: message.clone().into_bytes().into(),
                data_content_type: "text/plain".into(),
                ..PublishEventRequest::default()
            };
            match dapr.publish_event(request).await {
                Ok(_) => {
                    acknowledged.push(message);
                    break;
                }
                Err(_) => refused += 1,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_message_is_delivered_while_plugin_and_application_are_killed() {
    let messages = std::env::var(MESSAGES_VARIABLE).map_or(MESSAGES, |it| it.parse().unwrap());
    let patience = PATIENCE * u32::try_from(messages / 1000 + 6).unwrap();
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut application = Killable::start().await;
    let home = Home::empty();
    let mut plan = format!(
        "[app]\n\
         port = {}\n\
         [plugins.post]\n\
         command = [{:?}]\n\
         backoff = {{ initial = \"1ms\", max = \"5ms\" }}\n\
         [components.bus]\n\
         type = \"pubsub.post\"\n\
         metadata = {{ folder = {:?} }}\n\
         hold = \"30s\"\n",
        application.address.port(),
        post(),
        text(&home.path("messages")),
    );
    for topic in 0..TOPICS {
        let topic = format!("pubsub = \"bus\"\ntopic = \"storm-{topic}\"\nroute = \"/storm\"\n");
        plan.push_str("[[subscriptions]]\n");
        plan.push_str(&topic);
    }
    home.write_plan(&plan);
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("bus").await;
    for topic in 0..TOPICS {
        replug.line(&format!("app is a new consumer of storm-{topic}")).await;
    }

    let begun = Instant::now();
    let left = Arc::new(AtomicU64::new(messages));
    let mut publishing = JoinSet::new();
    for _ in 0..PUBLISHERS {
        let endpoint = Endpoint::from_shared(format!("http://{}", status.address("grpc"))).unwrap();
        publishing.spawn(publish(DaprClient::new(endpoint.connect_lazy()), left.clone()));
    }
    let (mut acknowledged, mut refused) = (Vec::new(), 0);
    let (mut plugin_kills, mut application_kills) = (0, 0);
    // As long as anything is under way, somebody is killed.
    loop {
        while let Some(done) = publishing.try_join_next() {
            let (published, failed) = done.unwrap();
            acknowledged.extend(published);
            refused += failed;
        }
        let missing = |seen: &Seen| {
            let times = seen.lock().unwrap();
            acknowledged.iter().filter(|message| !times.contains_key(*message)).count()
        };
        if publishing.is_empty() && missing(&application.seen) == 0 {
            break;
        }
        assert!(
            begun.elapsed() < patience,
            "{} acknowledged messages are missing after {patience:?}\n{}",
            missing(&application.seen),
            replug.log()
        );
        // The randomness of the storm, no waiting for something.
        sleep(LONGEST_PEACE.mul_f64(random.f64())).await;
        if random.bool() {
            application_kills += 1;
            application.restart(LONGEST_ABSENCE.mul_f64(random.f64())).await;
        } else if let Some(status) = replug.status_now().await
            && let Some(pid) = status.plugin("post").and_then(|plugin| plugin.pid)
            && let Some(process) = Process::find(pid)
        {
            plugin_kills += 1;
            process.kill();
        }
    }
    let took = begun.elapsed();
    assert_eq!(acknowledged.len() as u64, messages);
    let mut repeated = Repeated::default();
    let (delivered, twice, unacknowledged) = {
        let given = application.seen.lock().unwrap();
        given.values().for_each(|deliveries| repeated.count(deliveries));
        let delivered: usize = given.values().map(Vec::len).sum();
        let twice = given.values().filter(|deliveries| deliveries.len() > 1).count();
        (delivered, twice, given.len() - acknowledged.len())
    };
    eprintln!(
        "{messages} messages in {took:.1?}: {plugin_kills} kills of the plugin, \
         {application_kills} of the application; {delivered} deliveries, {twice} messages came more \
         than once, {refused} publishes were not acknowledged, {unacknowledged} of which came; \
         repeated: {repeated:?}"
    );
    assert!(plugin_kills > 0 && application_kills > 0, "there was no storm");
    replug.stop(&home).await;
}
