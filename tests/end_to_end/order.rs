//! In which order plugins start and stop, and what is started by hand.

use rustix::process::Signal;

use crate::rig::{Application, Home, Replug};

const PLAN: &str = "[plugins.base]\n\
                    builtin = \"state.sqlite\"\n\
                    start = \"manual\"\n\
                    [plugins.later]\n\
                    builtin = \"state.in-memory\"\n\
                    after = [\"base\"]\n\
                    [components.kv]\n\
                    type = \"state.sqlite\"\n\
                    metadata = { connectionString = \"kv.db\" }\n";

#[tokio::test]
async fn a_plugin_waits_until_those_before_it_are_ready_and_is_stopped_before_them() {
    let home = Home::new(PLAN);
    let mut replug = Replug::start(&home).await;
    let status = replug.status().await;
    assert!(status.plugin_is("base", "stopped") && status.plugin_is("later", "stopped"));
    assert_eq!(status.plugin("later").unwrap().why(), "waits until base is ready");

    let late = replug.command(&["wait", "later", "--timeout", "10ms"]).await;
    assert_eq!(late.code, Some(1));
    assert_eq!(late.stderr, "replug: plugin `later` is not ready after 10ms\n");

    let waiting = replug.command(&["wait", "later", "--for", "ready"]);
    let starting = replug.command(&["start", "base"]);
    let (waited, started) = tokio::join!(waiting, starting);
    assert_eq!(waited.code, Some(0), "{}", waited.stderr);
    assert!(waited.stdout.starts_with("later: ready, generation 1, pid "), "{}", waited.stdout);
    assert_eq!(started.code, Some(0), "{}", started.stderr);
    assert!(started.stdout.starts_with("base: ready, generation 1, pid "), "{}", started.stdout);
    let status = replug.until_ready("later").await;
    assert_eq!(status.plugin("later").unwrap().why(), "");

    replug.signal(Signal::TERM);
    let first = replug.line("ended: ").await;
    assert!(first.contains("plugin=\"later\""), "{first}");
    assert!(replug.ended().await.success());
    replug.assert_nothing_left();
}

#[tokio::test]
async fn a_plugin_that_is_stopped_by_hand_stays_so_until_it_is_started_again() {
    let home = Home::new(PLAN);
    let mut replug = Replug::start(&home).await;
    let started = replug.command(&["start", "base"]).await;
    assert_eq!(started.code, Some(0), "{}", started.stderr);
    let status = replug.until_usable("kv").await;
    let application = Application::new(&status, "kv");
    application.save("tea", "oolong").await.unwrap();

    let process = replug.process_of("base").await;
    let stopped = replug.command(&["stop", "base"]).await;
    assert_eq!((stopped.code, stopped.stdout.as_str()), (Some(0), "base: stopped, generation 1\n"));
    process.gone().await;
    let status = replug.status().await;
    assert!(status.plugin_is("base", "stopped"));
    assert!(status.component_is("kv", "waiting"), "{status:?}");

    let again = replug.command(&["start", "base"]).await;
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert_eq!(application.get("tea").await.unwrap(), "oolong");
    let unknown = replug.command(&["stop", "bsae"]).await;
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("did you mean `base`?"), "{}", unknown.stderr);
    replug.stop(&home).await;
}
