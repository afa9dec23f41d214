//! One program of replug after another in the same process: plugins run on, callers do not notice.

use std::error::Error as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::Bytes;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::rig::{
    Application, BINARY, Home, Process, Replug, Run, Status, misbehave, require_tool, text,
};

/// Callers that write and read at the same time, over gRPC and over HTTP.
const OVER_GRPC: usize = 6;
const OVER_HTTP: usize = 2;

/// Writes that each of them has made before, between and after the upgrades.
const SOME: u32 = 20;

fn plan() -> String {
    format!(
        "[plugins.store]\n\
         command = [{:?}, \"well\"]\n\
         [components.kv]\n\
         type = \"state.misbehave\"\n",
        misbehave()
    )
}

async fn upgrade(replug: &Replug, binary: &Path) -> Run {
    replug.command(&["upgrade", "--binary", &text(binary)]).await
}

async fn upgrade_well(replug: &Replug, binary: &Path) {
    let run = upgrade(replug, binary).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stdout.starts_with("upgraded: replug "), "{}", run.stdout);
}

/// A program that does something before it becomes replug: `asked` when it is asked whether it can
/// take over, `before` when it takes over.
fn script(home: &Home, asked: &str, before: &str) -> PathBuf {
    let path = home.path("new-replug");
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = run ]; then {before}\nelse {asked}\nfi\nexec {BINARY} \"$@\"\n"
    );
    write_program(&path, &script);
    path
}

fn write_program(path: &Path, script: &str) {
    std::fs::write(path, script).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Stores a value, again where the server has not processed it: GOAWAY says so of what came after
/// it. gRPC's own clients do this by themselves; tonic's does not.
async fn save(application: &Application, key: &str, value: &str) {
    while let Err(status) = application.save(key, value).await {
        assert!(is_unprocessed(&status), "{status:?}");
    }
}

/// Reads a value, as [`save`] stores one.
async fn read(application: &Application, key: &str) -> Bytes {
    loop {
        match application.get(key).await {
            Ok(value) => return value,
            Err(status) => assert!(is_unprocessed(&status), "{status:?}"),
        }
    }
}

fn is_unprocessed(status: &tonic::Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        let was_asked_to_go = error.downcast_ref::<h2::Error>().is_some_and(|error| {
            error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR)
        });
        // It never left the client.
        let was_not_sent =
            error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled);
        if was_asked_to_go || was_not_sent {
            return true;
        }
        source = error.source();
    }
    false
}

/// What of a plugin must not change.
fn life(status: &Status, plugin: &str) -> (Option<u32>, u64, u64) {
    let plugin = status.plugin(plugin).unwrap();
    (plugin.pid, plugin.generation, plugin.restarts)
}

/// Callers that never stop, and what they have seen.
struct Load {
    callers: JoinSet<()>,
    over: Arc<AtomicBool>,
    /// The last number that each has written and read back.
    reached: Vec<Arc<AtomicU32>>,
}

impl Load {
    fn start(status: &Status) -> Self {
        let (mut callers, mut reached) = (JoinSet::new(), Vec::new());
        let over = Arc::new(AtomicBool::new(false));
        for caller in 0..OVER_GRPC + OVER_HTTP {
            let counter = Arc::new(AtomicU32::new(0));
            reached.push(counter.clone());
            let (application, over) = (Application::new(status, "kv"), over.clone());
            callers.spawn(async move {
                let key = format!("caller-{caller}");
                for number in 1.. {
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    let value = number.to_string();
                    if caller < OVER_GRPC {
                        save(&application, &key, &value).await;
                        assert_eq!(read(&application, &key).await, value);
                    } else {
                        let body = format!("[{{\"key\": {key:?}, \"value\": {number}}}]");
                        let saved = application.http("POST", "", &body).await;
                        assert_eq!(saved.status, 204, "{}", saved.body);
                        let read = application.http("GET", &format!("/{key}"), "").await;
                        assert_eq!((read.status.as_u16(), &*read.body), (200, &*value));
                    }
                    counter.store(number, Ordering::Relaxed);
                }
            });
        }
        Self { callers, over, reached }
    }

