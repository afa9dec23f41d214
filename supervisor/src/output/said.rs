//! What a line says: its level, its message and its fields, as far as it tells them.
//!
//! A JSON object with a level, as structured loggers write, is taken apart. `<3>` at the beginning
//! of a line is a level as in sd-daemon(3). Nothing else is guessed: a line is its own message.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use tracing::Level;

use super::line::Line;
use super::text;

/// The keys, in small letters, that loggers write the level under: slog, zap, zerolog, pino, bunyan,
/// structlog and tracing `level`; Google Cloud `severity`; ECS `log.level`; Python's JSON formatters
/// `levelname`; Serilog `@l`; .NET `LogLevel`.
const LEVEL_KEYS: [&str; 7] =
    ["level", "lvl", "severity", "log.level", "levelname", "loglevel", "@l"];

/// The keys, in small letters, that loggers write the message under, the likeliest first; structlog
/// calls it `event`, Serilog `@m`.
const MESSAGE_KEYS: [&str; 4] = ["message", "msg", "event", "@m"];

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// How much it matters. A line that does not tell is [`Level::INFO`].
    pub level: Level,
    /// Fit for a log, a terminal and a status: see [`super::text`].
    pub message: String,
    /// What it tells besides, as the members of a JSON object; each value as it was printed.
    pub fields: Vec<(String, String)>,
}

// === impl Said ===

impl Said {
    /// A line that tells nothing but itself.
    fn plain(message: String) -> Self {
        Self { level: Level::INFO, message, fields: Vec::new() }
    }

    pub(super) fn by(line: &Line) -> Self {
        let bytes = line.bytes();
        // What is cut off is no JSON any more.
        if !line.is_cut()
            && bytes.first() == Some(&b'{')
            && let Some(said) = std::str::from_utf8(bytes).ok().and_then(structured)
        {
            return said;
        }
        match prefix(bytes) {
            Some((level, rest)) => {
                Self { level, ..Self::plain(text::readable_line(rest, line.is_cut())) }
            }
            None => Self::plain(line.readable()),
        }
    }

    /// The fields as a JSON object; empty where there are none.
    #[must_use]
    pub fn json_fields(&self) -> String {
        if self.fields.is_empty() {
            return String::new();
        }
        let members = self.fields.iter().map(|(name, value)| {
            let name = serde_json::Value::from(name.as_str());
            format!("{name}:{value}")
        });
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }
}

/// The message and the fields for eyes: `message key=value key="two words"`. `fields` is a JSON
/// object, or empty.
#[must_use]
pub fn legible(message: &str, fields: &str) -> String {
    let Ok(Members(members)) = serde_json::from_str(fields) else { return message.to_owned() };
    let mut legible = message.to_owned();
    for (name, value) in members {
        let value = value.get();
        // A word needs no quotes.
        let word = serde_json::from_str::<Cow<'_, str>>(value).ok().filter(|word| {
            !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || c == '"' || c == '=')
        });
        if !legible.is_empty() {
            legible.push(' ');
        }
        legible += &text::readable(name.as_bytes());
        legible.push('=');
        legible += &text::readable(word.as_deref().unwrap_or(value).as_bytes());
    }
    legible
}

/// `<3>` and what follows it.
fn prefix(bytes: &[u8]) -> Option<(Level, &[u8])> {
    match bytes {
        [b'<', digit @ b'0'..=b'7', b'>', rest @ ..] => Some((syslog(digit - b'0'), rest)),
        _ => None,
    }
}

/// The level of a syslog priority.
fn syslog(priority: u8) -> Level {
    match priority {
        0..=3 => Level::ERROR,
        4 => Level::WARN,
        5 | 6 => Level::INFO,
        _ => Level::DEBUG,
    }
}

/// A line that is a JSON object with a level.
fn structured(line: &str) -> Option<Said> {
    let Members(mut members) = serde_json::from_str(line).ok()?;
    let level = take_level(&mut members)?;
    let message =
        take(&mut members, &MESSAGE_KEYS, string).or_else(|| nested_message(&mut members));
    // The other keys stay, and a message of another kind with them.
    let message = text::readable(message.unwrap_or_default().as_bytes());
    let fields = members.into_iter().map(|(name, value)| (name.into_owned(), value.get().into()));
    Some(Said { level, message, fields: fields.collect() })
}

