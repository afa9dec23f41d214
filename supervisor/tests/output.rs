//! What real processes print, from their pipes to the tracing events and the status.

mod support;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use replug_supervisor::output::{KEPT_LINES, LONGEST_LINE, Output, PluginLog, Source, TARGET};
use replug_supervisor::process::{Exit, Process, Signal, Spawner};
use support::{Pidfd, shell, spawner};
use tokio::sync::watch;
use tracing::field::{Field, Visit};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

/// Gathers the events of each plugin, for all tests of this program.
#[derive(Default)]
struct Gatherer {
    plugins: Mutex<HashMap<String, watch::Sender<Gathered>>>,
    /// Whether the log of the plugin `stuck` takes lines.
    stuck: Mutex<bool>,
    freed: Condvar,
}

#[derive(Default, Clone)]
struct Gathered {
    lines: u64,
    bytes: u64,
    last: String,
    last_fields: String,
}

/// The message and the fields of one event.
#[derive(Default)]
struct Event {
    plugin: String,
    message: String,
    fields: String,
}

impl Visit for Event {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => write!(self.fields, "{name}={value:?} ").unwrap(),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        assert_eq!(field.name(), "plugin");
        value.clone_into(&mut self.plugin);
    }
}

struct Layered(&'static Gatherer);

impl<S: tracing::Subscriber> Layer<S> for Layered {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != TARGET {
            return;
        }
        let mut seen = Event::default();
        event.record(&mut seen);
        if seen.plugin == "stuck" {
            let stuck = self.0.stuck.lock().unwrap();
            drop(self.0.freed.wait_while(stuck, |stuck| *stuck).unwrap());
        }
        self.0.of(&seen.plugin).send_modify(|gathered| {
            gathered.lines += 1;
            gathered.bytes += seen.message.len() as u64;
            gathered.last = seen.message;
            gathered.last_fields = seen.fields;
        });
    }
}

impl Gatherer {
    fn get() -> &'static Self {
        static GATHERER: OnceLock<&Gatherer> = OnceLock::new();
        GATHERER.get_or_init(|| {
            let gatherer = Box::leak(Box::default());
            let subscriber = tracing_subscriber::registry().with(Layered(gatherer));
            tracing::subscriber::set_global_default(subscriber).unwrap();
            gatherer
        })
    }

    fn of(&self, plugin: &str) -> watch::Sender<Gathered> {
        let mut plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        plugins.entry(plugin.to_owned()).or_default().clone()
    }

    async fn until(&self, plugin: &str, holds: impl FnMut(&Gathered) -> bool) -> Gathered {
        self.of(plugin).subscribe().wait_for(holds).await.unwrap().clone()
    }
}

async fn run(spawner: &Spawner, log: &PluginLog, plugin: &str, script: &str) -> (Process, Output) {
    Gatherer::get();
    let mut process = spawner.spawn(shell(script)).await.unwrap();
    let source = Source { plugin: plugin.into(), instance: 1, generation: 3 };
    let output = Output::read(&source, process.take_output().unwrap(), log);
    (process, output)
}

#[tokio::test]
async fn each_line_becomes_an_event_that_says_whose_it_is() {
    let (log, end) = PluginLog::start().unwrap();
    let spawner = spawner().await;
    let (mut process, output) = run(&spawner, &log, "speaks", "echo out; echo err >&2").await;
    process.exited().await;
    let mut tail = output.finish().await;
    tail.sort();
    assert_eq!(tail, ["err", "out"]);
    drop(log);
    end.written().await;
    let said = Gatherer::get().until("speaks", |said| said.lines == 2).await;
    let stream = if said.last == "out" { "stdout" } else { "stderr" };
    assert_eq!(said.last_fields, format!("generation=3 stream={stream} "));
}

#[tokio::test]
async fn the_last_lines_are_kept_and_binary_is_readable() {
    let (log, _end) = PluginLog::start().unwrap();
    let spawner = spawner().await;
    let script = r"seq 1 100; printf '\033[31mred\033[0m \000\377\n'; printf 'no end'";
    let (mut process, output) = run(&spawner, &log, "binary", script).await;
    process.exited().await;
    let tail = output.finish().await;
    assert_eq!(tail.len(), KEPT_LINES);
    assert_eq!(tail[0], "83");
    assert_eq!(tail[KEPT_LINES - 2], "red \\u{0}\u{fffd}");
    assert_eq!(tail[KEPT_LINES - 1], "no end");
}

