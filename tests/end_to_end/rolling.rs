//! A plugin's next generation takes the place of the present one, and nobody notices; where it cannot,
//! the present one serves on.

use std::collections::HashMap;

use crate::rig::{Application, Home, PATIENCE, Replug, Run, misbehave};
use crate::storm::load::{Load, Outcome};

/// How often the plugin is replaced under load, unless this variable says otherwise.
const ROUNDS_VARIABLE: &str = "REPLUG_ROLLING_ROUNDS";
const ROUNDS: u64 = 10;

/// A plugin that keeps a tally of what is written through it, whatever its generation.
fn tally() -> Home {
    let program = misbehave();
    Home::new(&format!(
        "[plugins.tally]\ncommand = [{program:?}, \"tally\"]\n\
         [components.kv]\ntype = \"state.misbehave\"\n"
    ))
}

/// A plugin whose first generation is as it should be, and whose later ones are not.
fn worse_later(mode: &str, settings: &str) -> Home {
    let program = misbehave();
    let script =
        format!("[ $REPLUG_GENERATION = 1 ] && exec {program:?} well || exec {program:?} {mode}");
    Home::new(&format!(
        "[plugins.p]\ncommand = [\"/bin/sh\", \"-c\", {script:?}]\n{settings}\n\
         [components.kv]\ntype = \"state.misbehave\"\n"
    ))
}