    /// Waits until every caller has made some more calls.
    async fn goes_on(&mut self) {
        let wanted: Vec<_> =
            self.reached.iter().map(|number| number.load(Ordering::Relaxed) + SOME).collect();
        let all = || {
            self.reached.iter().zip(&wanted).all(|(now, then)| now.load(Ordering::Relaxed) >= *then)
        };
        while !all() {
            if let Some(ended) = self.callers.try_join_next() {
                ended.unwrap();
            }
            tokio::task::yield_now().await;
        }
    }

    /// Ends them, and tells what each has written last.
    async fn end(mut self) -> Vec<u32> {
        self.over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.callers.join_next().await {
            ended.unwrap();
        }
        self.reached.iter().map(|number| number.load(Ordering::Relaxed)).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_and_no_plugin_restarts_while_one_program_follows_another_twice() {
    let home = Home::new(&plan());
    let mut replug = Replug::start(&home).await;
    let before = replug.until_ready("store").await;
    let mut load = Load::start(&before);
    load.goes_on().await;
    for upgrades in 1..=2 {
        upgrade_well(&replug, Path::new(BINARY)).await;
        load.goes_on().await;
        let now = replug.until_ready("store").await;
        assert_eq!(life(&now, "store"), life(&before, "store"));
        assert_eq!((now.pid, now.upgrades, now.upgrade_failure), (before.pid, upgrades, None));
        assert_eq!(now.listeners, before.listeners);
    }
    let last = load.end().await;
    let application = Application::new(&before, "kv");
    for (caller, number) in last.into_iter().enumerate() {
        let kept = application.get(&format!("caller-{caller}")).await.unwrap();
        let kept: u32 = std::str::from_utf8(&kept).unwrap().parse().unwrap();
        assert!(kept >= number, "caller {caller} has written {number}, and {kept} is there");
    }
    replug.stop(&home).await;
}

#[tokio::test]
async fn who_connects_between_the_two_programs_waits_and_is_served() {
    let home = Home::new(&plan());
    let mut replug = Replug::start(&home).await;
    let address = replug.until_ready("store").await.address("http");
    let gate = home.path("gate");
    let made = std::process::Command::new("mkfifo").arg(&gate).status().unwrap();
    assert!(made.success());
    // Says that it is there, and waits to be let in.
    let wait = format!("echo between >&2; read -r _ < {}", gate.display());
    let program = script(&home, ":", &wait);
    let upgrading = upgrade(&replug, &program);
    let calling = async {
        replug.line("between").await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = b"GET /v1.0/metadata HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        tokio::fs::write(&gate, "go\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    };
    let (run, ()) = tokio::join!(upgrading, calling);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_program_that_cannot_take_over_is_not_executed_and_the_error_says_why() {
    let home = Home::new(&plan());
    let mut replug = Replug::start(&home).await;
    let before = replug.until_ready("store").await;
    let data = home.path("data");
    std::fs::write(&data, "no program").unwrap();
    let hangs = home.path("hangs");
    write_program(&hangs, "#!/bin/sh\nexec sleep 1000\n");
    let other = home.path("other");
    write_program(
        &other,
        "#!/bin/sh\necho '{\"replug\": \"9.9\", \"format\": 0, \"places\": []}'\n",
    );
    for (binary, reason) in [
        (home.path("missing"), "No such file or directory"),
        (data, "cannot be run"),
        (PathBuf::from("/bin/true"), "is no replug"),
        (PathBuf::from("/bin/false"), "cannot take over"),
        (other, "is replug 9.9, which takes over in form 0"),
        (hangs, "does not answer within 5 s"),
    ] {
        let run = upgrade(&replug, &binary).await;
        assert_eq!(run.code, Some(1), "{}: {}", binary.display(), run.stdout);
        assert!(run.stderr.contains(reason), "{}: {}", binary.display(), run.stderr);
    }
    let now = replug.status().await;
    assert_eq!(life(&now, "store"), life(&before, "store"));
    assert_eq!(now.upgrades, 0);
    Application::new(&now, "kv").assert_works().await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_plan_that_is_wrong_or_names_other_places_is_a_reason_not_to_upgrade() {
    let home = Home::new(&plan());
    let mut replug = Replug::start(&home).await;
    replug.until_ready("store").await;
    let good = std::fs::read_to_string(home.plan()).unwrap();

    home.write_plan("[plugins.store]\ncomand = []\n");
    replug.signal(Signal::USR2);
    replug.line("no upgrade: ").await;
    replug.line("did you mean").await;

    let other = good.replace("http = \"127.0.0.1:0\"", "http = false");
    home.write_raw_plan(other.as_bytes());
    replug.signal(Signal::USR2);
    replug.line("plugins.toml names other places now").await;

    home.write_raw_plan(good.as_bytes());
    Application::new(&replug.status().await, "kv").assert_works().await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_program_that_cannot_be_executed_after_all_leaves_the_old_one_as_it_was() {
    let home = Home::new(&plan());
    let mut replug = Replug::start(&home).await;
    let before = replug.until_ready("store").await;
    let application = Application::new(&before, "kv");
    application.save("key", "kept").await.unwrap();
    // Its interpreter is gone by the time it is to take over.
    let (program, shell) = (home.path("program"), home.path("sh"));
    let lost = format!("#!{0}\nrm {0}\nexec {BINARY} \"$@\"\n", shell.display());
    write_program(&program, &lost);
    for attempt in 1..=2 {
        std::fs::copy("/bin/sh", &shell).unwrap();
        let run = upgrade(&replug, &program).await;
        assert_eq!(run.code, Some(1), "attempt {attempt}: {}", run.stdout);
        assert!(run.stderr.contains("cannot be executed"), "{}", run.stderr);
        let now = replug.until_ready("store").await;
        assert_eq!(life(&now, "store"), life(&before, "store"));
        assert!(now.upgrade_failure.unwrap().contains("cannot be executed"));
        assert_eq!(application.get("key").await.unwrap(), "kept");
    }
    upgrade_well(&replug, Path::new(BINARY)).await;
    let now = replug.until_ready("store").await;
    assert_eq!(life(&now, "store"), life(&before, "store"));
    assert_eq!((now.upgrades, now.upgrade_failure), (1, None));
    assert_eq!(application.get("key").await.unwrap(), "kept");
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_plugin_that_dies_between_the_two_programs_is_started_again() {
    if !require_tool("python3", &["-c", ""]) {
        return;
    }
    let home = Home::new(&plan());
    let mut replug = Replug::start(&home).await;
    let before = replug.until_ready("store").await;
    let pid = before.plugin("store").unwrap().pid.unwrap();
    // No shell: that would take the plugin for a child of its own, and its exit status.
    let program = home.path("new-replug");
    let kills = format!(
        "#!/usr/bin/env python3\nimport os, sys\nif sys.argv[1] == 'run': os.kill({pid}, 9)\n\
         os.execv({BINARY:?}, sys.argv)\n"
    );
    write_program(&program, &kills);
    upgrade_well(&replug, &program).await;
    let now = replug.until_ready("store").await;
    let store = now.plugin("store").unwrap();
    assert_eq!((store.generation, store.end()), (2, "killed by SIGKILL"));
    Application::new(&now, "kv").assert_works().await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_signal_between_the_two_programs_is_not_lost() {
    let home = Home::new(&plan());
    let mut replug = Replug::start(&home).await;
    replug.until_ready("store").await;
    let program = script(&home, ":", "kill -TERM $$");
    // It may be stopped before it has answered.
    let _ = upgrade(&replug, &program).await;
    let status = replug.ended().await;
    assert!(status.success(), "{status}");
    replug.assert_nothing_left();
    assert_eq!(home.private_folders(), Vec::<String>::new());
}

#[tokio::test]
async fn sigusr2_upgrades_to_what_is_where_the_running_program_was() {
    let home = Home::new(&plan());
    let mut replug = Replug::start(&home).await;
    let before = replug.until_ready("store").await;
    replug.signal(Signal::USR2);
    let now = replug.until("it is upgraded", |now| now.upgrades == 1).await;
    assert_eq!(now.pid, before.pid);
    let now = replug.until_ready("store").await;
    assert_eq!(life(&now, "store"), life(&before, "store"));
    replug.stop(&home).await;
}

#[tokio::test]
async fn what_a_plugin_prints_is_read_on_in_the_middle_of_a_line() {
    let home = Home::new(&format!(
        "[plugins.store]\n\
         command = [\"/bin/sh\", \"-c\", {:?}]\n",
        format!(
            "trap 'echo and half' USR1; printf 'half '; {} well & while :; do wait; done",
            misbehave()
        )
    ));
    let mut replug = Replug::start(&home).await;
    replug.until_ready("store").await;
    let process = replug.process_of("store").await;
    upgrade_well(&replug, Path::new(BINARY)).await;
    process.signal(Signal::USR1);
    replug.line("half and half").await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn what_a_plugin_has_printed_before_is_shown_after_an_upgrade_and_after_one_that_fails() {
    let home = Home::new(&format!(
        "[plugins.store]\n\
         command = [\"/bin/sh\", \"-c\", {:?}]\n",
        format!("echo the first line; exec {} well", misbehave())
    ));
    let mut replug = Replug::start(&home).await;
    replug.until_ready("store").await;
    // Its interpreter is gone by the time it is to take over.
    let (program, shell) = (home.path("program"), home.path("sh"));
    std::fs::copy("/bin/sh", &shell).unwrap();
    let lost = format!("#!{0}\nrm {0}\nexec {BINARY} \"$@\"\n", shell.display());
    write_program(&program, &lost);
    assert_eq!(upgrade(&replug, &program).await.code, Some(1));
    replug.until_ready("store").await;
    let logs = replug.command(&["logs", "store"]).await.stdout;
    assert_eq!(logs.matches("the first line").count(), 1, "{logs}");

    upgrade_well(&replug, Path::new(BINARY)).await;
    replug.until_ready("store").await;
    let logs = replug.command(&["logs", "store"]).await.stdout;
    assert_eq!(logs.matches("the first line").count(), 1, "{logs}");
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_stopped_plugin_stays_stopped_and_one_that_waits_is_not_started_sooner() {
    let home = Home::new(&format!(
        "{}[plugins.fails]\n\
         command = [\"/bin/false\"]\n\
         backoff = {{ initial = \"1h\", max = \"1h\" }}\n",
        plan()
    ));
    let mut replug = Replug::start(&home).await;
    replug.until_ready("store").await;
    assert_eq!(replug.command(&["stop", "store"]).await.code, Some(0));
    replug.until("fails waits", |now| now.plugin_is("fails", "backoff")).await;
    upgrade_well(&replug, Path::new(BINARY)).await;
    let now = replug.status().await;
    assert!(now.plugin_is("store", "stopped") && now.plugin_is("fails", "backoff"), "{now:#?}");
    let fails = now.plugin("fails").unwrap();
    assert_eq!((fails.generation, fails.end()), (1, "exit status 1"));
    assert!(fails.next_start_in_ms.unwrap() > 30 * 60 * 1000, "{fails:?}");
    assert_eq!(replug.command(&["start", "store"]).await.code, Some(0));
    replug.stop(&home).await;
}

#[tokio::test]
async fn what_the_plan_says_otherwise_by_then_is_done_by_the_new_program() {
    let two = format!("{}[plugins.second]\ncommand = [{:?}, \"well\"]\n", plan(), misbehave());
    let home = Home::new(&two);
    let mut replug = Replug::start(&home).await;
    let before = replug.until_ready("store").await;
    let second = replug.until("second is up", |now| {
        now.plugin("second").is_some_and(|second| second.pid.is_some())
    });
    let second = Process::find(second.await.plugin("second").unwrap().pid.unwrap()).unwrap();
    home.write_plan(&plan().replace("command", "env = { CHANGED = \"yes\" }\ncommand"));
    upgrade_well(&replug, Path::new(BINARY)).await;
    second.gone().await;
    let now = replug.until("store is changed", |now| {
        now.plugin("store").is_some_and(|now| now.generation == 2 && now.state == "ready")
    });
    let now = now.await;
    assert!(now.plugin("second").is_none());
    assert_ne!(life(&now, "store").0, life(&before, "store").0);
    replug.stop(&home).await;
}

#[tokio::test]
async fn nothing_outlives_a_replug_that_is_killed_after_an_upgrade() {
    let home = Home::new(&plan());
    let mut replug = Replug::start(&home).await;
    replug.until_ready("store").await;
    upgrade_well(&replug, Path::new(BINARY)).await;
    replug.until_ready("store").await;
    // Its plugin and its warden are among them.
    assert!(replug.processes().len() >= 3);
    replug.signal(Signal::KILL);
    replug.ended().await;
    replug.assert_nothing_left();
    assert_eq!(home.private_folders(), Vec::<String>::new());
}
