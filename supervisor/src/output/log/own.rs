//! How replug's own events look: as tracing-subscriber has them.

use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::{DefaultFields, JsonFields};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use super::journald::Prioritised;
use super::{Format, Look};

pub(super) fn layer<S, W>(writer: W, look: Look) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_writer(writer).with_ansi(look.colours);
    let format = fmt::format().with_ansi(look.colours);
    match (look.format, look.journald) {
        (Format::Text, false) => layer.boxed(),
        // The journal knows the time, and the level from the priority.
        (Format::Text, true) => layer
            .fmt_fields(DefaultFields::new())
            .event_format(Prioritised(format.without_time().with_level(false)))
            .boxed(),
        (Format::Json, false) => layer.json().flatten_event(true).boxed(),
        (Format::Json, true) => layer
            .fmt_fields(JsonFields::new())
            .event_format(Prioritised(format.json().flatten_event(true)))
            .boxed(),
    }
}