/// That nothing failed, and that every write was carried out once.
fn assert_unnoticed(home: &Home, outcomes: Vec<Outcome>) {
    let tally = std::fs::read_to_string(home.path("misbehave.tally")).unwrap();
    let mut writes: HashMap<&str, usize> = HashMap::new();
    for line in tally.lines() {
        let (_, key) = line.split_once(' ').unwrap();
        *writes.entry(key).or_default() += 1;
    }
    let mut acknowledged = 0;
    for outcome in outcomes {
        assert_eq!(outcome.failed, Vec::<String>::new());
        assert_eq!(outcome.unknown, Vec::<String>::new());
        for key in &outcome.acknowledged {
            assert_eq!(writes.get(key.as_str()), Some(&1), "{key}");
        }
        acknowledged += outcome.acknowledged.len();
    }
    assert_eq!(writes.len(), acknowledged);
    eprintln!("{acknowledged} writes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_under_load_fails_no_request_and_doubles_no_write() {
    let rounds = std::env::var(ROUNDS_VARIABLE).map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let home = tally();
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("kv").await;
    let applications = [Application::new(&status, "kv"), Application::new(&status, "kv")];
    let load = Load::start(&applications, "rolling");
    for round in 1..=rounds {
        let run = replug.command(&["restart", "tally", "--rolling"]).await;
        assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
        let told = format!("tally: ready, generation {}", round + 1);
        assert!(run.stdout.contains(&told), "{}", run.stdout);
    }
    assert_unnoticed(&home, load.stop().await);
    let ended = format!("ended: exit status 0 plugin=\"tally\" generation={rounds}");
    replug.line(&ended).await;
    assert_eq!(home.private_folders(), [format!("tally.{}", rounds + 1)]);
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_next_generation_that_does_not_become_ready_leaves_the_present_one_serving() {
    let reasons = [
        ("exit-at-once", "exit status 3"),
        ("never-socket", "no socket has appeared within 1s"),
        ("init-error", "the database is locked"),
        ("unknown-service", "serves no component"),
    ];
    for (mode, reason) in reasons {
        let home = worse_later(mode, "start_timeout = \"1s\"");
        let mut replug = Replug::start(&home).await;
        let status = replug.until_usable("kv").await;
        let application = Application::new(&status, "kv");
        application.save("tea", "oolong").await.unwrap();
        let run = replug.command(&["restart", "p", "--rolling"]).await;
        assert_eq!(run.code, Some(1), "{mode}: {}{}", run.stdout, run.stderr);
        assert!(run.stderr.contains(reason), "{mode}: {}", run.stderr);
        assert!(run.stderr.contains("serves on"), "{mode}: {}", run.stderr);
        if mode == "exit-at-once" {
            assert!(run.stderr.contains("misbehave: cannot go on"), "{}", run.stderr);
        }
        // It is the same process: what it has in memory is there.
        assert_eq!(application.get("tea").await.unwrap(), "oolong", "{mode}");
        let plugin = replug.status().await.plugin("p").unwrap().clone();
        assert_eq!((plugin.generation, plugin.state.as_str()), (1, "ready"), "{mode}");
        assert_eq!(home.private_folders(), ["p.1"], "{mode}");
        replug.stop(&home).await;
    }
}

#[tokio::test]
async fn a_next_generation_that_is_still_starting_takes_over_when_the_present_one_dies() {
    let home = worse_later("never-socket", "");
    let mut replug = Replug::start(&home).await;
    replug.until_usable("kv").await;
    let present = replug.process_of("p").await;
    let plan = home.plan();
    let restart =
        tokio::spawn(async move { Run::replug(&["restart", "p", "--rolling"], &plan).await });
    replug.line("is started beside generation 1").await;
    present.kill();
    present.gone().await;
    let status = replug
        .until("the next generation is the present one", |now| {
            now.plugin("p").is_some_and(|p| p.generation == 2 && p.state == "starting")
        })
        .await;
    assert!(status.plugin("p").unwrap().pid.is_some_and(|pid| pid != present.pid()));
    // Nobody waits for it for ever: stopped, it is gone, and so is who asked.
    let stopped = replug.command(&["stop", "p"]).await;
    assert_eq!(stopped.code, Some(0), "{}", stopped.stderr);
    let run = tokio::time::timeout(PATIENCE, restart).await.unwrap().unwrap();
    assert_eq!(run.code, Some(1), "{}{}", run.stdout, run.stderr);
    replug.stop(&home).await;
}

#[tokio::test]
async fn stopping_a_plugin_that_is_being_replaced_ends_both_generations() {
    let home = worse_later("never-socket", "");
    let mut replug = Replug::start(&home).await;
    replug.until_usable("kv").await;
    let plan = home.plan();
    let restart =
        tokio::spawn(async move { Run::replug(&["restart", "p", "--rolling"], &plan).await });
    let shown = replug
        .until("the next generation is shown", |now| {
            now.plugin("p").is_some_and(|p| p.successor.is_some())
        })
        .await;
    assert_eq!(shown.plugin("p").unwrap().successor.as_ref().unwrap().generation, 2);
    let stopped = replug.command(&["stop", "p"]).await;
    assert_eq!(stopped.code, Some(0), "{}", stopped.stderr);
    let plugin = replug.status().await.plugin("p").unwrap().clone();
    assert_eq!((plugin.state.as_str(), plugin.pid), ("stopped", None));
    assert!(plugin.successor.is_none());
    let run = restart.await.unwrap();
    assert_eq!(run.code, Some(1), "{}", run.stdout);
    assert!(run.stderr.contains("stopped or restarted"), "{}", run.stderr);
    replug.stop(&home).await;
}

#[tokio::test]
async fn calls_that_have_not_ended_within_the_drain_time_end_with_their_generation() {
    let home = Home::new(&format!(
        "[plugins.p]\n\
         command = [{:?}, \"well\"]\n\
         drain_timeout = \"300ms\"\n\
         stop_timeout = \"300ms\"\n\
         [components.kv]\n\
         type = \"state.misbehave\"\n",
        misbehave()
    ));
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("kv").await;
    let process = replug.process_of("p").await;
    let application = Application::new(&status, "kv");
    let call = tokio::spawn(async move { application.save("never", "x").await });
    replug.line("a call that has no end").await;
    let rolled = replug.command(&["restart", "p", "--rolling"]).await;
    assert_eq!(rolled.code, Some(0), "{}", rolled.stderr);
    // The next one serves while the old one still has its time.
    Application::new(&status, "kv").assert_works().await;
    process.gone().await;
    let told = tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap().unwrap_err();
    assert_eq!(told.code(), tonic::Code::Unavailable, "{told}");
    assert!(told.message().contains("not known"), "{told}");
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_plugin_whose_socket_is_fixed_is_restarted_plainly_and_told_so() {
    let home = Home::empty();
    let socket = home.path("misbehave.sock");
    let (program, path) = (misbehave(), socket.to_str().unwrap());
    home.write_plan(&format!(
        "[plugins.fixed]\ncommand = [{program:?}, \"well\", {path:?}]\nsocket = {path:?}\n\
         [components.kv]\ntype = \"state.misbehave\"\n"
    ));
    let mut replug = Replug::start(&home).await;
    replug.until_usable("kv").await;
    let run = replug.command(&["restart", "fixed", "--rolling"]).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stderr.contains("the path of its socket is fixed"), "{}", run.stderr);
    assert!(run.stdout.contains("ready, generation 2"), "{}", run.stdout);
    replug.stop(&home).await;
}
