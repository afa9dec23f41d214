//! Lines for programs: a JSON object each.

use std::io;

use replug_proto::replug::control::v1 as pb;
use replug_proto::replug::control::v1::log_line::{Level, Stream};
use serde::Serialize;
use serde_json::value::RawValue;

use super::at;

#[derive(Serialize)]
struct Line<'a> {
    at: String,
    plugin: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    instance: u64,
    generation: u64,
    number: u64,
    stream: &'static str,
    level: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "is_zero")]
    missed: u64,
}

/// Writes the line as one JSON object.
pub(super) fn write(line: &pb::LogLine, out: &mut impl io::Write) -> io::Result<()> {
    let shown = Line {
        at: humantime::format_rfc3339_micros(at(line)).to_string(),
        plugin: &line.plugin,
        instance: line.instance.into(),
        generation: line.generation,
        number: line.number,
        stream: if line.stream() == Stream::Stderr { "stderr" } else { "stdout" },
        level: match line.level() {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info | Level::Unspecified => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        },
        message: &line.message,
        fields: serde_json::from_str(&line.fields).ok(),
        missed: line.missed,
    };
    serde_json::to_writer(&mut *out, &shown)?;
    writeln!(out)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