#[tokio::test]
async fn a_plugin_that_prints_a_hundred_megabytes_loses_nothing_and_holds_up_nobody() {
    const BYTES: u64 = 100_000_000;
    let (log, _end) = PluginLog::start().unwrap();
    let spawner = spawner().await;
    let before = resident();
    let script = format!("yes $(printf 'x%.0s' $(seq 999)) | head -c {BYTES}");
    let (mut flood, flooding) = run(&spawner, &log, "flood", &script).await;
    Gatherer::get().until("flood", |said| said.lines > 0).await;
    // Everything here is on one thread; another plugin is heard while this one goes on.
    let flooded = AtomicBool::new(false);
    let quiet = async {
        let (_quiet, _output) = run(&spawner, &log, "quiet", "echo hello; sleep 1000").await;
        Gatherer::get().until("quiet", |said| said.lines == 1).await;
        assert!(!flooded.load(Ordering::SeqCst), "it was heard only when the flood was over");
    };
    let flood = async {
        assert_eq!(flood.exited().await, Exit::Code(0));
        flooded.store(true, Ordering::SeqCst);
    };
    tokio::join!(quiet, flood);
    let all = Gatherer::get().until("flood", |said| said.bytes + said.lines == BYTES).await;
    assert_eq!(all.lines, BYTES / 1000);
    flooding.finish().await;
    let grown = resident().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more are in memory");
}

#[tokio::test]
async fn a_line_without_an_end_is_cut_and_takes_no_memory() {
    let (log, _end) = PluginLog::start().unwrap();
    let spawner = spawner().await;
    let script = "head -c 50000000 /dev/zero | tr '\\000' z; echo; echo after";
    let (mut process, output) = run(&spawner, &log, "endless", script).await;
    process.exited().await;
    let said = Gatherer::get().until("endless", |said| said.lines == 2).await;
    assert_eq!(said.last, "after");
    let tail = output.finish().await;
    assert!(tail[0].len() < LONGEST_LINE + 100);
    assert!(tail[0].ends_with("z … (the rest of the line is dropped)"));
}

#[tokio::test]
async fn a_log_that_is_stuck_holds_up_no_plugin_and_tells_later_what_is_missing() {
    let (log, _end) = PluginLog::start().unwrap();
    let spawner = spawner().await;
    *Gatherer::get().stuck.lock().unwrap() = true;
    let script = "yes $(printf 'x%.0s' $(seq 999)) | head -n 1000";
    let (mut process, output) = run(&spawner, &log, "stuck", script).await;
    // More than the pipe and the queue hold: it ends only because lines are dropped.
    assert_eq!(process.exited().await, Exit::Code(0));
    assert_eq!(output.tail().len(), KEPT_LINES);
    *Gatherer::get().stuck.lock().unwrap() = false;
    Gatherer::get().freed.notify_all();
    let said = Gatherer::get().until("stuck", |said| said.last.contains("missing")).await;
    let missing: u64 = said.last.split(' ').next().unwrap().parse().unwrap();
    assert_eq!(said.lines - 1 + missing, 1000);
}

#[tokio::test]
async fn a_daemon_that_holds_the_pipe_is_not_waited_for() {
    if fs::metadata("/usr/bin/setsid").is_err() {
        assert!(std::env::var_os("CI").is_none(), "setsid is missing");
        eprintln!("skipped: setsid is missing");
        return;
    }
    let (log, _end) = PluginLog::start().unwrap();
    let spawner = spawner().await;
    let script = "setsid sh -c 'echo $$; exec sleep 1000' & sleep 1000";
    let (mut process, output) = run(&spawner, &log, "daemon", script).await;
    let said = Gatherer::get().until("daemon", |said| said.lines == 1).await;
    let daemon: u32 = said.last.parse().unwrap();
    let gone = Pidfd::open(daemon);
    assert_eq!(process.stop(Signal::SIGKILL, Duration::ZERO).await, Exit::by(Signal::SIGKILL));
    assert_eq!(output.finish().await, [said.last]);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(daemon.try_into().unwrap()), Signal::SIGKILL)
        .unwrap();
    gone.gone().await;
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
#[ignore = "a role of this program, started by a test"]
fn warden_entry() {
    support::warden_entry();
}
