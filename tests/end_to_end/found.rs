//! What is in the socket folder: plugins that somebody else runs, and what is none.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::rig::{Application, Home, Replug, misbehave};

const COMPONENT: &str = "[components.kv]\ntype = \"state.misbehave\"\n";

/// A plugin as somebody else runs it. Killed when dropped.
fn start(home: &Home, mode: &str, socket: &str) -> Child {
    Command::new(misbehave())
        .args([mode, socket])
        .env("DAPR_COMPONENTS_SOCKETS_FOLDER", home.sockets())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_plugin_that_is_there_at_the_start_is_found() {
    let home = Home::new(COMPONENT);
    let _plugin = start(&home, "well", "misbehave.sock");
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("kv").await;
    let found = status.plugin("misbehave").unwrap();
    assert_eq!((found.kind.as_str(), found.state.as_str()), ("found", "ready"));
    Application::new(&status, "kv").assert_works().await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_component_waits_for_its_type_and_works_as_soon_as_a_plugin_serves_it() {
    let home = Home::new(COMPONENT);
    let mut replug = Replug::start(&home).await;
    let status = replug.until("kv waits", |now| now.component_is("kv", "waiting")).await;
    let why = status.component("kv").unwrap().why().to_owned();
    assert!(why.contains("state.misbehave"), "{why}");

    let _plugin = start(&home, "well", "misbehave.sock");
    let status = replug.until_usable("kv").await;
    Application::new(&status, "kv").assert_works().await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_found_plugin_goes_and_comes_back() {
    let home = Home::new(COMPONENT);
    let mut replug = Replug::start(&home).await;
    for _ in 0..3 {
        let mut plugin = start(&home, "well", "misbehave.sock");
        let status = replug.until_usable("kv").await;
        Application::new(&status, "kv").assert_works().await;
        plugin.kill().await.unwrap();
        replug.until("misbehave is away", |now| now.plugin_is("misbehave", "away")).await;
    }
    replug.stop(&home).await;
}

#[tokio::test]
async fn what_is_no_socket_in_the_socket_folder_is_passed_over() {
    let home = Home::new(COMPONENT);
    std::fs::write(home.sockets().join("file.sock"), "no socket").unwrap();
    std::fs::create_dir(home.sockets().join("folder.sock")).unwrap();
    let elsewhere = home.path("elsewhere.sock");
    let _listener = UnixListener::bind(&elsewhere).unwrap();
    symlink(&elsewhere, home.sockets().join("link.sock")).unwrap();
    symlink("nowhere", home.sockets().join("broken.sock")).unwrap();

    let mut replug = Replug::start(&home).await;
    let _plugin = start(&home, "well", "misbehave.sock");
    let status = replug.until_usable("kv").await;
    for name in ["file", "folder", "link", "broken"] {
        assert!(!status.plugin_is(name, "ready"), "{name} is taken for a plugin");
    }
    Application::new(&status, "kv").assert_works().await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_stale_socket_does_not_keep_others_from_being_found() {
    let home = Home::new(COMPONENT);
    // The file stays when the listener is gone.
    drop(UnixListener::bind(home.sockets().join("stale.sock")).unwrap());
    let mut replug = Replug::start(&home).await;
    let _plugin = start(&home, "well", "misbehave.sock");
    let status = replug.until_usable("kv").await;
    assert!(!status.plugin_is("stale", "ready"));
    Application::new(&status, "kv").assert_works().await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn of_two_plugins_that_serve_one_type_the_second_is_passed_over() {
    let home = Home::new(&format!(
        "[plugins.first]\ncommand = [{:?}, \"well\"]\n{COMPONENT}",
        misbehave()
    ));
    let mut replug = Replug::start(&home).await;
    replug.until_ready("first").await;
    let _second = start(&home, "well", "misbehave.sock");
    let status = replug
        .until("the second is passed over", |now| {
            now.plugin("misbehave").is_some_and(|plugin| !plugin.passed_over.is_empty())
        })
        .await;
    let second = status.plugin("misbehave").unwrap();
    assert!(second.passed_over[0].contains("state.misbehave"), "{:?}", second.passed_over);
    assert_eq!(status.component("kv").unwrap().served_by.as_deref(), Some("first"));
    replug.stop(&home).await;
}
