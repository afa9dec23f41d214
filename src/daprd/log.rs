//! daprd's log: a line of `key=value` for each event, or a JSON object.

use std::fmt::{self, Write as _};
use std::time::SystemTime;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The field that says of an event that it is why the process ends.
const FATAL: &str = "fatal";

/// The scope of what daprd itself says, as the target of an event.
pub(crate) const SCOPE: &str = "dapr.runtime";

/// How a line looks.
#[derive(Debug, Clone)]
pub(super) struct DaprdLine {
    pub(super) json: bool,
    pub(super) app_id: String,
    pub(super) instance: String,
    pub(super) version: &'static str,
}

/// What an event tells.
#[derive(Default)]
struct Told {
    message: String,
    fatal: bool,
    fields: Map<String, Value>,
}

impl<S, N> FormatEvent<S, N> for DaprdLine
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
        let level = match *event.metadata().level() {
            _ if told.fatal => "fatal",
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            Level::DEBUG | Level::TRACE => "debug",
        };
        let time = humantime::format_rfc3339_nanos(SystemTime::now()).to_string();
        let mut fields = told.fields;
        for (name, value) in [
            ("app_id", self.app_id.as_str()),
            ("instance", &self.instance),
            ("scope", &scope(event.metadata().target())),
            ("type", "log"),
            ("ver", self.version),
        ] {
            fields.insert(name.to_owned(), value.into());
        }
        if self.json {
            for (name, value) in [("level", level), ("msg", &told.message), ("time", &time)] {
                fields.insert(name.to_owned(), value.into());
            }
            let sorted: std::collections::BTreeMap<_, _> = fields.into_iter().collect();
            let line = serde_json::to_string(&sorted).map_err(|_| fmt::Error)?;
            return writeln!(writer, "{line}");
        }
        write!(writer, "time={time:?} level={level} msg={}", quoted(&told.message))?;
        let sorted: std::collections::BTreeMap<_, _> = fields.into_iter().collect();
        for (name, value) in sorted {
            let text = match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
            write!(writer, " {name}={}", quoted(&text))?;
        }
        writer.write_char('\n')
    }
}

/// The scope that an event's target stands for.
fn scope(target: &str) -> String {
    if target.starts_with("dapr") {
        return target.to_owned();
    }
    match target.strip_prefix("replug_") {
        Some(rest) => format!("replug.{}", rest.replace("::", ".")),
        None if target == "plugin" => "replug.plugin".to_owned(),
        None => target.replace("::", "."),
    }
}

/// The text, in quotes where it is not plain.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._/@^+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => {
                // Writing to a String does not fail.
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

impl Told {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        let value = value.into();
        match field.name() {
            FATAL => self.fatal = true,
            "message" => value.as_str().unwrap_or_default().clone_into(&mut self.message),
            name => {
                self.fields.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Told {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_quoted_unless_it_is_plain() {
        assert_eq!(quoted("dapr.runtime"), "dapr.runtime");
        assert_eq!(quoted("1.18.3"), "1.18.3");
        assert_eq!(quoted("a b \"c\""), r#""a b \"c\"""#);
        assert_eq!(quoted(""), "\"\"");
        assert_eq!(quoted("a\nb"), "\"a\\nb\"");
    }

    #[test]
    fn scopes_of_daprs_own_are_kept() {
        assert_eq!(scope("dapr.runtime.http-info"), "dapr.runtime.http-info");
        assert_eq!(scope("replug_supervisor::plugin"), "replug.supervisor.plugin");
    }
}
