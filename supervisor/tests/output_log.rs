//! replug's log: both ways into it, and what happens when it is stuck.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex};

use replug_supervisor::output::TARGET;
use replug_supervisor::output::log::{Format, Look, subscriber};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// A log that gathers what is written, as long as it is not stuck.
#[derive(Clone, Default)]
struct Log(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    written: String,
    stuck: bool,
}

impl Log {
    fn written(&self) -> String {
        self.0.0.lock().unwrap().written.clone()
    }

    fn set_stuck(&self, stuck: bool) {
        self.0.0.lock().unwrap().stuck = stuck;
        self.0.1.notify_all();
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (state, freed) = &*self.0;
        let mut state = freed.wait_while(state.lock().unwrap(), |state| state.stuck).unwrap();
        state.written.push_str(std::str::from_utf8(bytes).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[test]
fn replugs_events_and_plugins_lines_are_written_to_one_place_in_one_form() {
    let log = Log::default();
    let look = Look { format: Format::Json, ..Look::default() };
    let (subscriber, guard) = subscriber(log.clone(), look, EnvFilter::new("info,noisy=error"));
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(port = 7, "listening");
        tracing::info!(target: "noisy", "not wanted");
        tracing::info!(target: TARGET, plugin = "settings", generation = 2_u64, "a line");
    });
    drop(guard);
    let written = log.written();
    let mut lines: Vec<_> = written.lines().collect();
    lines.sort_unstable_by_key(|line| line.contains("a line"));
    assert_eq!(lines.len(), 2, "{written}");
    assert!(lines[0].contains(r#""message":"listening","port":7"#), "{written}");
    assert!(lines[1].contains(r#""plugin":"settings","generation":2"#), "{written}");
}

/// What is written of one event of replug's own and one line of a plugin's, the line last.
fn written(look: Look) -> (String, String) {
    let log = Log::default();
    let (subscriber, guard) = subscriber(log.clone(), look, EnvFilter::new("info,plugin=debug"));
    tracing::subscriber::with_default(subscriber, || {
        tracing::warn!(port = 7, "listening");
        let fields = r#"{"ms":20,"who":{"id":1}}"#;
        tracing::error!(target: TARGET, plugin = "p", generation = 2_u64, stream = %"stderr", fields, "slow");
        tracing::trace!(target: TARGET, plugin = "p", "not wanted");
    });
    drop(guard);
    let written = log.written();
    let mut lines: Vec<_> = written.lines().collect();
    lines.sort_unstable_by_key(|line| line.contains("slow"));
    let [own, plugins] = lines[..] else { panic!("{written}") };
    (own.to_owned(), plugins.to_owned())
}

#[test]
fn a_plugins_level_and_fields_are_in_the_log() {
    let (_, line) = written(Look::default());
    let (_, said) = line.split_once(" ERROR ").unwrap();
    assert_eq!(said, r#"plugin p.2 stderr: slow ms=20 who={"id":1}"#);
    let (_, line) = written(Look { format: Format::Json, ..Look::default() });
    let mut line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert!(line.as_object_mut().unwrap().remove("timestamp").is_some());
    let wanted = serde_json::json!({
        "level": "ERROR", "target": "plugin", "plugin": "p", "generation": 2, "stream": "stderr",
        "message": "slow", "fields": {"ms": 20, "who": {"id": 1}},
    });
    assert_eq!(line, wanted);
}

#[test]
fn the_journal_gets_priorities_and_no_times() {
    let (own, plugins) = written(Look { journald: true, ..Look::default() });
    assert_eq!(own, "<4>output_log: listening port=7");
    assert_eq!(plugins, r#"<3>plugin p.2 stderr: slow ms=20 who={"id":1}"#);
    let (own, plugins) = written(Look { journald: true, format: Format::Json, colours: false });
    assert!(own.starts_with("<4>{") && plugins.starts_with("<3>{"), "{own} {plugins}");
}

#[test]
fn a_stuck_log_holds_up_nobody_who_reports_an_event() {
    let log = Log::default();
    let (subscriber, guard) = subscriber(log.clone(), Look::default(), EnvFilter::new("info"));
    log.set_stuck(true);
    tracing::subscriber::with_default(subscriber, || {
        // More than may wait; it returns although nothing is written.
        for number in 0..20_000 {
            tracing::info!(number, "event");
        }
    });
    assert_eq!(log.written(), "");
    log.set_stuck(false);
    drop(guard);
    let written = log.written();
    assert!(written.contains("number=0"));
    assert!(!written.contains("number=19999"), "the last had no room and was dropped");
}
