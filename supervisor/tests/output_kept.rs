//! What is kept of plugins' output, and how it is read: real pipes, no processes.

use std::fs;
use std::io::{PipeWriter, Write as _};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use replug_supervisor::output::{
    FilePolicy, LogPolicy, Output, PluginLog, Reading, Shown, Source, Stream, Wanted,
};
use tracing::Level;

/// A plugin's life, as far as its output goes.
struct Life {
    stdout: PipeWriter,
    stderr: PipeWriter,
    output: Output,
}

impl Life {
    fn begin(log: &PluginLog, plugin: &str, generation: u64) -> Self {
        let ((out, stdout), (err, stderr)) = (std::io::pipe().unwrap(), std::io::pipe().unwrap());
        let source = Source { plugin: plugin.into(), instance: 1, generation };
        let output = Output::read(&source, (out.into(), err.into()), log);
        Self { stdout, stderr, output }
    }

    fn print(&mut self, line: &str) {
        writeln!(self.stdout, "{line}").unwrap();
    }

    /// All that was printed is kept when this returns.
    async fn end(self) {
        drop((self.stdout, self.stderr));
        self.output.finish().await;
    }
}

/// What can be read now.
fn read(log: &PluginLog, wanted: &Wanted) -> Vec<Shown> {
    let mut reading = Reading::begin(log, wanted);
    let next = || reading.next().now_or_never().expect("it waits for nothing");
    std::iter::from_fn(next).collect()
}

fn messages(lines: &[Shown]) -> Vec<&str> {
    lines.iter().map(|line| line.said.message.as_str()).collect()
}

/// The next line that is read.
async fn next(reading: &mut Reading) -> String {
    reading.next().await.expect("there are more").said.message
}

#[tokio::test]
async fn lines_of_several_plugins_and_lives_are_read_in_the_order_in_which_they_were_printed() {
    let (log, _end) = PluginLog::start().unwrap();
    let all = Wanted { follow: true, ..Wanted::default() };
    let mut reading = Reading::begin(&log, &all);
    let (mut a, mut b) = (Life::begin(&log, "a", 1), Life::begin(&log, "b", 1));
    for number in 1..=3 {
        a.print(&format!("a{number}"));
        assert_eq!(next(&mut reading).await, format!("a{number}"));
        b.print(&format!("b{number}"));
        assert_eq!(next(&mut reading).await, format!("b{number}"));
    }
    a.end().await;
    let mut a = Life::begin(&log, "a", 2);
    writeln!(a.stderr, r#"{{"level":"warn","msg":"a4","n":1}}"#).unwrap();
    let last = reading.next().await.unwrap();
    assert_eq!((&*last.plugin, last.generation, last.number), ("a", 2, 4));
    assert_eq!((last.stream, last.said.level, last.missed), (Stream::Stderr, Level::WARN, 0));
    assert_eq!(last.said.json_fields(), r#"{"n":1}"#);
    assert!(SystemTime::now().duration_since(last.at).unwrap() < Duration::from_secs(60));
    a.end().await;
    b.end().await;

    let read = |wanted: Wanted| read(&log, &wanted);
    let lines = read(Wanted::default());
    assert_eq!(messages(&lines), ["a1", "b1", "a2", "b2", "a3", "b3", "a4"]);
    let lines = read(Wanted { last: Some(3), ..Wanted::default() });
    assert_eq!(messages(&lines), ["a3", "b3", "a4"]);
    let lines = read(Wanted { last: Some(2), plugins: vec!["b".into()], ..Wanted::default() });
    assert_eq!(messages(&lines), ["b2", "b3"]);
    assert!(read(Wanted { last: Some(0), ..Wanted::default() }).is_empty());
    let lines = read(Wanted { since: Some(last.at), ..Wanted::default() });
    assert_eq!(messages(&lines), ["a4"]);
    assert!(read(Wanted { plugins: vec!["c".into()], ..Wanted::default() }).is_empty());
}

#[tokio::test]
async fn whoever_reads_slowly_is_told_how_much_is_gone() {
    let (log, _end) = PluginLog::start().unwrap();
    let printout = log.keep("p", &LogPolicy { ring: 2000, ..LogPolicy::default() });
    let mut living = Life::begin(&log, "p", 1);
    let mut reading = Reading::begin(&log, &Wanted { follow: true, ..Wanted::default() });
    living.print("first");
    assert_eq!(next(&mut reading).await, "first");
    for number in 2..=1000 {
        living.print(&number.to_string());
    }
    living.end().await;
    let tally = printout.tally();
    assert_eq!(tally.lines, 1000);
    assert!((5..50).contains(&tally.kept), "{tally:?}");
    let line = reading.next().await.unwrap();
    assert_eq!(line.missed, 999 - tally.kept);
    assert_eq!(line.said.message, line.number.to_string());
    assert_eq!(line.number, 1001 - tally.kept);
    for number in line.number + 1..=1000 {
        assert_eq!(next(&mut reading).await, number.to_string());
    }
    assert!(reading.next().now_or_never().is_none(), "it waits for the next line");
}

#[tokio::test]
async fn a_plugin_that_comes_later_is_followed_too() {
    let (log, _end) = PluginLog::start().unwrap();
    let mut reading = Reading::begin(&log, &Wanted { follow: true, ..Wanted::default() });
    assert!(reading.next().now_or_never().is_none());
    let mut living = Life::begin(&log, "late", 1);
    let ((), line) = tokio::join!(async { living.print("here") }, reading.next());
    assert_eq!(line.unwrap().said.message, "here");
    // Nobody prints any more, and nobody is to come.
    living.end().await;
    log.forget("late");
    drop(log);
    assert!(reading.next().await.is_none());
}

#[tokio::test]
async fn a_plugins_file_has_what_it_printed_as_it_was_printed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.log");
    let policy =
        FilePolicy { path: path.clone(), max_size: 1 << 20, max_age: None, keep: 1, stamps: false };
    let (log, end) = PluginLog::start().unwrap();
    let policy = LogPolicy { file: Some(policy), to_log: false, ..LogPolicy::default() };
    let printout = log.keep("p", &policy);
    let mut living = Life::begin(&log, "p", 1);
    living.stdout.write_all(b"\x1b[31mred\x1b[0m\xff\n{\"level\":\"info\"}\nno end").unwrap();
    living.end().await;
    drop((log, printout));
    end.written().await;
    let written = fs::read(path).unwrap();
    assert_eq!(written, b"\x1b[31mred\x1b[0m\xff\n{\"level\":\"info\"}\nno end\n");
}

#[tokio::test]
async fn a_plugin_that_closes_its_output_and_goes_on_costs_nothing() {
    let (log, _end) = PluginLog::start().unwrap();
    let mut living = Life::begin(&log, "p", 1);
    let mut reading = Reading::begin(&log, &Wanted { follow: true, ..Wanted::default() });
    let (nothing, _) = std::io::pipe().map(|(read, write)| (write, read)).unwrap();
    drop(std::mem::replace(&mut living.stdout, nothing));
    writeln!(living.stderr, "the other one is heard").unwrap();
    assert_eq!(next(&mut reading).await, "the other one is heard");
}
