//! Where the screen's news comes from: a task that asks the running replug, and asks again where it
//! has gone.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use replug_proto::replug::control::v1 as pb;
use replug_proto::replug::control::v1::watch_response::What;
use replug_supervisor::control::{Client, ClientError, Events};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::rates::Look;
use super::screen::{Order, Verb};

/// News for the screen.
#[derive(Debug)]
pub(super) enum News {
    Look(Box<Look>),
    Event(Box<pb::Event>),
    /// What a plugin printed last.
    Log {
        plugin: String,
        lines: Vec<pb::LogLine>,
    },
    /// replug does not answer.
    Trouble(String),
    /// What came of an order.
    Done(String),
}

/// Events of before that are asked for, so that the pane is not empty at first.
const LAST: u32 = 200;

/// Lines of a plugin that are asked for: more than most screens have.
const LINES: u32 = 60;

/// Asks in every interval, until nobody hears the news.
///
/// `reads` is the plugin whose lines are wanted.
pub(super) async fn ask(
    control: PathBuf,
    every: Duration,
    mut reads: watch::Receiver<Option<String>>,
    news: mpsc::Sender<News>,
) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = 0;
    loop {
        ticks.tick().await;
        let Err(error) = while_there(&control, &mut ticks, &mut last, &mut reads, &news).await
        else {
            return;
        };
        if news.send(News::Trouble(error.to_string())).await.is_err() {
            return;
        }
    }
}

/// Over one connection. Ends well when nobody hears the news any more.
async fn while_there(
    control: &std::path::Path,
    ticks: &mut tokio::time::Interval,
    last: &mut u64,
    reads: &mut watch::Receiver<Option<String>>,
    news: &mpsc::Sender<News>,
) -> Result<(), ClientError> {
    let client = Client::connect(control).await?;
    let request = pb::WatchRequest { events_only: true, last: LAST, ..Default::default() };
    let mut events: Events = client.watch(request).await?;
    let mut first = true;
    loop {
        if !first {
            tokio::select! {
                _ = ticks.tick() => {}
                // An error means that the screen is gone.
                changed = reads.changed() => match changed {
                    Ok(()) => {}
                    Err(_) => return Ok(()),
                },
                event = events.next() => {
                    match event? {
                        None => return Err(ClientError::Lost("replug has ended".into())),
                        Some(What::Event(event)) if event.sequence > *last => {
                            *last = event.sequence;
                            if news.send(News::Event(Box::new(event))).await.is_err() {
                                return Ok(());
                            }
                        }
                        Some(_) => {}
                    }
                    continue;
                }
            }
        }
        first = false;
        let status = client.status().await?;
        // Numbers start anew with another replug.
        *last = (*last).min(status.sequence);
        let look = Look { at: Instant::now(), status };
        if news.send(News::Look(Box::new(look))).await.is_err() {
            return Ok(());
        }
        let read = reads.borrow_and_update().clone();
        if let Some(plugin) = read {
            let lines = lines(&client, &plugin).await?;
            if news.send(News::Log { plugin, lines }).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// What a plugin printed last; nothing where replug does not know it any more.
async fn lines(client: &Client, plugin: &str) -> Result<Vec<pb::LogLine>, ClientError> {
    let request = pb::LogsRequest {
        plugins: vec![plugin.to_owned()],
        last: Some(LINES),
        ..pb::LogsRequest::default()
    };
    let mut answer = match client.logs(request).await {
        Err(ClientError::Refused { .. }) => return Ok(Vec::new()),
        answer => answer?,
    };
    let mut lines = Vec::new();
    while let Some(line) = answer.next().await? {
        lines.push(line);
    }
    Ok(lines)
}

/// Has replug do something, and says what came of it.
pub(super) async fn give(order: Order, control: PathBuf, news: mpsc::Sender<News>) {
    let done = async {
        let client = Client::connect(&control).await?;
        match order.what {
            Verb::Start => client.start(&order.plugin).await,
            Verb::Stop => client.stop(&order.plugin).await,
            Verb::Restart | Verb::Replace => {
                let rolling = order.what == Verb::Replace;
                let restarted = client.restart(&order.plugin, rolling).await?;
                Ok(restarted.plugin.unwrap_or_default())
            }
        }
    };
    let said = match done.await {
        Ok(plugin) => {
            let state = crate::status::state_of(&plugin);
            format!("{}: {state}, generation {}", plugin.name, plugin.generation)
        }
        Err(error) => error.to_string(),
    };
    // An error means that the screen is gone.
    let _ = news.send(News::Done(said)).await;
}
