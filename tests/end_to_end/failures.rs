//! Plugins that misbehave: each is shown as it is, with its cause, and nothing else suffers.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rustix::process::Signal;
use tonic::Code;

use crate::rig::{Application, Home, Process, Replug, Status, misbehave, text};

/// How soon a plugin of these tests has to be ready, and how short its delays are.
const HASTE: &str = "start_timeout = \"1s\"\n\
                     stop_timeout = \"500ms\"\n\
                     backoff = { initial = \"20ms\", max = \"80ms\", stable_after = \"1m\" }\n";

/// A home with a plugin `bad` in that mode, and beside it a plugin `good` of another component type
/// with a component `steady`.
fn home(mode: &str) -> Home {
    let program = misbehave();
    Home::new(&format!(
        "[plugins.bad]\ncommand = [{program:?}, \"{mode}\"]\n{HASTE}\
         [plugins.good]\ncommand = [{program:?}, \"well\", \"good.sock\"]\n\
         [components.kv]\ntype = \"state.misbehave\"\nhold = \"200ms\"\n\
         [components.steady]\ntype = \"state.good\"\n"
    ))
}

/// Starts replug, waits until `bad` is waiting for a start with one of `reasons` told, and asserts
/// that the good plugin does not suffer.
async fn fails_with(mode: &str, reasons: &[&str]) {
    let home = home(mode);
    let mut replug = Replug::start(&home).await;
    let status = replug
        .until("bad backs off", |now| {
            now.plugin("bad").is_some_and(|bad| bad.state == "backoff" && bad.restarts >= 1)
        })
        .await;
    let bad = status.plugin("bad").unwrap();
    let told = format!("{} / {}", bad.why(), bad.end()).to_lowercase();
    assert!(reasons.iter().any(|reason| told.contains(reason)), "{told}");
    assert!(bad.serves.is_empty(), "{:?}", bad.serves);
    works_beside(&mut replug).await;
    replug.stop(&home).await;
}

/// The other plugin's component works.
async fn works_beside(replug: &mut Replug) -> Status {
    let status = replug.until_usable("steady").await;
    Application::new(&status, "steady").assert_works().await;
    status
}

