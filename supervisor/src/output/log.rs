//! replug's log, set up so that no async thread ever waits for it.
//!
//! Two ways lead to the same place. replug's own events go through a bounded queue to a thread that
//! writes; when the queue is full, because whatever reads the log is stuck, events are dropped
//! rather than waited for. Plugins' lines come from a thread that may wait (see [`super`]) and are
//! written by it, so a plugin that floods its output fills no queue and displaces no event.

mod journald;
mod own;
mod plugins;

use std::io;

use tracing_appender::non_blocking::NonBlockingBuilder;
pub use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::fmt::format::DefaultFields;
use tracing_subscriber::fmt::{FormatEvent, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, fmt};

pub use self::journald::{JOURNAL_STREAM, is_journald};
use super::TARGET;

/// replug's own events that may wait to be written.
const WAITING: usize = 4096;

/// How the log looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Look {
    /// What a line of it is.
    pub format: Format,
    /// Whether levels have colours.
    pub colours: bool,
    /// Whether it goes to the journal (see [`is_journald`]): then a line begins with its
    /// priority, as in sd-daemon(3), and text has no time, which the journal adds itself.
    pub journald: bool,
}

/// What a line of the log is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// A line of text for each event.
    #[default]
    Text,
    /// A JSON object for each event, on a line.
    Json,
}

/// The subscriber that writes replug's log to `writer`, such as `std::io::stderr`, and the guard
/// that has to live until the end of `main`: dropping it writes what waits.
///
/// `filter` is in the form of `RUST_LOG`; plugins' lines have the target [`TARGET`].
pub fn subscriber<W>(
    writer: W,
    look: Look,
    filter: EnvFilter,
) -> (impl tracing::Subscriber + Send + Sync, WorkerGuard)
where
    W: for<'a> MakeWriter<'a> + Clone + Send + Sync + 'static,
{
    let (queue, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(WAITING)
        .thread_name("replug-log")
        .finish(Each(writer.clone()));
    let own = own::layer(queue, look).with_filter(filter_fn(|event| event.target() != TARGET));
    let plugins = fmt::layer()
        .with_writer(writer)
        .with_ansi(look.colours)
        .event_format(plugins::PluginLine(look))
        .with_filter(filter_fn(|event| event.target() == TARGET));
    (Registry::default().with(own).with(plugins).with(filter), guard)
}

/// The same with every event, plugins' lines included, in a format of the caller's.
pub fn subscriber_as<W, F>(
    writer: W,
    format: F,
    filter: EnvFilter,
) -> (impl tracing::Subscriber + Send + Sync, WorkerGuard)
where
    W: for<'a> MakeWriter<'a> + Clone + Send + Sync + 'static,
    F: FormatEvent<Registry, DefaultFields> + Clone + Send + Sync + 'static,
{
    let (queue, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(WAITING)
        .thread_name("replug-log")
        .finish(Each(writer.clone()));
    let own = fmt::layer()
        .with_writer(queue)
        .with_ansi(false)
        .event_format(format.clone())
        .with_filter(filter_fn(|event| event.target() != TARGET));
    let plugins = fmt::layer()
        .with_writer(writer)
        .with_ansi(false)
        .event_format(format)
        .with_filter(filter_fn(|event| event.target() == TARGET));
    (Registry::default().with(vec![own.boxed(), plugins.boxed()]).with(filter), guard)
}

/// Writes each piece to a writer that is made for it, so that a piece is one lock and one write.
struct Each<W>(W);

impl<W: for<'a> MakeWriter<'a>> io::Write for Each<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.make_writer().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.make_writer().flush()
    }
}
