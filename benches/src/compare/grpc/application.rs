//! An application over gRPC: it answers what is asked of it by what stands in the message, and keeps
//! what it was called with.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use prost::Message;
use replug_proto::dapr::runtime::v1 as pb;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::call::framed;
use super::wire::Incoming;
use crate::Failure;

/// Calls that come again and again as the time goes by: a number of times that nobody promises.
const BY_TIME: [&str; 2] = ["OnBindingEvent", "HealthCheck"];

/// An application that listens until it is dropped.
#[derive(Debug)]
pub(in crate::compare) struct Application {
    port: u16,
    kept: Arc<Kept>,
    accepting: AbortHandle,
}

#[derive(Debug, Default)]
struct Kept {
    calls: Mutex<Vec<Received>>,
    by_time: Mutex<Vec<Received>>,
    came: Notify,
}

/// A call that it was sent.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) path: String,
    pub(super) head: HeaderMap,
    pub(super) message: Bytes,
}

/// What a call is answered with.
enum Answer {
    Message(Vec<u8>),
    Status(u8, &'static str),
}

// === impl Application ===

impl Application {
    pub(in crate::compare) async fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let kept = Arc::<Kept>::default();
        let calls = Arc::clone(&kept);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&calls)));
            }
        });
        Ok(Self { port, kept, accepting: accepting.abort_handle() })
    }

    pub(in crate::compare) fn port(&self) -> u16 {
        self.port
    }

    /// What it was called with since it was last asked.
    pub(super) fn take(&self) -> Vec<Received> {
        std::mem::take(&mut *self.kept.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What it was called with as the time went by, whatever else was done.
    pub(super) fn take_by_time(&self) -> Vec<Received> {
        std::mem::take(&mut *self.kept.by_time.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for the next call that does not come by time.
    pub(super) async fn called(&self) {
        self.kept.came.notified().await;
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Answers over one connection until it ends or breaks.
async fn serve(stream: TcpStream, kept: Arc<Kept>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let kept = Arc::clone(&kept);
        tokio::spawn(async move {
            // A call that breaks is missed by the comparison.
            let _ = attend(request, respond, &kept).await;
        });
    }
}

async fn attend(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    kept: &Kept,
) -> Result<(), Failure> {
    let (head, body) = request.into_parts();
    let message = Incoming::new(body).next().await?.map_or_else(Bytes::new, |(_, it)| it);
    let path = head.uri.path().to_owned();
    let method = path.rsplit('/').next().unwrap_or_default();
    let answer = answer(method, &message);
    let by_time = BY_TIME.contains(&method);
    let received = Received { path, head: head.headers, message };
    let list = if by_time { &kept.by_time } else { &kept.calls };
    list.lock().unwrap_or_else(PoisonError::into_inner).push(received);
    if !by_time {
        kept.came.notify_one();
    }
    let response = Response::builder().header("content-type", "application/grpc").body(())?;
    let mut stream = respond.send_response(response, false)?;
    let (code, text) = match answer {
        Answer::Message(message) => {
            stream.send_data(framed(&message).into(), false)?;
            (0, "")
        }
        Answer::Status(code, text) => (code, text),
    };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(u16::from(code)));
    if !text.is_empty() {
        trailers.insert("grpc-message", HeaderValue::from_static(text));
    }
    stream.send_trailers(trailers)?;
    Ok(())
}

/// What the application makes of a call.
fn answer(method: &str, message: &Bytes) -> Answer {
    let says = |word: &str| message.windows(word.len()).any(|window| window == word.as_bytes());
    let of = |message: &dyn Fn() -> Vec<u8>| Answer::Message(message());
    match method {
        "ListTopicSubscriptions" => of(&|| subscriptions().encode_to_vec()),
        "ListInputBindings" => of(&|| {
            let bindings = vec!["clock".to_owned(), "nobody".to_owned()];
            pb::ListInputBindingsResponse { bindings }.encode_to_vec()
        }),
        _ if says("please-fail") => Answer::Status(2, "asked to fail"),
        _ if says("please-refuse") => Answer::Status(12, "asked to refuse"),
        "OnTopicEvent" => {
            let words = [("please-retry", 1), ("please-drop", 2), ("please-nine", 9)];
            let status = words.into_iter().find(|(word, _)| says(word)).map_or(0, |(_, it)| it);
            of(&|| pb::TopicEventResponse { status }.encode_to_vec())
        }
        "OnBulkTopicEvent" => {
            let entries = pb::TopicEventBulkRequest::decode(message.clone())
                .map(|request| request.entries)
                .unwrap_or_default();
            let statuses = entries.into_iter();
            let statuses = statuses
                .map(|entry| pb::TopicEventBulkResponseEntry {
                    entry_id: entry.entry_id,
                    status: 0,
                })
                .collect();
            Answer::Message(pb::TopicEventBulkResponse { statuses }.encode_to_vec())
        }
        "OnBindingEvent" | "HealthCheck" => Answer::Message(Vec::new()),
        _ => Answer::Status(12, "unknown method"),
    }
}

/// What it subscribes to.
fn subscriptions() -> pb::ListTopicSubscriptionsResponse {
    let to = |topic: &str| pb::TopicSubscription {
        pubsub_name: "bus".to_owned(),
        topic: topic.to_owned(),
        ..pb::TopicSubscription::default()
    };
    let rules = vec![
        pb::TopicRule { r#match: "event.type == \"one\"".to_owned(), path: "/one".to_owned() },
        pb::TopicRule { r#match: String::new(), path: "/otherwise".to_owned() },
    ];
    let routes = pb::TopicRoutes { rules, default: "/default".to_owned() };
    let many = pb::BulkSubscribeConfig {
        enabled: true,
        max_messages_count: 10,
        max_await_duration_ms: 100,
    };
    let raw = [("rawPayload".to_owned(), "true".to_owned())];
    let subscriptions = vec![
        to("plain"),
        pb::TopicSubscription { metadata: raw.clone().into(), ..to("raw") },
        pb::TopicSubscription { routes: Some(routes), ..to("routed") },
        pb::TopicSubscription { dead_letter_topic: "dead".to_owned(), ..to("failing") },
        to("dead"),
        pb::TopicSubscription { bulk_subscribe: Some(many), ..to("many") },
        pb::TopicSubscription {
            bulk_subscribe: Some(many),
            metadata: raw.into(),
            ..to("many-raw")
        },
        pb::TopicSubscription { pubsub_name: "nobody".to_owned(), ..to("plain") },
    ];
    pb::ListTopicSubscriptionsResponse { subscriptions }
}
