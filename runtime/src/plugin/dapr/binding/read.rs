//! Reading a binding through all the lives of its plugin.
//!
//! There is a stream at each stage of the link: at every process of the plugin over which the
//! component is initialised. When one of them goes, its stream goes along, and what was not answered
//! there is the plugin's to bring again. A stream that ends while its process is there is opened
//! again, later each time.

use std::collections::HashMap;
use std::time::Duration;

use replug_component::binding::wire::answer_with_id;
use replug_component::binding::{Answerer, Arrival, Event, Events};
use replug_proto::dapr::components::v1 as pb;
use replug_proto::dapr::components::v1::input_binding_client::InputBindingClient;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_stream::wrappers::{ReceiverStream, UnboundedReceiverStream};
use tonic::{Status, Streaming};

use crate::plugin::link::MAX_ANSWER;
use crate::plugin::{Connection, Link};

/// How long the first pause is before a stream is opened again that its plugin has ended.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// How long the pauses become.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long a stream lives that puts an end to a row of pauses.
const STABLE: Duration = Duration::from_secs(10);

/// How long a plugin has to end a stream after the runtime has given its last answer.
const FAREWELL: Duration = Duration::from_secs(1);

/// The events of all the plugin's lives, until this is dropped. Once the link is closed there are
/// those of the streams that are open.
pub(super) fn follow(link: &Link) -> Events {
    // One is handed out at a time, and nothing is read ahead.
    let (arrivals, events) = mpsc::channel(1);
    tokio::spawn(run(link.clone(), arrivals));
    Events::new(ReceiverStream::new(events))
}

async fn run(link: Link, arrivals: mpsc::Sender<Arrival>) {
    let mut changes = link.changes();
    // By the number of the stage: dropped, the stream is to leave.
    let mut streams: HashMap<u64, watch::Sender<()>> = HashMap::new();
    let mut tasks = JoinSet::new();
    loop {
        changes.borrow_and_update();
        let Some(stages) = link.stages() else {
            // Whoever reads has been told as well, and first refuses what still comes.
            arrivals.closed().await;
            break;
        };
        streams.retain(|known, _| stages.iter().any(|stage| stage.number == *known));
        for stage in stages {
            if streams.contains_key(&stage.number) {
                continue;
            }
            let (stay, leaving) = watch::channel(());
            streams.insert(stage.number, stay);
            let (link, arrivals) = (link.clone(), arrivals.clone());
            tasks.spawn(async move {
                again_and_again(&link, &stage.connection, arrivals, leaving).await;
            });
        }
        tokio::select! {
            () = arrivals.closed() => break,
            another = changes.changed() => if another.is_err() { break },
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
        }
    }
    // What was handed out can still be answered.
    streams.clear();
    drop(arrivals);
    while tasks.join_next().await.is_some() {}
}

/// Why a stream is over.
enum Left {
    /// It was to be.
    AsTold,
    /// The plugin, or the connection to it, has ended it.
    Ended(String),
}

/// Keeps a stream open over this connection until it is to leave.
async fn again_and_again(
    link: &Link,
    connection: &Connection,
    arrivals: mpsc::Sender<Arrival>,
    mut leaving: watch::Receiver<()>,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let from = Instant::now();
        let why = match over(link, connection, &arrivals, &mut leaving).await {
            Left::AsTold => return,
            Left::Ended(_) if connection.is_closed() => return,
            Left::Ended(why) => why,
        };
        if from.elapsed() >= STABLE {
            pause = FIRST_PAUSE;
        }
        tracing::warn!(
            component = link.component(),
            "the plugin has ended the reading, which begins again in {pause:?}: {why}"
        );
        tokio::select! {
            _ = leaving.changed() => return,
            () = arrivals.closed() => return,
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
        }
    }
}

/// Reads over this connection until `leaving` is told, nobody takes events, or the plugin ends the
/// stream. Who leaves waits for the answers to what is handed out, and passes them on.
async fn over(
    link: &Link,
    connection: &Connection,
    arrivals: &mpsc::Sender<Arrival>,
    leaving: &mut watch::Receiver<()>,
) -> Left {
    let (answers, requests) = mpsc::unbounded_channel();
    let mut client =
        InputBindingClient::new(link.streams(connection)).max_decoding_message_size(MAX_ANSWER);
    let opened = tokio::select! {
        _ = leaving.changed() => return Left::AsTold,
        () = arrivals.closed() => return Left::AsTold,
        opened = client.read(UnboundedReceiverStream::new(requests)) => opened,
    };
    let mut messages = match opened {
        Ok(answer) => answer.into_inner(),
        Err(status) => return ended(&status),
    };
    // Held by every answerer.
    let (open, mut all_answered) = mpsc::channel::<()>(1);
    loop {
        let message = tokio::select! {
            _ = leaving.changed() => break,
            () = arrivals.closed() => break,
            message = messages.message() => message,
        };
        let (event, id) = match message {
            Ok(Some(message)) => Event::and_id(message),
            Ok(None) => return Left::Ended("it has no more events to send".into()),
            Err(status) => return ended(&status),
        };
        let (answers, open) = (answers.clone(), open.clone());
        let answerer = Answerer::new(move |answer| {
            // A stream that has ended takes it, and it is lost with it.
            answers.send(answer_with_id(answer, id)).ok();
            drop(open);
        });
        tokio::select! {
            // The plugin's to bring again.
            _ = leaving.changed() => break,
            sent = arrivals.send(Arrival { event, answerer }) => if sent.is_err() { break },
        }
    }
    drop((answers, open));
    let leaving = async {
        all_answered.recv().await;
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        () = leaving => {}
        () = drained(&mut messages) => {}
    }
    Left::AsTold
}

fn ended(status: &Status) -> Left {
    Left::Ended(format!("{:?}: {}", status.code(), status.message()))
}

/// Reads until the plugin has ended the stream. What still comes is the plugin's to bring again.
async fn drained(messages: &mut Streaming<pb::ReadResponse>) {
    while let Ok(Some(_)) = messages.message().await {}
}
