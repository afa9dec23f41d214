//! A declared plugin through its lives, as the application and `replug status` see it.

use crate::rig::{Application, Home, Process, Replug, misbehave};

/// A plan of one plugin in `mode`, and a component on it.
fn plan(mode: &str) -> String {
    format!(
        "[plugins.store]\n\
         command = [{:?}, \"{mode}\"]\n\
         [components.kv]\n\
         type = \"state.misbehave\"\n",
        misbehave()
    )
}

#[tokio::test]
async fn status_tells_a_plugins_story_through_a_kill() {
    let home = Home::new(&plan("well"));
    let mut replug = Replug::start(&home).await;
    let before = replug.until_ready("store").await;
    let first = before.plugin("store").unwrap();
    assert_eq!(before.app_id, "app");
    assert_eq!(before.pid, replug.pid());
    assert_eq!(before.version, env!("CARGO_PKG_VERSION"));
    assert_eq!((first.generation, first.restarts, first.end()), (1, 0, ""));
    assert_eq!(first.serves, ["state.misbehave"]);
    assert!(!first.crash_looping);

    let after = replug.kill_plugin("store").await;
    let second = after.plugin("store").unwrap();
    assert_eq!((second.generation, second.restarts), (2, 1));
    assert!(second.end().contains("SIGKILL"), "{}", second.end());
    assert_ne!(second.pid, first.pid);
    assert!(second.uptime_ms.is_some());

    let table = replug.command(&["status"]).await;
    assert_eq!(table.code, Some(0), "{}", table.stderr);
    for part in ["store", "ready", "state.misbehave", "kv", "SIGKILL"] {
        assert!(table.stdout.contains(part), "no {part} in\n{}", table.stdout);
    }
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_call_while_the_plugin_is_away_waits_for_it() {
    let home = Home::new(&plan("well"));
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("kv").await;
    let application = Application::new(&status, "kv");
    application.assert_works().await;

    replug.kill_at_once("store").await;
    application.save("after", "the kill").await.unwrap();
    assert_eq!(application.get("after").await.unwrap(), "the kill");
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_restart_that_is_asked_for_makes_the_next_generation() {
    let home = Home::new(&plan("well"));
    let mut replug = Replug::start(&home).await;
    replug.until_ready("store").await;
    let old = replug.process_of("store").await;

    let restarted = replug.command(&["restart", "store"]).await;
    assert_eq!(restarted.code, Some(0), "{}", restarted.stderr);
    old.gone().await;
    let status = replug.status().await;
    let store = status.plugin("store").unwrap();
    assert_eq!((store.state.as_str(), store.generation), ("ready", 2));

    let unknown = replug.command(&["restart", "stor"]).await;
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("stor"), "{}", unknown.stderr);
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_value_goes_in_and_out_over_http_with_a_kill_between() {
    let plan = "[plugins.store]\n\
                builtin = \"state.sqlite\"\n\
                [components.kv]\n\
                type = \"state.sqlite\"\n\
                metadata = { connectionString = \"kv.db\" }\n";
    let home = Home::new(plan);
    let mut replug = Replug::start(&home).await;
    replug.until_ready("store").await;
    let status = replug.until_usable("kv").await;
    let application = Application::new(&status, "kv");

    let saved = application.http("POST", "", r#"[{"key":"k","value":{"a":1}}]"#).await;
    assert_eq!(saved.status, 204, "{}", saved.body);
    replug.kill_plugin("store").await;
    let got = application.http("GET", "/k", "").await;
    assert_eq!((got.status.as_u16(), got.body.as_str()), (200, r#"{"a":1}"#));
    replug.stop(&home).await;
}

#[tokio::test]
async fn nothing_that_a_plugin_started_outlives_it_or_replug() {
    let home = Home::new(&plan("fork-children"));
    let mut replug = Replug::start(&home).await;
    replug.until_ready("store").await;
    let family: Vec<Process> = replug.process_of("store").await.children();
    assert!(family.len() >= 2, "the plugin has its children");

    replug.kill_plugin("store").await;
    for child in family {
        child.gone().await;
    }
    // The second generation's family, by replug's own stop.
    replug.stop(&home).await;
}

#[tokio::test]
async fn no_child_outlives_a_replug_that_is_killed() {
    let home = Home::new(&plan("fork-children"));
    let mut replug = Replug::start(&home).await;
    replug.until_ready("store").await;
    let plugin = replug.process_of("store").await;

    replug.signal(rustix::process::Signal::KILL);
    replug.ended().await;
    plugin.gone().await;
    replug.assert_nothing_left();

    // What the dead one has left in the run folder is no obstacle to the next one.
    let mut next = Replug::start(&home).await;
    next.until_ready("store").await;
    next.stop(&home).await;
}
