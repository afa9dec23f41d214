//! `replug top`: the plugins on the whole screen, live.

mod rates;
mod screen;
mod source;
#[cfg(test)]
mod tests;
mod view;

use std::io;

use crossterm::event::{Event, EventStream, KeyEventKind};
use futures_util::StreamExt as _;
use ratatui::backend::TestBackend;
use ratatui::{DefaultTerminal, Terminal};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use self::screen::{Screen, Wish};
use self::source::News;
use crate::block_on;
use crate::cli::TopArgs;
use crate::exit::Failure;
use crate::status::{connect, control_socket};
use crate::stdout;

/// The size of the screen that `--once` writes, unless `COLUMNS` and `LINES` say another.
const USUAL_SIZE: (u16, u16) = (80, 24);

/// News that may wait for the screen.
const WAITING: usize = 64;

/// Shows the screen until the user has seen enough.
pub(crate) fn top(args: &TopArgs) -> Result<(), Failure> {
    block_on(async {
        // First, so that an error is a line and no screen comes up.
        drop(connect(&args.control).await?);
        let control = control_socket(&args.control)?;
        let (sender, mut news) = mpsc::channel(WAITING);
        let mut tasks = JoinSet::new();
        let (reads, read) = watch::channel(None);
        tasks.spawn(source::ask(control.clone(), args.interval, read, sender.clone()));
        if args.once {
            return once(&mut news).await;
        }
        // Sets a panic hook too that gives the terminal back first.
        let mut terminal = ratatui::try_init()
            .map_err(|error| Failure::failed(format!("cannot use the terminal: {error}")))?;
        let give = |order, tasks: &mut JoinSet<()>| {
            tasks.spawn(source::give(order, control.clone(), sender.clone()));
        };
        let shown = show(&mut terminal, &mut news, &reads, &mut tasks, give).await;
        ratatui::restore();
        shown.map_err(Failure::failed)
    })
}

async fn show(
    terminal: &mut DefaultTerminal,
    news: &mut mpsc::Receiver<News>,
    reads: &watch::Sender<Option<String>>,
    tasks: &mut JoinSet<()>,
    give: impl Fn(screen::Order, &mut JoinSet<()>),
) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut keys = EventStream::new();
    let mut screen = Screen::default();
    loop {
        terminal.draw(|frame| view::draw(&screen, frame))?;
        reads.send_if_modified(|reads| {
            let other = reads.as_deref() != screen.reads();
            if other {
                *reads = screen.reads().map(str::to_owned);
            }
            other
        });
        tokio::select! {
            Some(heard) = news.recv() => {
                take(&mut screen, heard);
                // What came with it is drawn with it.
                while let Ok(heard) = news.try_recv() {
                    take(&mut screen, heard);
                }
            }
            event = keys.next() => match event {
                Some(Ok(Event::Key(key))) if key.kind != KeyEventKind::Release => {
                    match screen.press(key) {
                        Wish::Quit => return Ok(()),
                        Wish::Do(order) => give(order, tasks),
                        Wish::Nothing => {}
                    }
                }
                // Another size, which the next drawing takes in.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            },
            _ = terminate.recv() => return Ok(()),
            _ = hang_up.recv() => return Ok(()),
        }
    }
}

fn take(screen: &mut Screen, news: News) {
    match news {
        News::Look(look) => screen.see(*look),
        News::Event(event) => screen.hear(*event),
        News::Log { plugin, lines } => screen.read(plugin, lines),
        News::Trouble(trouble) => screen.trouble = Some(trouble),
        News::Done(said) => screen.note = Some(said),
    }
}

/// Two looks, since a rate takes two; then what the screen would show.
async fn once(news: &mut mpsc::Receiver<News>) -> Result<(), Failure> {
    let mut screen = Screen::default();
    let mut looks = 0;
    while looks < 2 {
        match news.recv().await {
            Some(News::Trouble(trouble)) => return Err(Failure::not_running(trouble)),
            Some(heard) => {
                looks += u8::from(matches!(heard, News::Look(_)));
                take(&mut screen, heard);
            }
            None => return Err(Failure::not_running("replug has ended")),
        }
    }
    let from = |name: &str, usual| {
        let told = std::env::var(name).ok().and_then(|value| value.parse().ok());
        told.filter(|size| *size > 0).unwrap_or(usual)
    };
    let (columns, lines) = (from("COLUMNS", USUAL_SIZE.0), from("LINES", USUAL_SIZE.1));
    stdout::write(drawn(&screen, columns, lines).map_err(Failure::failed)?.as_bytes())
}

/// The screen as text, without spaces at the ends of lines.
fn drawn(screen: &Screen, columns: u16, lines: u16) -> io::Result<String> {
    let mut terminal = Terminal::new(TestBackend::new(columns, lines)).map_err(io::Error::other)?;
    terminal.draw(|frame| view::draw(screen, frame)).map_err(io::Error::other)?;
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for line in buffer.content().chunks(usize::from(columns)) {
        let line: String = line.iter().map(ratatui::buffer::Cell::symbol).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    Ok(text)
}
