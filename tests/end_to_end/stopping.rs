//! Starts that cannot be, and stops at any moment.

use std::net::TcpListener;

use rustix::process::Signal;

use crate::rig::{Home, Replug, Run, misbehave, text};

/// A plugin that is never ready, so that a stop meets its start.
fn starting() -> Home {
    Home::new(&format!(
        "[plugins.slow]\ncommand = [{:?}, \"never-socket\"]\nstart_timeout = \"10m\"\n",
        misbehave()
    ))
}

#[tokio::test]
async fn sigterm_while_a_plugin_starts_stops_both() {
    let home = starting();
    let mut replug = Replug::start(&home).await;
    replug.until("slow starts", |now| now.plugin("slow").is_some_and(|p| p.pid.is_some())).await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn sigint_while_a_plugin_starts_stops_both() {
    let home = starting();
    let mut replug = Replug::start(&home).await;
    replug.until("slow starts", |now| now.plugin("slow").is_some_and(|p| p.pid.is_some())).await;
    replug.signal(Signal::INT);
    let status = replug.ended().await;
    assert!(status.success(), "{status}");
    replug.assert_nothing_left();
    assert!(home.private_folders().is_empty());
}

#[tokio::test]
async fn a_port_in_use_ends_the_start_with_the_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for key in ["grpc", "http"] {
        let home = Home::empty();
        let run_dir = text(&home.run_dir());
        let plan = format!("[runtime]\nrun_dir = {run_dir:?}\n{key} = \"{address}\"\n");
        let other = if key == "grpc" { "http" } else { "grpc" };
        home.write_raw_plan(format!("{plan}{other} = false\n").as_bytes());
        let run = Run::replug(&["run"], &home.plan()).await;
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        assert!(run.stderr.contains(&address.to_string()), "{}", run.stderr);
    }
}

#[tokio::test]
async fn a_second_replug_on_the_same_run_folder_is_refused() {
    let home = Home::new("");
    let replug = Replug::start(&home).await;
    let second = Run::replug(&["run"], &home.plan()).await;
    assert_eq!(second.code, Some(1), "{}", second.stderr);
    let folder = home.run_dir().display().to_string();
    assert!(second.stderr.contains(&folder), "{}", second.stderr);
    // The first does not notice.
    assert_eq!(replug.status().await.pid, replug.pid());
    replug.stop(&home).await;
}

#[tokio::test]
async fn status_and_restart_say_that_no_replug_answers() {
    let home = Home::new("");
    for arguments in [&["status"][..], &["status", "--json"], &["restart", "store"]] {
        let run = Run::replug(arguments, &home.plan()).await;
        assert_eq!(run.code, Some(4), "{}", run.stderr);
        assert!(!run.stderr.is_empty());
    }
}
