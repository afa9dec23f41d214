//! What plugins print: where it goes, how it is shown, and what happens when it is too much.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::time::timeout;

use crate::rig::{Application, Home, PATIENCE, Replug, misbehave, text};

/// A plugin that prints what is written into a pipe of the home, and is never ready.
const PRINTS: &str = "command = [\"sh\", \"-c\", \"exec 3<>$0; exec cat <&3\"]\n\
                      start_timeout = \"1h\"\n\
                      stop_timeout = \"1s\"\n\
                      backoff = { initial = \"20ms\", max = \"20ms\" }\n";

/// What such a plugin is to print.
struct Voice(File);

impl Voice {
    /// Makes the pipe of a plugin, before replug starts.
    fn of(home: &Home, plugin: &str) -> Self {
        let pipe = home.path(plugin);
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        Self(OpenOptions::new().read(true).write(true).open(pipe).unwrap())
    }

    fn say(&mut self, line: &str) {
        writeln!(self.0, "{line}").unwrap();
    }
}

/// Declares such a plugin, with what is said of it besides.
fn prints(plugin: &str, besides: &str) -> String {
    format!("[plugins.{plugin}]\nargs = [{plugin:?}]\n{PRINTS}{besides}\n")
}

/// `replug logs --follow`, as it is read.
struct Following {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Following {
    fn begin(replug: &Replug, arguments: &[&str]) -> Self {
        let mut child = replug.spawn_command(&[&["logs", "--follow"], arguments].concat());
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn next(&mut self) -> String {
        let line = timeout(PATIENCE, self.lines.next_line()).await.expect("a line comes");
        line.unwrap().expect("it goes on")
    }
}

/// A line without its time, which is that of a day of this century.
fn timeless(line: &str) -> &str {
    let (time, rest) = line.split_once(' ').unwrap();
    assert!(time.starts_with("20") && time.ends_with('Z') && time.len() == 24, "{time}");
    rest
}

#[tokio::test]
async fn what_plugins_print_is_shown_in_order_by_name_and_through_their_lives() {
    let home = Home::new(&(prints("a", "") + &prints("longer", "")));
    let (mut a, mut longer) = (Voice::of(&home, "a"), Voice::of(&home, "longer"));
    let replug = Replug::start(&home).await;
    a.say("one");
    replug.line("plugin a.1: one").await;
    longer.say(r#"{"level":"warn","msg":"two","n":[1]}"#);
    // In replug's own log it has its level and its fields.
    replug.line(" WARN plugin longer.1: two n=[1]").await;
    replug.kill_at_once("a").await;
    a.say("<3>three");
    replug.line("ERROR plugin a.2: three").await;

    let run = replug.command(&["logs"]).await;
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    let lines: Vec<_> = run.stdout.lines().map(timeless).collect();
    assert_eq!(lines, ["a      | one", "longer | WARN two n=[1]", "a      | ERROR three"]);
    let run = replug.command(&["logs", "a", "-n", "1"]).await;
    assert_eq!(timeless(run.stdout.trim_end()), "a | ERROR three");
    let run = replug.command(&["logs", "--json", "--since", "1h", "longer"]).await;
    let line: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&line["plugin"], &line["generation"]), (&"longer".into(), &1.into()));
    assert_eq!((&line["level"], &line["fields"]["n"][0]), (&"warn".into(), &1.into()));
    let run = replug.command(&["logs", "--since", "2100-01-01"]).await;
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), ""));
    let run = replug.command(&["logs", "longest"]).await;
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("did you mean `longer`?"), "{}", run.stderr);
    replug.stop(&home).await;
}

#[tokio::test]
async fn whoever_follows_sees_restarts_through_and_is_told_when_replug_stops() {
    let home = Home::new(&prints("a", ""));
    let mut voice = Voice::of(&home, "a");
    let replug = Replug::start(&home).await;
    voice.say("before");
    replug.line("plugin a.1: before").await;
    let mut following = Following::begin(&replug, &[]);
    assert_eq!(timeless(&following.next().await), "a | before");
    replug.kill_at_once("a").await;
    voice.say("after");
    assert_eq!(timeless(&following.next().await), "a | after");
    replug.stop(&home).await;
    let ended = timeout(PATIENCE, following.child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(ended.status.code(), Some(4));
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "replug: replug has ended\n");
}

