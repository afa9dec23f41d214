//! How plugins' lines look: whose they are, then what they say, with their own fields.

use std::fmt::{self, Write as _};

use serde_json::value::RawValue;
use tracing::field::{Field, Visit};
use tracing::{Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::journald::priority;
use super::{Format, Look, TARGET};
use crate::output::legible;

/// The format of events with the target [`TARGET`].
pub(super) struct PluginLine(pub(super) Look);

/// What such an event tells.
#[derive(Debug, Default)]
struct Told {
    plugin: String,
    generation: u64,
    stream: String,
    message: String,
    /// A JSON object, or empty.
    fields: String,
}

/// The line as a JSON object.
#[derive(serde::Serialize)]
struct Object<'a> {
    timestamp: String,
    level: &'a str,
    message: &'a str,
    plugin: &'a str,
    generation: u64,
    stream: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'a RawValue>,
    target: &'a str,
}

// === impl PluginLine ===

impl<S, N> FormatEvent<S, N> for PluginLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> fmt::Result {
        let mut told = Told::default();
        event.record(&mut told);
        let level = *event.metadata().level();
        if self.0.journald {
            writer.write_str(priority(level))?;
        }
        match self.0.format {
            Format::Text => self.text(level, &told, &mut writer)?,
            Format::Json => writer.write_str(&told.object(level)?)?,
        }
        writer.write_char('\n')
    }
}

impl PluginLine {
    fn text(&self, level: Level, told: &Told, writer: &mut Writer<'_>) -> fmt::Result {
        let (dim, colour, plain) =
            if self.0.colours { ("\u{1b}[2m", colour(level), "\u{1b}[0m") } else { ("", "", "") };
        if !self.0.journald {
            writer.write_str(dim)?;
            SystemTime.format_time(writer)?;
            write!(writer, "{plain} {colour}{level:>5}{plain} ")?;
        }
        let Told { plugin, generation, stream, message, fields } = told;
        let stream = if stream == "stdout" { String::new() } else { format!(" {stream}") };
        write!(writer, "{dim}plugin{plain} {plugin}{dim}.{generation}{stream}:{plain} ")?;
        writer.write_str(&legible(message, fields))
    }
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\u{1b}[31m",
        Level::WARN => "\u{1b}[33m",
        Level::INFO => "\u{1b}[32m",
        Level::DEBUG => "\u{1b}[34m",
        Level::TRACE => "\u{1b}[35m",
    }
}

// === impl Told ===

impl Told {
    fn object(&self, level: Level) -> Result<String, fmt::Error> {
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let object = Object {
            timestamp,
            level: level.as_str(),
            message: &self.message,
            plugin: &self.plugin,
            generation: self.generation,
            stream: &self.stream,
            fields: serde_json::from_str(&self.fields).ok(),
            target: TARGET,
        };
        serde_json::to_string(&object).map_err(|_| fmt::Error)
    }
}

impl Visit for Told {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "generation" {
            self.generation = value;
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "plugin" => value.clone_into(&mut self.plugin),
            "fields" => value.clone_into(&mut self.fields),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let told = match field.name() {
            "message" => &mut self.message,
            "stream" => &mut self.stream,
            _ => return,
        };
        // Writing to a String does not fail.
        let _ = write!(told, "{value:?}");
    }
}