fn take_level(members: &mut Vec<Member<'_>>) -> Option<Level> {
    let top = take(members, &LEVEL_KEYS, |value| level(value.get()));
    // Elastic's schema also nests it: {"log": {"level": "info"}}.
    top.or_else(|| {
        let (_, log) = members.iter().find(|(name, _)| name == "log")?;
        let log: HashMap<&str, &RawValue> = serde_json::from_str(log.get()).ok()?;
        level(log.get("level")?.get())
    })
}

/// tracing puts the message among the event's fields: {"fields": {"message": ...}}.
fn nested_message(members: &mut Vec<Member<'_>>) -> Option<String> {
    let at = members.iter().position(|(name, _)| name == "fields")?;
    let Members(mut fields) = serde_json::from_str(members[at].1.get()).ok()?;
    let message = take(&mut fields, &["message"], string)?;
    members.remove(at);
    // They come where they stood, as fields among fields.
    members.splice(at..at, fields);
    Some(message)
}

/// The first of the keys whose value `read` understands; that member is taken out.
fn take<T>(
    members: &mut Vec<Member<'_>>,
    keys: &[&str],
    read: impl Fn(&RawValue) -> Option<T>,
) -> Option<T> {
    let (at, found) = keys.iter().find_map(|key| {
        members.iter().enumerate().find_map(|(at, (name, value))| {
            if name.eq_ignore_ascii_case(key) { Some((at, read(value)?)) } else { None }
        })
    })?;
    members.remove(at);
    Some(found)
}

fn string(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

/// The level that a JSON value names: a word, a priority of syslog (0 to 7), or a number as pino and
/// bunyan have them (10 to 60).
fn level(value: &str) -> Option<Level> {
    if let Ok(word) = serde_json::from_str::<Cow<'_, str>>(value) {
        return named(&word).or_else(|| numbered(word.parse().ok()?));
    }
    numbered(value.parse().ok()?)
}

fn numbered(number: u8) -> Option<Level> {
    match number {
        0..8 => Some(syslog(number)),
        10..20 => Some(Level::TRACE),
        20..30 => Some(Level::DEBUG),
        30..40 => Some(Level::INFO),
        40..50 => Some(Level::WARN),
        50..=60 => Some(Level::ERROR),
        _ => None,
    }
}

fn named(word: &str) -> Option<Level> {
    // slog writes levels between its own as `INFO+2`.
    let word = word.split(['+', '-']).next().unwrap_or(word);
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "trace" | "trc" | "verbose" => Level::TRACE,
        "debug" | "dbg" | "dbug" => Level::DEBUG,
        "info" | "inf" | "information" | "informational" | "notice" | "default" => Level::INFO,
        "warn" | "warning" | "wrn" => Level::WARN,
        "error" | "err" | "eror" | "fatal" | "ftl" | "critical" | "crit" | "alert" | "emerg"
        | "emergency" | "panic" | "dpanic" | "severe" => Level::ERROR,
        _ => return None,
    })
}

type Member<'a> = (Cow<'a, str>, &'a RawValue);

