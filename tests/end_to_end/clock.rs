//! The clock on the wall is set while replug runs: nothing comes sooner or later for it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::rig::{Application, Home, Replug, misbehave, require_tool, text};

/// More than a year.
const JUMP: Duration = Duration::from_secs(40_000_000);

/// The library that sets the clock of one process, where Debian's `faketime` has it.
fn library() -> String {
    let asked =
        Command::new("faketime").args(["-m", "-f", "+0", "printenv", "LD_PRELOAD"]).output();
    String::from_utf8(asked.unwrap().stdout).unwrap().trim().to_owned()
}

/// Sets the clock, by so many seconds from the true one.
fn set(file: &Path, offset: &str) {
    let new = PathBuf::from(format!("{}.new", text(file)));
    std::fs::write(&new, offset).unwrap();
    std::fs::rename(new, file).unwrap();
}

#[tokio::test]
async fn a_clock_that_jumps_ends_no_delay_and_makes_no_plugin_late() {
    if !require_tool("faketime", &["--version"]) {
        return;
    }
    let home = Home::new(&format!(
        "[plugins.store]\n\
         command = [{0:?}, \"well\"]\n\
         health = {{ interval = \"50ms\", timeout = \"5s\", failures = 1, exec = [\"true\"] }}\n\
         [plugins.broken]\n\
         command = [{0:?}, \"exit-at-once\"]\n\
         backoff = {{ initial = \"1h\", max = \"1h\" }}\n\
         [components.kv]\n\
         type = \"state.misbehave\"\n",
        misbehave()
    ));
    let clock = home.path("clock");
    set(&clock, "+0");
    let mut replug = Replug::spawn_with(&home, |command| {
        command
            .env("LD_PRELOAD", library())
            .env("FAKETIME_TIMESTAMP_FILE", &clock)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    });
    let status = replug.until_usable("kv").await;
    replug.until("it waits", |status| status.plugin_is("broken", "backoff")).await;
    let application = Application::new(&status, "kv");

    let now = SystemTime::now();
    for (restarts, (sign, then)) in (1..).zip([("+", now + JUMP), ("-", now - JUMP)]) {
        set(&clock, &format!("{sign}{}", JUMP.as_secs()));
        application.assert_works().await;
        let restarted = replug.command(&["restart", "store"]).await;
        assert_eq!(restarted.code, Some(0), "{}", restarted.stderr);
        // The year and the month: the log shows that the clock has jumped.
        let date = humantime::format_rfc3339_seconds(then).to_string();
        replug.line(&date[..7]).await;

        let status = replug.status().await;
        let (store, broken) = (status.plugin("store").unwrap(), status.plugin("broken").unwrap());
        assert_eq!((store.restarts, store.why()), (restarts, ""));
        assert_eq!((broken.state.as_str(), broken.generation), ("backoff", 1));
        let left = Duration::from_millis(broken.next_start_in_ms.unwrap());
        assert!(left > Duration::from_secs(2400), "{left:?}");
    }
    replug.stop(&home).await;
}
