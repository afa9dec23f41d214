//! Many at once: thousands of connections, and a plugin that is flooded beside one that is not.

use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use tokio::task::JoinSet;

use crate::rig::{Application, Home, Replug, misbehave};

/// How many connections there are.
const CONNECTIONS: usize = 5_000;

/// How many of them are made, or used, at a time: what a listener's queue holds and more.
const AT_A_TIME: usize = 250;

fn home(settings: &str) -> Home {
    let program = misbehave();
    Home::new(&format!(
        "[plugins.one]\ncommand = [{program:?}, \"well\"]\n\
         [plugins.other]\ncommand = [{program:?}, \"well\", \"good.sock\"]\n\
         [components.kv]\ntype = \"state.misbehave\"\nhold = \"1m\"\n{settings}\
         [components.steady]\ntype = \"state.good\"\n"
    ))
}

/// One call over each connection, some at a time, that must be good.
async fn use_all(applications: Vec<Application>) -> Vec<Application> {
    let mut left = applications.into_iter();
    let (mut calls, mut done) = (JoinSet::new(), Vec::new());
    loop {
        for application in left.by_ref().take(AT_A_TIME - calls.len()) {
            calls.spawn(async move {
                application.get("key").await.unwrap();
                application
            });
        }
        let Some(called) = calls.join_next().await else { return done };
        done.push(called.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_connections_are_served_and_held_through_a_kill() {
    let most = getrlimit(Resource::Nofile).maximum;
    // Replug raises its own limit; a test that may not have as many cannot ask for them.
    if most.is_some_and(|most| most < 2 * CONNECTIONS as u64) {
        eprintln!("not tried: no more than {most:?} open files are allowed");
        return;
    }
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    let home = home("");
    let mut replug = Replug::start(&home).await;
    replug.until_usable("kv").await;
    let status = replug.until_usable("steady").await;
    let address = status.address("grpc");
    let applications = (0..CONNECTIONS).map(|_| Application::over_grpc(address, "kv")).collect();
    let applications = use_all(applications).await;
    // All are open at this moment.
    let open = std::fs::read_dir(format!("/proc/{}/fd", replug.pid())).unwrap().count();
    assert!(open >= CONNECTIONS, "{open} descriptors");
    // One call of each waits for the plugin, and none is lost.
    replug.kill_at_once("one").await;
    let mut calls = JoinSet::new();
    for application in applications {
        calls.spawn(async move { application.get("key").await });
    }
    let answers = calls.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), CONNECTIONS);
    Application::new(&status, "steady").assert_works().await;
    replug.stop(&home).await;
}

/// How long all but one in a hundred calls took at the most, of some one after the other.
async fn p99(application: &Application) -> Duration {
    const CALLS: usize = 500;
    let mut took = Vec::new();
    for _ in 0..CALLS {
        let begun = Instant::now();
        application.get("key").await.unwrap();
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    took[CALLS * 99 / 100]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_neighbour_of_a_plugin_that_is_stuck_and_flooded_does_not_notice() {
    /// How much longer the neighbour's calls may take, whatever else the machine does. One that had to
    /// wait for the other's would take a minute.
    const LONGER: u32 = 30;
    const AT_THE_LEAST: Duration = Duration::from_millis(20);
    const FLOOD: usize = 2_000;
    let home = home("max_calls = 500\nmax_bytes = \"4M\"\n");
    let mut replug = Replug::start(&home).await;
    replug.until_usable("kv").await;
    let status = replug.until_usable("steady").await;
    let neighbour = Application::new(&status, "steady");
    let alone = p99(&neighbour).await;

    let stuck = replug.process_of("one").await;
    stuck.hang().await;
    let mut flood = JoinSet::new();
    for connection in 0..4 {
        let application = Application::over_grpc(status.address("grpc"), "kv");
        for number in 0..FLOOD / 4 {
            let application = application.clone();
            let value = "v".repeat(16 << 10);
            flood.spawn(async move {
                application.save(&format!("{connection}-{number}"), &value).await
            });
        }
    }
    // Most are turned away at once; the others wait for the plugin, and are all there is of it.
    let most = 4 << 20;
    let mut turned_away = 0;
    while turned_away < FLOOD - most / (16 << 10) - 1 {
        let refused = flood.join_next().await.unwrap().unwrap().unwrap_err();
        assert!(refused.message().contains("max_"), "{refused}");
        turned_away += 1;
    }
    let beside = p99(&neighbour).await;
    assert!(beside < AT_THE_LEAST + alone * LONGER, "{beside:?} beside it, {alone:?} without");
    let calls = replug.status().await;
    eprintln!("p99 {alone:?} without, {beside:?} beside; {turned_away} turned away: {calls:?}");
    stuck.signal(Signal::CONT);
    while let Some(written) = flood.join_next().await {
        if let Err(refused) = written.unwrap() {
            assert!(refused.message().contains("max_"), "{refused}");
        }
    }
    replug.stop(&home).await;
}
