//! Many plugins: what replug takes for them, and what becomes of them when it is killed.

use std::fmt::Write as _;

use rustix::process::Signal;

use crate::rig::{Home, Replug, Status, misbehave};

/// How many plugins are many here.
const MANY: usize = 100;

fn plan() -> String {
    (0..MANY).fold(String::new(), |mut plan, number| {
        let program = misbehave();
        let _ = writeln!(
            plan,
            "[plugins.p{number}]\ncommand = [{program:?}, \"well\", \"p{number}.sock\"]"
        );
        plan
    })
}

fn all_ready(status: &Status) -> bool {
    let ready = status.plugins.iter().filter(|plugin| plugin.state == "ready");
    ready.count() == MANY
}

#[tokio::test]
async fn none_of_a_hundred_plugins_outlives_a_killed_replug_and_the_next_start_is_clean() {
    let home = Home::new(&plan());
    let mut killed = Replug::start(&home).await;
    killed.until("all are ready", all_ready).await;
    assert!(killed.processes().len() > MANY);
    killed.signal(Signal::KILL);
    killed.ended().await;
    killed.assert_nothing_left();
    assert_eq!(home.private_folders(), Vec::<String>::new());

    let mut next = Replug::start(&home).await;
    let status = next.until("all are ready", all_ready).await;
    assert!(status.plugins.iter().all(|plugin| plugin.generation == 1));
    assert_eq!(home.private_folders().len(), MANY);
    next.stop(&home).await;
}

#[tokio::test]
async fn replug_takes_the_open_files_that_it_may_have_and_plugins_get_what_it_was_started_with() {
    let home = Home::new(&format!("[plugins.store]\ncommand = [{:?}, \"well\"]\n", misbehave()));
    let mut replug = Replug::spawn_under(&home, "prlimit", &["--nofile=300:2000"]);
    replug.until_ready("store").await;
    assert_eq!(open_files(replug.pid()), ["2000", "2000"]);
    let plugin = replug.process_of("store").await;
    assert_eq!(open_files(plugin.pid()), ["300", "2000"]);
    replug.stop(&home).await;
}

/// The soft and the hard limit of open files of a process.
fn open_files(pid: u32) -> [String; 2] {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let mut words = line.split_whitespace().map(str::to_owned);
    [words.next().unwrap(), words.next().unwrap()]
}