/// The members of a JSON object in their order, with their values as they were written: no number
/// is made another one.
struct Members<'a>(Vec<Member<'a>>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    members.push((Cow::Owned(name), value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(line: &str) -> Said {
        Said::by(&Line::new(line.as_bytes(), false))
    }

    #[track_caller]
    fn is(line: &str, level: Level, shown: &str) {
        let said = said(line);
        assert_eq!(said.level, level, "{line}");
        assert_eq!(legible(&said.message, &said.json_fields()), shown, "{line}");
    }

    #[test]
    fn structured_loggers_keep_their_levels_messages_and_fields() {
        // Go: slog, zap, logrus, zerolog.
        is(r#"{"time":"t","level":"WARN","msg":"slow","ms":20}"#, Level::WARN, "slow time=t ms=20");
        is(r#"{"level":"INFO+2","msg":"m"}"#, Level::INFO, "m");
        is(r#"{"level":"dpanic","ts":1.5e9,"msg":"m"}"#, Level::ERROR, "m ts=1.5e9");
        is(r#"{"level":"warning","msg":"m"}"#, Level::WARN, "m");
        is(r#"{"level":"trace","message":"m"}"#, Level::TRACE, "m");
        // Node: pino, bunyan, winston.
        is(r#"{"level":50,"pid":7,"msg":"m"}"#, Level::ERROR, "m pid=7");
        is(r#"{"name":"a b","level":20,"msg":"m","v":0}"#, Level::DEBUG, r#"m name="a b" v=0"#);
        // Python: structlog, python-json-logger.
        is(r#"{"event":"login","level":"critical"}"#, Level::ERROR, "login");
        is(r#"{"levelname":"DEBUG","message":"m"}"#, Level::DEBUG, "m");
        // Rust: tracing, flat and not.
        is(
            r#"{"level":"ERROR","fields":{"message":"m","n":1},"target":"t"}"#,
            Level::ERROR,
            "m n=1 target=t",
        );
        // Clouds: Google, Elastic, GELF; .NET and Serilog.
        is(r#"{"severity":"NOTICE","message":"m"}"#, Level::INFO, "m");
        is(r#"{"log.level":"warn","message":"m"}"#, Level::WARN, "m");
        is(
            r#"{"log":{"level":"error"},"message":"m"}"#,
            Level::ERROR,
            r#"m log={"level":"error"}"#,
        );
        is(r#"{"level":4,"message":"m"}"#, Level::WARN, "m");
        is(r#"{"LogLevel":"Information","Message":"m"}"#, Level::INFO, "m");
        is(r#"{"@l":"Fatal","@m":"m"}"#, Level::ERROR, "m");
    }

    #[test]
    fn numbers_and_nested_values_are_passed_on_as_they_were_printed() {
        let said = said(r#"{"level":"info","n":12345678901234567890123.0,"a":{"b":[1, 2]}}"#);
        assert_eq!(said.json_fields(), r#"{"n":12345678901234567890123.0,"a":{"b":[1, 2]}}"#);
        assert_eq!(said.message, "");
    }

    #[test]
    fn what_only_looks_like_it_is_a_line_of_its_own() {
        for line in [
            r#"{"msg":"no level"}"#,
            r#"{"level":"purple","msg":"m"}"#,
            r#"{"level":"info","msg":"m"} and more"#,
            r#"{"level":"info","msg":"m""#,
            r#"["level"]"#,
            "ERROR in words",
            "<8>no level",
            "<3",
            "",
        ] {
            is(line, Level::INFO, line);
        }
        let message = r#"{"level":"info","msg":7}"#;
        is(message, Level::INFO, "msg=7");
    }

    #[test]
    fn a_prefix_as_for_the_journal_is_a_level() {
        is("<3>broken", Level::ERROR, "broken");
        is("<4>", Level::WARN, "");
        is("<5>so be it", Level::INFO, "so be it");
        is("<7><3>", Level::DEBUG, "<3>");
    }

    #[test]
    fn nothing_in_json_reaches_a_terminal_as_a_command() {
        is(
            "{\"level\":\"info\",\"msg\":\"\\u001b[31mred\\u0007\",\"k\\u001b[2J\":\"\\u001b]0;t\\u0007x\"}",
            Level::INFO,
            "red\\u{7} k=x",
        );
    }

    proptest! {
        #[test]
        fn whatever_is_printed_says_something(bytes: Vec<u8>, cut: bool) {
            let said = Said::by(&Line::new(&bytes, cut));
            let shown = legible(&said.message, &said.json_fields());
            prop_assert!(shown.chars().all(|c| c == '\t' || !c.is_control()));
        }

        #[test]
        fn fields_stay_json(name: String, text: String) {
            let line = serde_json::json!({ "level": "info", name: text });
            let fields = said(&line.to_string()).json_fields();
            prop_assert!(fields.is_empty() || serde_json::from_str::<serde_json::Value>(&fields).is_ok());
        }
    }
}
