//! A plugin on Dapr's components SDK for Go, which knows nothing of replug: declared and found.

use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::rig::{Application, Home, Replug, go_memory, require_tool};

const COMPONENT: &str = "[components.cache]\ntype = \"state.go-memory\"\n";

#[tokio::test]
async fn a_plugin_on_the_go_sdk_runs_declared_and_comes_back_after_a_kill() {
    if !require_tool("go", &["version"]) {
        return;
    }
    let home = Home::new(&format!("[plugins.go]\ncommand = [{:?}]\n{COMPONENT}", go_memory()));
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("cache").await;
    let go = status.plugin("go").unwrap();
    assert_eq!((go.kind.as_str(), go.state.as_str(), go.generation), ("declared", "ready", 1));
    assert_eq!(go.serves, ["state.go-memory"]);
    assert_eq!(status.component("cache").unwrap().capabilities, ["ETAG", "TRANSACTIONAL"]);

    let application = Application::new(&status, "cache");
    application.assert_works().await;
    application.transact(&[("one", "1"), ("two", "2")]).await.unwrap();
    assert_eq!(application.get("two").await.unwrap(), "2");
    application.delete("two").await.unwrap();
    assert_eq!(application.get("two").await.unwrap(), "");

    let status = replug.kill_plugin("go").await;
    assert_eq!(status.plugin("go").unwrap().generation, 2);
    // Its memory went with the process; that it answers again at all is the point.
    application.assert_works().await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_plugin_on_the_go_sdk_is_found_lost_and_found_again() {
    if !require_tool("go", &["version"]) {
        return;
    }
    let home = Home::new(COMPONENT);
    let mut replug = Replug::start(&home).await;
    let status = replug.until("cache waits", |now| now.component_is("cache", "waiting")).await;
    let application = Application::new(&status, "cache");

    let mut go = start(&home);
    let status = replug.until_usable("cache").await;
    let found = status.plugin("go-memory").unwrap();
    assert_eq!((found.kind.as_str(), found.pid), ("found", None));
    application.assert_works().await;

    go.kill().await.unwrap();
    replug.until("go-memory is away", |now| now.plugin_is("go-memory", "away")).await;
    // A caller that comes now is held until the plugin is back.
    let (saved, _go) = tokio::join!(application.save("held", "yes"), async { start(&home) });
    saved.unwrap();
    replug.until_usable("cache").await;
    assert_eq!(application.get("held").await.unwrap(), "yes");
    replug.stop(&home).await;
}

/// The plugin as somebody else runs it. Killed when dropped.
fn start(home: &Home) -> Child {
    Command::new(go_memory())
        .env("DAPR_COMPONENT_SOCKETS_FOLDER", home.sockets())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}