#[tokio::test]
async fn a_plugin_that_exits_at_once_is_tried_again_at_longer_and_longer_delays() {
    let home = home("exit-at-once");
    let mut replug = Replug::start(&home).await;
    let status = replug
        .until("bad is crash-looping", |now| now.plugin("bad").is_some_and(|bad| bad.crash_looping))
        .await;
    let bad = status.plugin("bad").unwrap();
    assert!(bad.generation >= 3, "{bad:?}");
    assert!(bad.end().contains('3'), "its exit status is 3: {}", bad.end());
    // The longest delay, with its jitter.
    assert!(bad.next_start_in_ms.unwrap_or_default() <= 160, "{bad:?}");
    // What it printed is in the log, under its name.
    let line = replug.line("misbehave: cannot go on").await;
    assert!(line.contains("bad"), "{line}");

    let status = works_beside(&mut replug).await;
    let refused = Application::new(&status, "kv").get("key").await.unwrap_err();
    assert_ne!(refused.code(), Code::DeadlineExceeded, "{refused}");
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_plugin_that_never_makes_a_socket_is_killed_after_start_timeout() {
    fails_with("never-socket", &["socket", "start_timeout"]).await;
}

#[tokio::test]
async fn a_plugin_that_does_not_accept_is_killed_after_start_timeout() {
    fails_with("socket-no-accept", &["start_timeout", "not ready", "in time", "answer"]).await;
}

#[tokio::test]
async fn a_plugin_that_does_not_speak_http2_is_killed_after_start_timeout() {
    fails_with("not-http2", &["http2", "http/2", "transport", "protocol", "connection"]).await;
}

#[tokio::test]
async fn a_plugin_without_reflection_is_shown_as_such() {
    fails_with("no-reflection", &["reflection"]).await;
}

#[tokio::test]
async fn a_plugin_whose_services_nobody_knows_is_shown_with_them() {
    fails_with("unknown-service", &["replug.control.v1.control"]).await;
}

#[tokio::test]
async fn a_plugin_that_answers_ping_with_an_error_is_shown_with_it() {
    fails_with("ping-error", &["not well today"]).await;
}

#[tokio::test]
async fn a_component_whose_init_fails_is_unavailable_with_the_error_and_the_plugin_stays_up() {
    let home = home("init-error");
    let mut replug = Replug::start(&home).await;
    let status = replug.until("kv has failed", |now| now.component_is("kv", "failed")).await;
    let why = status.component("kv").unwrap().why().to_owned();
    assert!(why.contains("the database is locked"), "{why}");

    let status = replug.until_ready("bad").await;
    assert_eq!(status.plugin("bad").unwrap().generation, 1);
    let refused = Application::new(&status, "kv").get("key").await.unwrap_err();
    assert!(refused.message().contains("the database is locked"), "{refused}");
    works_beside(&mut replug).await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_plugin_that_hangs_holds_its_callers_no_longer_than_they_wish_and_nobody_else() {
    let home = home("well");
    let mut replug = Replug::start(&home).await;
    replug.until_ready("bad").await;
    let status = replug.until_usable("kv").await;
    let process = replug.process_of("bad").await;
    process.hang().await;

    let application = Application::new(&status, "kv");
    let patience = Duration::from_millis(300);
    let hung = tokio::time::timeout(patience, application.get("key")).await;
    assert!(hung.is_err(), "it cannot have answered: {hung:?}");
    works_beside(&mut replug).await;

    process.signal(Signal::CONT);
    application.assert_works().await;
    // A plugin that hangs is also stopped in time.
    process.hang().await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_plugin_that_ignores_sigterm_is_killed_after_stop_timeout() {
    let home = home("ignore-sigterm");
    let mut replug = Replug::start(&home).await;
    replug.until_ready("bad").await;
    let process = replug.process_of("bad").await;
    process.signal(Signal::TERM);
    let status = replug.until_usable("kv").await;
    Application::new(&status, "kv").assert_works().await;

    replug.stop(&home).await;
    process.gone().await;
}

#[tokio::test]
async fn a_plugin_that_leaves_its_process_group_is_stopped_and_killed_all_the_same() {
    // It goes into the group of a child, in the same session.
    let script = "\
import os, sys
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
    os.execvp('sleep', ['sleep', '600'])
try:
    os.setpgid(child, child)
except OSError:
    pass
os.setpgid(0, child)
os.execv(sys.argv[1], sys.argv[1:])
";
    let home = Home::new(&format!(
        "[plugins.store]\n\
         command = [\"python3\", \"-c\", {script:?}, {:?}, \"well\"]\n\
         stop_timeout = \"2s\"\n\
         [components.kv]\n\
         type = \"state.misbehave\"\n",
        misbehave()
    ));
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("kv").await;
    let child = |replug: &Replug| {
        let of = |it: &Process| it.command_line().contains("sleep 600");
        replug.processes().into_iter().find(of).expect("it has a child")
    };
    let (first, plugin) = (child(&replug), replug.process_of("store").await);
    let stopped = replug.command(&["stop", "store"]).await;
    assert_eq!(stopped.code, Some(0), "{}", stopped.stderr);
    plugin.gone().await;
    first.gone().await;
    assert_eq!(replug.command(&["start", "store"]).await.code, Some(0));
    let second = child(&replug);
    replug.kill_plugin("store").await;
    second.gone().await;
    Application::new(&status, "kv").assert_works().await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_plugin_that_prints_100_mb_works_meanwhile() {
    let home = home("print-100mb");
    let mut replug = Replug::start(&home).await;
    replug.until_ready("bad").await;
    let status = replug.until_usable("kv").await;
    Application::new(&status, "kv").assert_works().await;
    works_beside(&mut replug).await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_plugin_that_prints_binary_is_logged_as_text() {
    let home = home("print-binary");
    let mut replug = Replug::start(&home).await;
    replug.until_ready("bad").await;
    let line = replug.line("that was all").await;
    assert!(line.contains("bad"), "{line}");
    assert!(!line.contains('\x1b'), "a plugin's output reached the terminal's controls");
    let status = replug.until_usable("kv").await;
    Application::new(&status, "kv").assert_works().await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_huge_message_fails_its_call_alone() {
    let home = home("huge-message");
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("kv").await;
    let application = Application::new(&status, "kv");
    let refused = application.get("key").await.unwrap_err();
    assert_ne!(refused.code(), Code::Ok);
    // The connection and the plugin go on.
    application.save("key", "value").await.unwrap();
    let status = works_beside(&mut replug).await;
    assert_eq!(status.plugin("bad").unwrap().generation, 1);
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_tried_until_it_does() {
    let home = Home::empty();
    let program = home.path("late");
    home.write_plan(&format!(
        "[plugins.bad]\ncommand = [{:?}, \"well\"]\n{HASTE}\
         [components.kv]\ntype = \"state.misbehave\"\n",
        text(&program)
    ));
    let mut replug = Replug::start(&home).await;
    let status = replug.until("bad backs off", |now| now.plugin_is("bad", "backoff")).await;
    let bad = status.plugin("bad").unwrap();
    assert!(bad.why().contains("late"), "{}", bad.why());

    // There, and not executable.
    std::fs::write(&program, "#!/bin/sh\n").unwrap();
    let denied =
        |now: &Status| now.plugin("bad").is_some_and(|bad| bad.why().contains("not executable"));
    replug.until("bad may not be executed", denied).await;

    std::fs::remove_file(&program).unwrap();
    std::os::unix::fs::symlink(misbehave(), &program).unwrap();
    let status = replug.until_usable("kv").await;
    Application::new(&status, "kv").assert_works().await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_program_that_loses_its_permission_is_shown_with_the_cause() {
    let home = Home::empty();
    let program = home.path("copy");
    std::fs::copy(misbehave(), &program).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o644)).unwrap();
    let program = text(&program);
    home.write_plan(&format!("[plugins.bad]\ncommand = [{program:?}, \"well\"]\n{HASTE}"));
    let mut replug = Replug::start(&home).await;
    let status = replug.until("bad backs off", |now| now.plugin_is("bad", "backoff")).await;
    let why = status.plugin("bad").unwrap().why().to_lowercase();
    assert!(why.contains("permission") || why.contains("executable"), "{why}");
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_generation_that_ended_leaves_no_folder_and_no_process() {
    let home = home("well");
    let mut replug = Replug::start(&home).await;
    replug.until_ready("good").await;
    replug.until_ready("bad").await;
    for _ in 0..3 {
        replug.kill_plugin("bad").await;
    }
    assert_eq!(home.private_folders(), ["bad.4", "good.1"]);
    let mut plugins = replug.processes();
    plugins.retain(|process: &Process| process.command_line().contains("misbehave"));
    assert_eq!(plugins.len(), 2);
    replug.stop(&home).await;
}