#[tokio::test]
async fn a_plugin_that_prints_without_end_and_a_client_that_does_not_read_hold_up_nobody() {
    /// How long a call may take while another plugin floods its output; it only bounds how long a
    /// busy machine may take.
    const PATIENT: Duration = Duration::from_secs(5);
    let program = misbehave();
    let home = Home::new(&format!(
        "[plugins.flood]\ncommand = [\"yes\", {:?}]\nstart_timeout = \"1h\"\n\
         log = {{ ring = \"64K\", file = \"flood.log\", max_size = \"1M\", keep = 1 }}\n\
         [plugins.good]\ncommand = [{program:?}, \"well\", \"good.sock\"]\n\
         [components.steady]\ntype = \"state.good\"\n",
        "x".repeat(500),
    ));
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("steady").await;
    // It reads one line, and then no more.
    let mut stuck = Following::begin(&replug, &["flood"]);
    assert!(stuck.next().await.contains(" | xxx"));
    let application = Application::new(&status, "steady");
    for number in 0..100 {
        let begun = Instant::now();
        application.save("key", &number.to_string()).await.unwrap();
        assert!(begun.elapsed() < PATIENT, "a call took {:?}", begun.elapsed());
    }
    let printed = |status: &crate::rig::Status| {
        status.plugin("flood").and_then(|flood| flood.printed.clone()).unwrap_or_default().lines
    };
    let status = replug.until("10 MB are printed", |now| printed(now) > 20_000).await;
    assert_eq!(status.plugin("flood").unwrap().generation, 1);
    replug.stop(&home).await;
    let size = |name: &str| home.path(name).metadata().unwrap().len();
    assert!(size("flood.log") <= 1 << 20 && size("flood.log.1") <= 1 << 20);
    assert!(!home.path("flood.log.2").exists());
}

#[tokio::test]
async fn a_plugin_that_closes_its_output_runs_on() {
    let home = Home::new(
        "[plugins.mute]\ncommand = [\"sh\", \"-c\", \"echo last words; exec >&- 2>&-; exec sleep 600\"]\n\
         start_timeout = \"1h\"\nstop_timeout = \"1s\"\n",
    );
    let replug = Replug::start(&home).await;
    replug.line("plugin mute.1: last words").await;
    let before = replug.process_of("mute").await.pid();
    let run = replug.command(&["logs", "mute"]).await;
    assert!(run.stdout.contains("last words"), "{}", run.stdout);
    let status = replug.status().await;
    let mute = status.plugin("mute").unwrap();
    assert_eq!((mute.pid, mute.generation), (Some(before), 1));
    replug.stop(&home).await;
}

/// A file system of a few pages, mounted for as long as it is there.
struct SmallDisk<'h>(&'h Path);

impl<'h> SmallDisk<'h> {
    /// None where this user may not mount, which nothing installs.
    fn mount(folder: &'h Path) -> Option<Self> {
        std::fs::create_dir(folder).unwrap();
        let mut mount = Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", "size=128k", "tmpfs"]).arg(folder);
        mount.status().is_ok_and(|status| status.success()).then_some(Self(folder))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

#[tokio::test]
async fn a_full_disk_costs_lines_of_the_file_and_nothing_else_and_they_are_counted() {
    let home = Home::new(&prints("a", "log = { file = \"small/{name}.log\" }"));
    let folder = home.path("small");
    let Some(_disk) = SmallDisk::mount(&folder) else {
        eprintln!("SKIPPED a_full_disk_costs_lines_of_the_file_and_nothing_else: cannot mount");
        return;
    };
    let mut voice = Voice::of(&home, "a");
    let mut replug = Replug::start(&home).await;
    let file = folder.join("a.log");
    std::fs::write(&file, "before\n").unwrap();
    let mut filler = File::create(folder.join("filler")).unwrap();
    while filler.write_all(&[0; 4096]).is_ok() {}
    voice.say(&format!("lost{}", "x".repeat(6000)));
    let line = replug.line("cannot be written to its file").await;
    assert!(line.contains(&text(&file)) && line.contains("No space left"), "{line}");
    let told = |now: &crate::rig::Status| now.plugin("a").unwrap().printed.clone().unwrap();
    let status = replug.until("it is shown", |now| told(now).file_trouble.is_some()).await;
    assert_eq!(told(&status).not_filed, 1);
    let run = replug.command(&["status"]).await;
    assert!(run.stdout.contains("1 of its lines are missing in its file"), "{}", run.stdout);
    // It is in the log and in memory.
    replug.line("plugin a.1: lostxxx").await;
    assert!(replug.command(&["logs"]).await.stdout.contains("| lostxxx"));

    std::fs::remove_file(folder.join("filler")).unwrap();
    drop(filler);
    voice.say("after");
    replug.line("is written to its file again; 1 lines are missing in it").await;
    let written = std::fs::read_to_string(&file).unwrap();
    assert_eq!(written, "before\n(1 lines are missing here)\nafter\n");
    let status = replug.status().await;
    assert_eq!(told(&status).file_trouble, None);
    replug.stop(&home).await;
}
