//! Plugins that tell by themselves how they are, over `sd_notify`.

use rustix::process::Signal;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{UnixListener, UnixStream};

use crate::rig::{Application, Home, Replug, Status, misbehave, text};

/// A home whose plugin tells what the test wants.
struct Stage {
    home: Home,
    listener: UnixListener,
}

impl Stage {
    fn new(settings: &str) -> Self {
        let home = Home::empty();
        let path = home.path("tells.sock");
        home.write_plan(&format!(
            "[plugins.store]\n\
             command = [{:?}, \"well\"]\n\
             env = {{ MISBEHAVE_TELLS = {:?} }}\n\
             notify = true\n\
             {settings}\n\
             [components.kv]\n\
             type = \"state.misbehave\"\n\
             hold = \"30s\"\n",
            misbehave(),
            text(&path),
        ));
        Self { listener: UnixListener::bind(path).unwrap(), home }
    }

    /// A replug whose log tells of what the plugin says.
    fn replug(&self) -> Replug {
        Replug::spawn_with(&self.home, |command| command.args(["--log", "debug"]))
    }

    /// The next generation of the plugin, ready to tell.
    async fn plugin(&self) -> Teller {
        let accepted = tokio::time::timeout(crate::rig::PATIENCE, self.listener.accept()).await;
        Teller(accepted.expect("it asks what to tell").unwrap().0)
    }
}

struct Teller(UnixStream);

impl Teller {
    async fn tells(&mut self, message: &str) {
        self.0.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }
}

fn says(status: &Status) -> &str {
    status.plugin("store").unwrap().says.as_deref().unwrap_or_default()
}

#[tokio::test]
async fn a_plugin_is_ready_when_it_serves_and_says_so() {
    let stage = Stage::new("");
    let mut replug = stage.replug();
    let mut plugin = stage.plugin().await;
    plugin.tells("STATUS=loading 3 of 4").await;
    let status =
        replug.until("its status is shown", |status| says(status) == "loading 3 of 4").await;
    assert!(status.plugin_is("store", "starting"), "{status:?}");

    plugin.tells("READY=1\tSTATUS=all loaded").await;
    let status = replug.until_usable("kv").await;
    assert_eq!(says(&status), "all loaded");
    let table = replug.command(&["status"]).await.stdout;
    assert!(table.contains("Say of themselves:\n  plugin store: all loaded\n"), "{table}");
    Application::new(&status, "kv").assert_works().await;
    // It ends in its own time, and who calls meanwhile waits for the next generation.
    plugin.tells("STOPPING=1").await;
    let status = replug.until("its end is shown", |status| says(status) == "stopping").await;
    replug.line("says that it is stopping").await;
    assert!(replug.status().await.component_is("kv", "suspended"), "{status:?}");
    let application = Application::new(&status, "kv");
    let calling = tokio::spawn(async move { application.save("tea", "oolong").await });
    let process = replug.process_of("store").await;
    process.signal(Signal::TERM);
    process.gone().await;
    let mut next = stage.plugin().await;
    next.tells("READY=1").await;
    calling.await.unwrap().unwrap();
    replug.stop(&stage.home).await;
}

#[tokio::test]
async fn a_plugin_that_never_says_that_it_is_ready_is_late_unless_it_asks_for_time() {
    let stage = Stage::new("start_timeout = \"2s\"");
    let mut replug = stage.replug();
    let _silent = stage.plugin().await;
    let line = replug.line("has not told").await;
    assert!(line.contains("it has not told that it is (READY=1)"), "{line}");

    let mut patient = stage.plugin().await;
    patient.tells("EXTEND_TIMEOUT_USEC=60000000").await;
    // Time is what this is about: longer than the timeout.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    patient.tells("READY=1").await;
    let status = replug.until_ready("store").await;
    assert_eq!(status.plugin("store").unwrap().generation, 2);
    replug.stop(&stage.home).await;
}

#[tokio::test]
async fn a_plugin_that_does_not_feed_its_watchdog_is_killed_and_replaced() {
    let stage = Stage::new("watchdog = \"300ms\"");
    let mut replug = stage.replug();
    let mut plugin = stage.plugin().await;
    plugin.tells("READY=1").await;
    replug.until_ready("store").await;
    let process = replug.process_of("store").await;
    for _ in 0..10 {
        plugin.tells("WATCHDOG=1").await;
        // Fed in time, for three times as long as it may be silent.
        tokio::time::sleep(std::time::Duration::from_millis(90)).await;
    }
    assert_eq!(replug.status().await.plugin("store").unwrap().generation, 1);

    process.hang().await;
    process.gone().await;
    replug.line("hangs: no WATCHDOG=1 for 300ms").await;
    let mut next = stage.plugin().await;
    next.tells("READY=1\tWATCHDOG_USEC=60000000").await;
    replug.until_ready("store").await;
    next.tells("WATCHDOG=trigger").await;
    replug.line("hangs: it says of itself that it does (WATCHDOG=trigger)").await;
    stage.plugin().await.tells("READY=1").await;
    replug.stop(&stage.home).await;
}

#[tokio::test]
async fn what_a_plugin_tells_is_heard_by_the_next_program_of_replug_too() {
    let stage = Stage::new("watchdog = \"1m\"");
    let mut replug = stage.replug();
    let mut plugin = stage.plugin().await;
    plugin.tells("READY=1\tSTATUS=before").await;
    replug.until_usable("kv").await;
    let process = replug.process_of("store").await;

    let upgraded = replug.command(&["upgrade"]).await;
    assert_eq!(upgraded.code, Some(0), "{}", upgraded.stderr);
    let status = replug.until_ready("store").await;
    assert_eq!((says(&status), status.plugin("store").unwrap().generation), ("before", 1));
    assert_eq!(status.plugin("store").unwrap().pid, Some(process.pid()));
    plugin.tells("STATUS=after").await;
    replug.until("its status is shown", |status| says(status) == "after").await;
    plugin.tells("WATCHDOG=trigger").await;
    process.gone().await;
    stage.plugin().await.tells("READY=1").await;
    replug.stop(&stage.home).await;
}
