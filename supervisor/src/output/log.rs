//! replug's log, set up so that no async thread ever waits for it.
//!
//! Two ways lead to the same place. replug's own events go through a bounded queue to a thread that
//! writes; when the queue is full, because whatever reads the log is stuck, events are dropped
//! rather than waited for. Plugins' lines come from a thread that may wait (see [`super`]) and are
//! written by it, so a plugin that floods its output fills no queue and displaces no event.

use std::io;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, fmt};

use super::TARGET;

/// replug's own events that may wait to be written.
const WAITING: usize = 4096;

/// How the log looks.
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
    format: Format,
    colours: bool,
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
    let own =
        layer(queue, format, colours).with_filter(filter_fn(|event| event.target() != TARGET));
    let plugins =
        layer(writer, format, colours).with_filter(filter_fn(|event| event.target() == TARGET));
    (Registry::default().with(own).with(plugins).with(filter), guard)
}

fn layer<S, W>(writer: W, format: Format, colours: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_writer(writer).with_ansi(colours);
    match format {
        Format::Text => layer.boxed(),
        Format::Json => layer.json().flatten_event(true).boxed(),
    }
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
